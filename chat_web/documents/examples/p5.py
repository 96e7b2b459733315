"""The frames of P5, the Centrifugal protocol: commands, answers, pushes and publications."""

from typing import Any, Final

import attrs

from chat_web.dialects.centrifugal.commands import Command, FirstCommand, OpenCommand, Said
from chat_web.dialects.centrifugal.rpc import METHODS
from chat_web.documents.dialect_docs import Dialogue, Frame
from chat_web.documents.examples.frame_example import ANN, AT, BOB, MESSAGE_ID, ROOM, SHOWN_ROOM

_EPOCH: Final = "018bcfe5-6800-7f00-ba59-b849de305d16"
_CONVERSATION: Final = "018bcfe5-6800-76be-87dc-8d0142572294"
_CHANNEL: Final = "channel:general"
_TOKEN: Final = "eyJ0eXAiOiJhdCtqd3QifQ.e30.c2ln"  # noqa: S105 - opens nothing

_MY_ROOM: Final = {**SHOWN_ROOM, "me": {"id": ANN["id"]}, "lobby": "timed", "epoch": _EPOCH}
_SHOWN_MESSAGE: Final = {
    "id": MESSAGE_ID,
    "seq": 42,
    "conversation": _CONVERSATION,
    "author": ANN,
    "content": "hi",
    "reply_to": None,
    "attachments": [],
    "reactions": {},
    "created_at": AT,
    "edited_at": None,
    "deleted": False,
    "channel": "general",
}
_POSITION: Final = {"recoverable": True, "positioned": True, "epoch": _EPOCH, "offset": 41}


def _command(name: str, summary: str, body: Any, *, number: int = 1) -> Frame:
    return Frame(name=name, summary=summary, example={"id": number, name.partition("_")[0]: body})


def _rpc(method: str, summary: str, **data: Any) -> Frame:
    return Frame(
        name=f"rpc_{method}",
        summary=summary,
        example={"id": 1, "rpc": {"method": method, "data": data}},
        inner=METHODS[method].shape,
    )


def _logged(kind: str, summary: str, **data: Any) -> Frame:
    told = {"seq": 42, "at": AT, "type": kind, **data}
    push = {"channel": _CHANNEL, "pub": {"data": told, "offset": 42}}
    return Frame(name=kind, summary=summary, example={"push": push})


def _passing(kind: str, summary: str, **data: Any) -> Frame:
    push = {"channel": _CHANNEL, "pub": {"data": {"type": kind, **data}}}
    return Frame(name=kind, summary=summary, example={"push": push})


def _personal(kind: str, summary: str, **data: Any) -> Frame:
    push = {"channel": f"user:{ANN['id']}", "pub": {"data": {"type": kind, **data}}}
    return Frame(name=kind, summary=summary, example={"push": push})


def _notification(kind: str, summary: str, **data: Any) -> Frame:
    return _personal(kind, summary, room_id=ROOM, room=_MY_ROOM, at=AT, **data)


