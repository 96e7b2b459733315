"""P4 over a real server: open rooms that opening joins, and rooms of two."""

from typing import Any

import aiohttp
import pytest

from chat_core import Persistence
from chat_web.app_keys import CHAT
from tests.support.dialect_sockets import DialectServer, Socket
from tests.support.http_clients import HttpClient
from tests.support.memory_wire import Closed


async def opens(here: DialectServer, caller: HttpClient, room: str) -> Socket:
    """A connection that has looked at everything so far."""
    socket = await here.joins(caller, f"/api/ws/{room}")
    await socket.seen()
    return socket


async def public_room(here: DialectServer, *names: str) -> tuple[str, list[Socket]]:
    """A public room, and people who have opened it and looked."""
    owner = await here.user("owner")
    _, made = await owner.post("/api/rooms", {"name": "lounge"})
    room = str(made["id"])
    sockets = [await opens(here, await here.user(name), room) for name in names]
    for socket in sockets:
        await socket.seen()
    return room, sockets


async def test_opening_a_public_room_joins_it(here: DialectServer) -> None:
    room, (ann,) = await public_room(here, "ann")
    status, channel = await (await here.user("ann")).get("/api/channels/lounge")
    assert (status, channel["members"]) == (200, ["owner", "ann"])
    await ann.say({"type": "message", "content": "hi"})
    (message,) = await ann.seen()
    person = (await here.user("ann")).person
    assert message == {
        "type": "message",
        "id": message["id"],
        "seq": 3,
        "room_id": room,
        "user_id": person.id,
        "username": "ann",
        "content": "hi",
        "created_at": message["created_at"],
    }
    _, listed = await (await here.user("ann")).get(f"/api/rooms/{room}/messages")
    assert [one["id"] for one in listed] == [message["id"]]


async def test_messages_typing_coming_and_going(here: DialectServer) -> None:
    room, (ann,) = await public_room(here, "ann")
    caller = await here.user("bob")
    who = {"user_id": caller.person.id, "username": "bob"}
    bob = await opens(here, caller, room.upper())
    second = await opens(here, caller, room)
    assert await ann.seen() == [{"type": "user_joined", **who}]
    assert await bob.seen() == []
    await bob.say({"type": "typing", "is_typing": True})
    await bob.say({"type": "typing", "is_typing": False})
    assert await ann.seen() == [
        {"type": "typing", **who, "is_typing": True},
        {"type": "typing", **who, "is_typing": False},
    ]
    await bob.say({"type": "message", "content": "hi", "client_id": "c"})
    (theirs,) = await ann.sees("message")
    assert await bob.seen() == await second.seen() == [{**theirs, "client_id": "c"}]
    await bob.close()
    await here.advance(20)
    assert await ann.seen() == []
    await second.drop()
    await here.advance(9.9)
    assert await ann.seen() == []
    await here.advance(0.2)
    assert await ann.seen() == [{"type": "user_left", **who}]


async def test_who_comes_back_within_the_grace_did_not_leave(here: DialectServer) -> None:
    room, (ann, bob) = await public_room(here, "ann", "bob")
    await ann.seen()
    await bob.drop()
    await here.advance(5)
    await opens(here, await here.user("bob"), room)
    await here.advance(20)
    assert await ann.seen() == []


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ("hi", "bad_request"),
        ("[1]", "bad_request"),
        ({"type": "message"}, "bad_request"),
        ({"type": "message", "content": None}, "bad_request"),
        ({"type": "dance"}, "bad_request"),
        ({"content": "x"}, "bad_request"),
        ({"type": "typing", "is_typing": "yes"}, "bad_request"),
        ({"type": "message", "content": ""}, "invalid"),
        ({"type": "message", "content": "x" * 1001}, "invalid"),
    ],
)
async def test_what_cannot_be_is_an_error_and_the_connection_stays(
    here: DialectServer, frame: Any, why: str
) -> None:
    _, (ann, bob) = await public_room(here, "ann", "bob")
    await ann.seen()
    await ann.say(frame)
    (error,) = await ann.sees(why)
    assert error.keys() == {"type", "code", "message"}
    assert await bob.seen() == []
    await ann.say({"type": "message", "content": "still here"})
    await bob.sees("message")


