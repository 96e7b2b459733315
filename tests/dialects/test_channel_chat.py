"""P1 over a real server: histories, messages, presence, and channels that come and go."""

import asyncio
import json
import socket
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import pytest

from chat_core import Committed, CreateChannel, Post, Status
from chat_web.app_keys import CHAT
from chat_web.sockets.open_connections import PUMPS
from chat_web.transports.client_transport import ClientTransport
from tests.support.dialect_sockets import DialectServer, Socket, dialect_server
from tests.support.http_clients import HttpClient, code
from tests.support.memory_wire import Closed
from tests.support.servers import tokens

NOWHERE: Final = "018bcfe5-6800-7000-8000-000000000000"
MUCH: Final = 64 * 1024  # bytes; a transport that holds more asks its writers to wait


async def comes(here: DialectServer, caller: HttpClient, **query: str) -> Socket:
    """A connection that has looked at everything so far."""
    socket = await here.p1(caller, **query)
    await socket.seen()
    return socket


async def both(here: DialectServer) -> tuple[Socket, Socket]:
    """Ann and bob, who share a channel."""
    ann = await comes(here, await here.user("ann", "general"))
    bob = await comes(here, await here.user("bob", "general"))
    await ann.sees("presence")
    return ann, bob


# Coming


async def test_histories_then_ready(here: DialectServer) -> None:
    ann = await here.user("ann", "general")
    await ann.channel("cats")
    socket = await here.p1(ann)
    cats, general, ready = await socket.sees("history", "history", "ready")
    assert cats == {"type": "history", "channel": "cats", "messages": []}
    assert general["channel"] == "general"
    assert ready == {"type": "ready", "username": "ann", "channels": ["cats", "general"]}


async def test_who_is_in_no_channel_is_ready_at_once(here: DialectServer) -> None:
    socket = await here.p1(await here.user("ann"))
    assert await socket.seen() == [{"type": "ready", "username": "ann", "channels": []}]


async def test_the_history_is_the_last_fifty_messages_oldest_first_as_message_frames(
    here: DialectServer,
) -> None:
    ann, bob = await here.user("ann"), await here.user("bob")
    channel = (await ann.channel("cats", bob))["id"]
    sent = [await ann.says(channel, str(n), client_id=f"c{n}") for n in range(60)]
    await ann.delete(f"/api/messages/{sent[58]['id']}")
    (history,) = [f for f in await (await here.p1(bob)).seen() if f["type"] == "history"]
    shown = history["messages"]
    assert [message["content"] for message in shown] == [str(n) for n in range(10, 60) if n != 58]
    assert shown[0] == {
        "type": "message",
        "id": sent[10]["id"],
        "seq": sent[10]["seq"],
        "channel": "cats",
        "user": {"id": ann.person.id, "username": "ann"},
        "content": "10",
        "timestamp": sent[10]["created_at"],
    }
    (own,) = [f for f in await (await here.p1(ann)).seen() if f["type"] == "history"]
    assert own["messages"][0] == {**shown[0], "client_id": "c10"}


async def test_a_name_in_another_case_is_the_same_user(here: DialectServer) -> None:
    ann = await here.user("ann")
    socket = await here.joins(ann, "/api/ws/ANN")
    assert (await socket.seen())[-1]["username"] == "ann"


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/api/ws/bob", 403, "not_yours"),
        ("/api/ws/nobody", 403, "not_yours"),
        (f"/api/ws/{NOWHERE}", 404, "unknown_room"),
        ("/api/ws/ann?token=x", 401, "unauthenticated"),
        ("/api/ws/ann?token=", 401, "unauthenticated"),
        ("/api/ws/ann?since=general", 400, "bad_request"),
        ("/api/ws/ann?since=general:x", 400, "bad_request"),
        ("/api/ws/ann?since=general:9999999999999999", 400, "bad_request"),
    ],
)
async def test_who_may_not_connect_is_told_before_the_upgrade(
    here: DialectServer, path: str, status: int, why: str
) -> None:
    ann = await here.user("ann")
    await here.user("bob")
    if "token=" not in path:
        path += f"{'&' if '?' in path else '?'}token={ann.token}"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await ann.http.ws_connect(path)
    assert refused.value.status == status
    answered, body = await here.server.nobody().get(path)
    assert (answered, code(body)) == (status, why)


