"""The RPC methods of P5.4: JSON in, a command of the core, JSON out."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import attrs
import msgspec

from chat_core import (
    Block,
    CancelSearch,
    Channel,
    Command,
    Committed,
    Decline,
    Delete,
    Edit,
    End,
    JoinChannel,
    Keep,
    Leave,
    LeaveChannel,
    MarkRead,
    PersonId,
    Placed,
    Post,
    React,
    Room,
    Search,
    Skip,
    Start,
    Type,
    Unblock,
    Unreact,
)
from chat_web.dialects.centrifugal.commands import Rpc
from chat_web.dialects.intents import IntentResult
from chat_web.encoding import wire
from chat_web.encoding.strict_json import decoded

Text = Annotated[str, msgspec.Meta(max_length=255)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class LobbyParams(msgspec.Struct):
    lobby: Text
    interests: tuple[str, ...] = ()


class RoomParams(msgspec.Struct):
    room: Text


class PostParams(msgspec.Struct):
    conversation: Text
    content: str
    client_id: str | None = None
    reply_to: Text | None = None
    attachments: tuple[Text, ...] = ()


class MessageParams(msgspec.Struct):
    message: Text


class EditParams(msgspec.Struct):
    message: Text
    content: str


class ReactionParams(msgspec.Struct):
    message: Text
    emoji: str


class ReadParams(msgspec.Struct):
    conversation: Text
    seq: Number


class TypingParams(msgspec.Struct):
    conversation: Text
    is_typing: bool = True


class NameParams(msgspec.Struct):
    name: Text


class UserParams(msgspec.Struct):
    user: Text


@attrs.frozen
class Call:
    """One RPC that was understood. ``channel``: the conversation was named as ``channel:<name>``."""

    method: str
    command_for: Callable[[str], Command]
    conversation: str = ""
    channel: str = ""


@attrs.frozen
class _Method:
    shape: type
    decoder: msgspec.json.Decoder[Any]
    command: Callable[[Any, str], Command]


def _method(shape: type[Any], command: Callable[[Any, str], Command]) -> _Method:
    return _Method(shape, msgspec.json.Decoder(shape), command)


METHODS: Final[Mapping[str, _Method]] = {
    "search": _method(LobbyParams, lambda d, _: Search(lobby=d.lobby, interests=d.interests)),
    "cancel_search": _method(LobbyParams, lambda d, _: CancelSearch(lobby=d.lobby)),
    "skip": _method(RoomParams, lambda d, _: Skip(room=d.room)),
    "post": _method(
        PostParams,
        lambda d, conversation: Post(
            conversation=conversation,
            content=d.content,
            client_id=d.client_id,
            reply_to=d.reply_to,
            attachments=d.attachments,
        ),
    ),
    "edit": _method(EditParams, lambda d, _: Edit(message=d.message, content=d.content)),
    "delete": _method(MessageParams, lambda d, _: Delete(message=d.message)),
    "react": _method(ReactionParams, lambda d, _: React(message=d.message, emoji=d.emoji)),
    "unreact": _method(ReactionParams, lambda d, _: Unreact(message=d.message, emoji=d.emoji)),
    "read": _method(ReadParams, lambda d, conversation: MarkRead(conversation=conversation, seq=d.seq)),
    "typing": _method(
        TypingParams, lambda d, conversation: Type(conversation=conversation, is_typing=d.is_typing)
    ),
    "start": _method(RoomParams, lambda d, _: Start(room=d.room)),
    "keep": _method(RoomParams, lambda d, _: Keep(room=d.room)),
    "decline": _method(RoomParams, lambda d, _: Decline(room=d.room)),
    "end": _method(RoomParams, lambda d, _: End(room=d.room)),
    "leave": _method(RoomParams, lambda d, _: Leave(room=d.room)),
    "join_channel": _method(NameParams, lambda d, _: JoinChannel(name=d.name)),
    "leave_channel": _method(NameParams, lambda d, _: LeaveChannel(name=d.name)),
    "block": _method(UserParams, lambda d, _: Block(user=d.user)),
    "unblock": _method(UserParams, lambda d, _: Unblock(user=d.user)),
}


def understood(asked: Rpc) -> Call | None:
    """The call that a command means, None for an unknown method. Raises ``NotUnderstood``."""
    method = METHODS.get(asked.method)
    if method is None:
        return None
    data = decoded(method.decoder, bytes(asked.data))
    conversation = getattr(data, "conversation", "")
    kind, _, rest = conversation.partition(":")
    return Call(
        asked.method,
        lambda found: method.command(data, found),
        conversation=rest if kind == "room" else conversation,
        channel=rest if kind == "channel" else "",
    )


def result(call: Call, answer: IntentResult, *, now: float, me: PersonId | None) -> dict[str, Any]:
    """The data of the answer to a call."""
    match answer:
        case Placed(room=None):
            return {
                "status": "waiting",
                "position": answer.position,
                "since": wire.stamp_or_none(answer.since),
            }
        case Placed(room=Room() as room):
            return {"status": "matched", "room": wire.room(room, now=now, me=me)}
        case Committed(message=message, conversation=conversation) if message is not None:
            if call.method in ("react", "unreact"):
                return {"reactions": {emoji: list(people) for emoji, people in message.reactions.items()}}
            return {"message": wire.message(message, conversation), "durable": answer.durable}
        case Committed(conversation=Channel() as channel):
            return wire.channel(channel)
        case Committed(conversation=Room() as room):
            return {"room": wire.room(room, now=now, me=me)}
        case _:
            return {}