async def test_what_is_repeated_is_answered_on_that_connection_alone(here: DialectServer) -> None:
    _, (ann, bob) = await public_room(here, "ann", "bob")
    await ann.seen()
    hi = {"type": "message", "content": "hi", "client_id": "c1"}
    await ann.say(hi)
    first = await ann.seen()
    await bob.seen()
    await ann.say(hi)
    assert await ann.seen() == first
    assert await bob.seen() == []


@pytest.mark.parametrize("kind", ["private", "deleted", "room of others", "channel's name"])
async def test_what_is_not_the_callers_is_not_there(here: DialectServer, kind: str) -> None:
    owner, bob, eve = await here.user("owner"), await here.user("bob"), await here.user("eve")
    room = (await owner.channel("cats", private=kind == "private"))["id"]
    if kind == "deleted":
        await owner.delete("/api/channels/cats")
    elif kind == "room of others":
        room = (await owner.post("/chat/rooms", {"with": "bob"}))[1]["id"]
    elif kind == "channel's name":
        room = "cats"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await here.joins(eve, f"/api/ws/{room}")
    assert refused.value.status == (403 if kind == "channel's name" else 404)
    assert (await bob.get("/api/channels/me"))[1]["items"] == []


async def test_a_room_of_two_is_talked_in_as_well(here: DialectServer) -> None:
    ann, bob = await here.user("ann"), await here.user("bob")
    room = (await ann.post("/chat/rooms", {"with": "bob"}))[1]["id"]
    one = await opens(here, ann, room)
    other = await opens(here, bob, room)
    await one.sees("user_joined")
    await other.say({"type": "message", "content": "hi"})
    await one.sees("message")
    await ann.post(f"/simple-countdown/response/{room}", {"response": "end"})
    await one.say({"type": "message", "content": "too late"})
    await one.sees("wrong_state")


async def test_who_leaves_or_is_sent_out_is_let_go(here: DialectServer) -> None:
    room, (ann, bob) = await public_room(here, "ann", "bob")
    await ann.seen()
    caller = await here.user("bob")
    await caller.post("/api/channels/lounge/leave")
    assert await bob.seen() == [Closed(3503, "revoked: this room is no longer yours")]
    (left,) = await ann.sees("user_left")
    assert left["username"] == "bob"
    owner = await here.user("owner")
    await owner.delete("/api/channels/lounge/members/ann")
    await ann.sees("user_left", 3503)
    await here.advance(20)
    again = await opens(here, caller, room)
    await owner.delete("/api/channels/lounge")
    await again.sees(3503)


async def test_a_guest_reads_and_may_not_write(here: DialectServer) -> None:
    room, (ann,) = await public_room(here, "ann")
    guest = await opens(here, await here.server.guest(), room)
    assert await ann.seen() == []
    await ann.say({"type": "message", "content": "hi"})
    await guest.sees("message")
    await guest.say({"type": "message", "content": "me too"})
    await guest.sees("guests_may_not")
    await ann.sees("message")


async def test_a_pair_that_nobody_keeps_book_of_stays_anonymous(here: DialectServer) -> None:
    """Two strangers of the anonymous lobby open their room: pseudonyms only."""
    chat = here.server.app[CHAT]
    ann, bob = await here.server.guest("ann"), await here.server.guest("bob")
    lines = [await here.joins(caller, "/ws/x") for caller in (ann, bob)]
    for line in lines:
        await line.seen()
    (room,) = (await chat.initial_state(ann.person)).rooms
    assert room.persistence is Persistence.EPHEMERAL
    one, other = await opens(here, ann, room.id), await opens(here, bob, room.id)
    await one.say({"type": "message", "content": "hi"})
    (heard,) = await other.seen()
    assert (heard["username"], heard["content"]) == ("stranger", "hi")
    assert ann.person.id not in str(heard)
    assert await lines[1].seen() == [{"type": "message", "message": "hi"}]
    await lines[1].say("hello")
    assert [message["content"] for message in await one.seen() if message["type"] == "message"] == [
        "hi",
        "hello",
    ]