async def test_a_page_of_another_origin_may_not_connect(here: DialectServer) -> None:
    ann = await here.user("ann")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await ann.http.ws_connect("/api/ws/ann", params={"token": str(ann.token)}, origin="http://evil.test")
    assert refused.value.status == 403


async def test_a_bearer_is_as_good_as_a_token_in_the_address(here: DialectServer) -> None:
    ann = await here.user("ann")
    ws = await ann.http.ws_connect("/api/ws/ann", headers={"Authorization": f"Bearer {ann.token}"})
    assert (await ws.receive_json())["type"] == "ready"
    await ws.close()


# Messages


async def test_a_message_reaches_all_and_its_author_with_the_client_id(here: DialectServer) -> None:
    ann, bob = await both(here)
    other_device = await comes(here, await here.user("ann"))
    await ann.say({"channel": "general", "content": "hi", "client_id": "c1"})
    (own,) = await ann.seen()
    (theirs,) = await bob.seen()
    assert own == {**theirs, "client_id": "c1"}
    assert await other_device.seen() == [own]
    assert theirs.keys() == {"type", "id", "seq", "channel", "user", "content", "timestamp"}


async def test_who_is_in_no_such_channel_hears_nothing_of_it(here: DialectServer) -> None:
    ann, _ = await both(here)
    cat = await comes(here, await here.user("cat"))
    await ann.say("hi")
    assert await cat.seen() == []


async def test_bare_text_goes_to_the_only_channel(here: DialectServer) -> None:
    ann, bob = await both(here)
    for text in ("hi", "[1]", "5", "null", '"quoted"', " {no"):
        await ann.say(text)
    assert [frame["content"] for frame in await bob.seen()] == ["hi", "[1]", "5", "null", '"quoted"']
    assert [frame["code"] for frame in await ann.seen() if frame["type"] == "error"] == ["bad_request"]


async def test_bare_text_goes_to_the_channel_written_to_last_on_this_connection(here: DialectServer) -> None:
    ann = await here.user("ann", "general")
    await ann.channel("cats")
    await ann.channel("dogs")
    socket, other = await comes(here, ann), await comes(here, ann)
    await socket.say("where to?")
    (frame,) = await socket.sees("channel_required")
    assert frame["type"] == "error"
    await socket.say({"content": "nor this", "client_id": "c"})
    assert (await socket.sees("channel_required"))[0]["client_id"] == "c"
    await socket.say({"channel": "cats", "content": "meow"})
    await socket.say("again")
    await socket.say({"channel": "", "content": "and again"})
    assert [(f["channel"], f["content"]) for f in await socket.seen()] == [
        ("cats", "meow"),
        ("cats", "again"),
        ("cats", "and again"),
    ]
    await other.seen()
    await other.say("here I wrote to none")
    await other.sees("channel_required")
    await ann.delete("/api/channels/cats")
    await socket.sees("subscription")
    await socket.say("to one that is gone")
    await socket.sees("channel_required")