_COMMANDS: Final = (
    _command(
        "connect", "The first command: with a token as that person, else as a guest.", {"token": _TOKEN}
    ),
    _command("refresh", "A new token for this connection.", {"token": _TOKEN}),
    _command("subscribe", "Follow a conversation from now on.", {"channel": _CHANNEL}),
    Frame(
        name="subscribe_recover",
        summary="Follow it, and get what was missed.",
        example={
            "id": 1,
            "subscribe": {"channel": _CHANNEL, "recover": True, "epoch": _EPOCH, "offset": 40},
        },
    ),
    _command("unsubscribe", "Follow it no longer.", {"channel": _CHANNEL}),
    attrs.evolve(
        _command(
            "publish", "Post a message.", {"channel": _CHANNEL, "data": {"content": "hi", "client_id": "c-1"}}
        ),
        shapes=(Command, OpenCommand),  # where channels are open to all, any JSON is data
    ),
    _command("history", "A page of events.", {"channel": _CHANNEL, "limit": 10, "reverse": True}),
    _command("presence", "Who follows it.", {"channel": _CHANNEL}),
    Frame(
        name="presence_stats",
        summary="How many follow it.",
        example={"id": 1, "presence_stats": {"channel": _CHANNEL}},
    ),
    Frame(
        name="sub_refresh",
        summary="Not available (108): no subscription has a token of its own.",
        example={"id": 1, "sub_refresh": {"channel": _CHANNEL, "token": _TOKEN}},
    ),
    _command("ping", "Is the server there?", {}),
    Frame(name="pong", summary="The answer to the server's ping, within 10 s.", example={}),
    Frame(name="send", summary="Taken, and means nothing.", example={"send": {"data": {"any": "thing"}}}),
)
_METHODS: Final = (
    _rpc("search", "Wait for somebody in a lobby.", lobby="anonymous", interests=["chess"]),
    _rpc("cancel_search", "Wait no longer.", lobby="anonymous"),
    _rpc("skip", "Leave the room and search again.", room=ROOM),
    _rpc("post", "Post a message.", conversation=_CHANNEL, content="hi", client_id="c-2"),
    _rpc("edit", "Change one's own message.", message=MESSAGE_ID, content="hi all"),
    _rpc("delete", "Delete a message.", message=MESSAGE_ID),
    _rpc("react", "React to a message.", message=MESSAGE_ID, emoji="👍"),
    _rpc("unreact", "Take a reaction back.", message=MESSAGE_ID, emoji="👍"),
    _rpc("read", "Say how far one has read.", conversation=_CHANNEL, seq=42),
    _rpc("typing", "Say that one types.", conversation=_CHANNEL, is_typing=True),
    _rpc("start", "Start a room's countdown.", room=ROOM),
    _rpc("keep", "Say keep.", room=ROOM),
    _rpc("decline", "Not yet: the countdown goes on.", room=ROOM),
    _rpc("end", "End the room.", room=ROOM),
    _rpc("leave", "Leave the room.", room=ROOM),
    _rpc("join_channel", "Join a channel.", name="general"),
    _rpc("leave_channel", "Leave a channel.", name="general"),
    _rpc("block", "Never be paired with this person again.", user=BOB["id"]),
    _rpc("unblock", "Take a block back.", user=BOB["id"]),
)
_REPLIES: Final = (
    Frame(
        name="connected",
        summary="Who one is, and where one stands.",
        example={
            "id": 1,
            "connect": {
                "client": "018bcfe5-6800-7dd4-b36d-71eacd0549a3",
                "version": "Parley 1.0",
                "ping": 25,
                "pong": True,
                "data": {"person": ANN, "rooms": [], "waiting": None},
                "subs": {f"user:{ANN['id']}": {}},
            },
        },
    ),
    Frame(name="subscribed", summary="From where one follows.", example={"id": 1, "subscribe": _POSITION}),
    Frame(
        name="waits",
        summary="The answer to a search.",
        example={"id": 1, "rpc": {"data": {"status": "waiting", "position": 1, "since": AT}}},
    ),
    Frame(
        name="posted",
        summary="The answer to a post.",
        example={"id": 1, "rpc": {"data": {"message": _SHOWN_MESSAGE, "durable": True}}},
    ),
    Frame(
        name="refused",
        summary="A refusal: its message begins with the code.",
        example={"id": 1, "error": {"code": 1009, "message": "unknown_room Room not found."}},
    ),
    Frame(name="ping_of_server", summary="Every 25 s: answer with the same.", example={}),
    Frame(
        name="unsubscribed",
        summary="One follows no longer: 2000, the conversation is gone or left; 2500, subscribe again.",
        example={
            "push": {"channel": _CHANNEL, "unsubscribe": {"code": 2000, "reason": "server unsubscribe"}}
        },
    ),
)
_PUBLICATIONS: Final = (
    _logged("message_posted", "Somebody wrote.", message=_SHOWN_MESSAGE),
    _logged("message_edited", "A text was changed.", message_id=MESSAGE_ID, content="hi all", edited_at=AT),
    _logged("message_deleted", "A message is a tombstone now.", message_id=MESSAGE_ID, by=ANN),
    _logged("reaction_added", "Somebody reacted.", message_id=MESSAGE_ID, emoji="👍", person=ANN),
    _logged("reaction_removed", "Somebody took it back.", message_id=MESSAGE_ID, emoji="👍", person=ANN),
    _logged("member_joined", "Somebody is a member now.", person=ANN),
    _logged("member_left", "Somebody is no member now.", person=ANN),
    _logged("owner_changed", "A channel has a new owner.", person=BOB),
    _logged("role_changed", "A member has another role.", person=BOB, role="moderator"),
    _logged("room_state", "A room's state, as it is after the event.", room=SHOWN_ROOM),
    _logged("channel_deleted", "The channel is gone."),
    _passing("typing", "Somebody types.", person=ANN, is_typing=True),
    _passing("read", "Somebody has read up to here.", person=ANN, seq=42),
    _passing("presence", "Somebody came or went.", person=ANN, status="online"),
    _personal("matched", "A lobby found somebody.", lobby="timed", room=_MY_ROOM),
    _personal("waiting", "One's place in the line.", lobby="anonymous", position=1, since=AT),
    _personal("partner_left", "The partner is gone.", room_id=ROOM, reason="skipped"),
    _notification("match_found", "A room was made of a pair."),
    _notification("invited", "Somebody made a room with this person.", **{"from": BOB}),
    _notification("countdown_started", "The countdown runs."),
    _notification("keep_request", "Somebody wants to keep the room.", **{"from": BOB}),
    _notification("decision", "Keep talking? There are 30 seconds."),
    _notification("room_kept", "The room stays."),
    _notification("room_ended", "The room has ended."),
    _personal("mention", "A message names this person.", room_id=ROOM, **{"from": BOB}, at=AT),
)

CENTRIFUGE: Final = Dialogue(
    name="centrifugal",
    shapes=(Command,),
    title="P5, the Centrifugal protocol",
    address="/connection/websocket",
    summary="JSON, protocol v2, several commands a frame, one a line; the official SDKs connect unchanged.",
    asked=(*_COMMANDS, *_METHODS),
    told=(*_REPLIES, *_PUBLICATIONS),
)

_SAID: Final = Frame(
    name="emulation",
    summary="Commands, one a line, by POST /emulation with what the answer to connect told.",
    example={
        "session": "dKctQso13NtCN3G9FXTVuErFtJdRljF9",
        "node": "3024435d6fd072ba",
        "data": '{"id":2,"ping":{}}',
    },
    shapes=(Said,),
)
_DISCONNECT: Final = Frame(
    name="disconnect",
    summary="The last push: a close code, and why.",
    example={"push": {"disconnect": {"code": 3001, "reason": "shutdown: come back"}}},
)


def _streamed(name: str, title: str, summary: str) -> Dialogue:
    return Dialogue(
        name=f"centrifugal_{name}",
        title=f"P5 over {title}",
        address=f"/connection/{name}",
        summary=summary,
        asked=(attrs.evolve(_COMMANDS[0], shapes=(FirstCommand,)), _SAID),
        told=(*CENTRIFUGE.told, _DISCONNECT),
    )


HTTP_STREAM: Final = _streamed(
    "http_stream", "HTTP streaming", "POST the first command; a line each comes back."
)
SSE: Final = _streamed("sse", "server-sent events", "GET with the first command as the query's cf_connect.")