async def test_what_was_written_before_it_was_ready_goes_out_in_order(here: DialectServer) -> None:
    ann, bob = await here.user("ann", "general"), await comes(here, await here.user("bob", "general"))
    socket = await here.p1(ann)
    for n in range(20):
        await socket.say(str(n))
    assert [f["content"] for f in await bob.seen() if f["type"] == "message"] == [str(n) for n in range(20)]


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ({"channel": "dogs", "content": "x"}, "not_member"),
        ({"channel": "secret", "content": "x"}, "unknown_channel"),
        ({"channel": "none", "content": "x"}, "unknown_channel"),
        ({"channel": "general", "content": " "}, "invalid"),
        ({"channel": "general", "content": "x" * 1001}, "invalid"),
        ({"channel": "general", "content": "a\u0000"}, "invalid"),
        ({"type": "typing", "channel": "dogs"}, "not_member"),
        ({"type": "typing", "channel": "secret"}, "unknown_channel"),
        ({"type": "message", "channel": "general"}, "bad_request"),
        ({"type": "dance", "channel": "general", "content": "x"}, "bad_request"),
        ({"channel": "general", "content": 5}, "bad_request"),
        ({"channel": ["general"], "content": "x"}, "bad_request"),
        ({}, "bad_request"),
    ],
)
async def test_what_cannot_be_is_an_error_and_the_connection_stays(
    here: DialectServer, frame: dict[str, Any], why: str
) -> None:
    ann, bob = await both(here)
    cat = await here.user("cat")
    await cat.channel("dogs")
    await cat.channel("secret", private=True)
    await ann.say(frame)
    await ann.sees(why)
    if why not in ("bad_request",) and frame.get("type") != "typing":
        await ann.say({**frame, "client_id": "mine"})
        (error,) = await ann.sees(why)
        assert error == {"type": "error", "code": why, "message": error["message"], "client_id": "mine"}
    assert await bob.seen() == []
    await ann.say("still here")
    await bob.sees("message")


async def test_a_repeated_client_id_is_answered_on_that_connection_alone(here: DialectServer) -> None:
    ann, bob = await both(here)
    again = await comes(here, await here.user("ann"))
    await ann.say({"content": "hi", "client_id": "c1"})
    first = await ann.seen()
    assert await again.seen() == first
    await bob.seen()
    await again.say({"content": "hi", "client_id": "c1"})
    assert await again.seen() == first
    assert await ann.seen() == []
    assert await bob.seen() == []
    await again.say({"content": "other", "client_id": "c1"})
    (error,) = await again.sees("client_id_reused")
    assert error["client_id"] == "c1"


async def test_typing_is_told_to_the_others(here: DialectServer) -> None:
    ann, bob = await both(here)
    await ann.say({"type": "typing", "channel": "general"})
    assert await bob.seen() == [{"type": "typing", "channel": "general", "username": "ann"}]
    assert await ann.seen() == []


async def test_the_tenth_bad_frame_within_a_minute_ends_the_connection(here: DialectServer) -> None:
    ann, _ = await both(here)
    for _ in range(10):
        await ann.say("{no")
    assert (await ann.seen())[-1] == Closed(3509, "too many errors")


# Presence


async def test_who_shares_channels_sees_one_come_and_go_once(here: DialectServer) -> None:
    bob = await here.user("bob", "general")
    await bob.channel("cats", await here.user("ann", "general"))
    stranger = await comes(here, await here.user("eve"))
    bob_here = await comes(here, bob)
    ann = await comes(here, await here.user("ann"))
    (came,) = await bob_here.sees("presence")
    assert came == {"type": "presence", "username": "ann", "status": "online", "last_seen": came["last_seen"]}
    second = await comes(here, await here.user("ann"))
    await ann.close()
    assert await bob_here.seen() == []
    await second.close()
    await here.advance(9.9)
    assert await bob_here.seen() == []
    await here.advance(0.2)
    (gone,) = await bob_here.sees("presence")
    assert (gone["username"], gone["status"]) == ("ann", "offline")
    assert gone["last_seen"] > came["last_seen"]
    assert await stranger.seen() == []


async def test_who_comes_back_within_the_grace_was_never_gone(here: DialectServer) -> None:
    ann, bob = await both(here)
    await bob.drop()
    await here.advance(9.9)
    await comes(here, await here.user("bob"))
    await here.advance(20)
    assert await ann.seen() == []


async def test_a_status_that_was_chosen_is_told(here: DialectServer) -> None:
    ann, bob = await both(here)
    caller = await here.user("bob")
    for status in ("away", "away", "busy", "offline", "online"):
        await here.server.app[CHAT].accounts.set_status(caller.person.id, Status(status))
    assert [frame["status"] for frame in await ann.seen()] == ["away", "busy", "offline", "online"]
    assert [frame["username"] for frame in await bob.seen()] == ["bob"] * 4


async def test_who_would_not_be_seen_comes_and_goes_unseen(here: DialectServer) -> None:
    ann = await comes(here, await here.user("ann", "general"))
    caller = await here.user("bob", "general")
    await here.server.app[CHAT].accounts.set_status(caller.person.id, Status.OFFLINE)
    bob = await comes(here, caller)
    await bob.close()
    await here.advance(20)
    assert await ann.seen() == []


# Channels that come and go


async def test_a_channel_that_is_joined_elsewhere_comes_with_its_history(here: DialectServer) -> None:
    ann, bob = await here.user("ann"), await here.user("bob", "general")
    await bob.says((await ann.get("/api/channels/general"))[1]["id"], "before")
    one, two = await comes(here, ann), await comes(here, ann)
    await ann.post("/api/channels/general/join")
    for device in (one, two):
        joined, history = await device.sees("subscription", "history")
        assert joined == {"type": "subscription", "action": "joined", "channel": "general"}
        assert [message["content"] for message in history["messages"]] == ["before"]
    await ann.post("/api/channels/general/join")
    assert await one.seen() == []
    await one.say("hi")
    await two.sees("message")


async def test_a_channel_that_is_left_says_no_more(here: DialectServer) -> None:
    ann, bob = await both(here)
    caller = await here.user("ann")
    await caller.post("/api/channels/general/leave")
    assert await ann.seen() == [{"type": "subscription", "action": "left", "channel": "general"}]
    await bob.say("anybody?")
    assert await ann.seen() == []
    await ann.say({"channel": "general", "content": "me"})
    await ann.sees("not_member")
    await caller.post("/api/channels/general/join")
    _, history = await ann.sees("subscription", "history")
    assert [message["content"] for message in history["messages"]] == ["anybody?"]
    await bob.say("you again")
    await ann.sees("message")


async def test_what_was_said_before_one_leaves_comes_before_that(here: DialectServer) -> None:
    ann, bob = await both(here)
    caller = await here.user("ann")
    await bob.say("last words")
    await caller.post("/api/channels/general/leave")
    assert [frame["type"] for frame in await ann.seen()] == ["message", "subscription"]


async def test_a_channel_that_is_made_is_ones_own_at_once(here: DialectServer) -> None:
    caller = await here.user("ann")
    ann = await comes(here, caller)
    await caller.channel("cats")
    joined, history = await ann.sees("subscription", "history")
    assert (joined["action"], history["messages"]) == ("joined", [])
    await ann.say("meow")
    await ann.sees("message")


async def test_a_channel_that_is_deleted_is_gone_for_everybody(here: DialectServer) -> None:
    owner, member = await here.user("ann"), await here.user("bob")
    await owner.channel("cats", member, private=True)
    ann, bob = await comes(here, owner), await comes(here, member)
    await ann.seen()
    await owner.delete("/api/channels/cats")
    for gone in (ann, bob):
        assert await gone.seen() == [{"type": "subscription", "action": "deleted", "channel": "cats"}]


async def test_who_is_sent_out_of_a_private_channel_hears_no_more(here: DialectServer) -> None:
    owner, member = await here.user("ann"), await here.user("bob")
    await owner.channel("cats", member, private=True)
    ann, bob = await comes(here, owner), await comes(here, member)
    await ann.seen()
    await owner.delete("/api/channels/cats/members/bob")
    assert await bob.seen() == [{"type": "subscription", "action": "left", "channel": "cats"}]
    await ann.say("secret")
    assert await bob.seen() == []
    await owner.post("/api/channels/cats/members", {"username": "bob"})
    _, history = await bob.sees("subscription", "history")
    assert [message["content"] for message in history["messages"]] == ["secret"]


# Coming back


async def test_since_gives_what_came_after(here: DialectServer) -> None:
    ann = await here.user("ann", "general")
    cats = (await ann.channel("cats"))["id"]
    sent = [await ann.says(cats, str(n)) for n in range(5)]
    head = sent[-1]["seq"]
    for seq, left in ((sent[1]["seq"], ["2", "3", "4"]), (head, []), (head + 100, []), (0, list("01234"))):
        socket = await here.p1(ann, since=f"cats:{seq},nowhere:3")
        cats_history, general, _ = await socket.sees("history", "history", "ready")
        assert [message["content"] for message in cats_history["messages"]] == left, seq
        assert "gap" not in cats_history
        assert general["messages"] == []
        await socket.close()


async def test_since_is_all_up_to_five_hundred_and_else_the_last_fifty_with_a_gap(
    here: DialectServer,
) -> None:
    ann = await here.user("ann")
    cats = (await ann.channel("cats"))["id"]
    sent = [await ann.says(cats, str(n)) for n in range(501)]
    socket = await here.p1(ann, since=f"cats:{sent[0]['seq']}")
    history, _ = await socket.sees("history", "ready")
    assert [message["content"] for message in history["messages"]] == [str(n) for n in range(1, 501)]
    assert "gap" not in history
    again = await here.p1(ann, since=f"cats:{sent[0]['seq'] - 1}")
    history, _ = await again.sees("history", "ready")
    assert [message["content"] for message in history["messages"]] == [str(n) for n in range(451, 501)]
    assert history["gap"] is True


async def test_nothing_is_lost_or_doubled_while_the_history_is_read(here: DialectServer) -> None:
    """Bob writes all the time; ann comes in the midst, again and again."""
    ann = await here.user("ann", "general")
    bob = await comes(here, await here.user("bob", "general"))
    written = 0
    for _ in range(10):
        for _ in range(5):
            await bob.say(str(written))
            written += 1
        socket = await here.p1(ann)
        for _ in range(5):
            await bob.say(str(written))
            written += 1
        frames = await socket.seen()
        shown = [m["content"] for f in frames if f["type"] == "history" for m in f["messages"]]
        shown += [f["content"] for f in frames if f["type"] == "message"]
        assert shown == [str(n) for n in range(written - len(shown), written)]
        assert len(shown) >= min(50, written - 5)
        await socket.close()
    assert len([f for f in await bob.seen() if f["type"] == "message"]) == written


async def test_logging_out_closes_the_connection(here: DialectServer) -> None:
    caller = await here.user("ann")
    ann = await comes(here, caller)
    chat = here.server.app[CHAT]
    await chat.revoke(tokens().verify(str(caller.token), chat.clock.now()).sid)
    await ann.sees(3503)


async def test_frames_above_the_rate_are_refused_and_say_which(here: DialectServer) -> None:
    async with dialect_server(rate_limits=True) as limited:
        ann = await comes(limited, await limited.user("ann", "general"))
        for n in range(41):
            await ann.say(json.dumps({"type": "typing", "client_id": str(n)}))
        (error,) = await ann.sees("too_many")
        assert error["client_id"] == "40"


async def test_who_reads_slowly_gets_all_histories_one_after_the_other(here: DialectServer) -> None:
    """Some megabytes of them: they wait for the reader, who is not taken for one that does not read."""
    caller, chat = await here.user("ann"), here.server.app[CHAT]
    names = [f"c{n:03}" for n in range(100)]
    for name in names:
        made = await chat.do(caller.person, CreateChannel(name=name))
        assert isinstance(made, Committed)
        for _ in range(50):
            await chat.do(caller.person, Post(conversation=made.conversation.id, content="ä" * 1000))
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    raw.setblocking(False)
    url = urlsplit(here.server.url)
    await asyncio.get_running_loop().sock_connect(raw, (url.hostname, url.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=4096)
    writer.write(
        f"GET /api/ws/ann?token={caller.token} HTTP/1.1\r\nHost: {url.netloc}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    pumps = here.server.app[PUMPS]
    async with asyncio.timeout(20):
        while not any(
            isinstance(pump.socket, ClientTransport) and pump.socket.unsent > MUCH for pump in pumps.open
        ):
            await here.server.world.settle()
            await asyncio.sleep(0)
        await here.server.world.settle()
        read = b""
        while b'{"type":"ready"' not in read:
            chunk = await reader.read(65536)
            assert chunk, "the server closed the connection"
            read += chunk
    assert [name for name in names if f'"channel":"{name}","messages"'.encode() not in read] == []
    writer.close()
    await writer.wait_closed()
