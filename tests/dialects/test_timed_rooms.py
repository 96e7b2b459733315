"""P3 over a real server: the talk in a room with a countdown."""

from typing import Any

import aiohttp
import pytest

from chat_core.model.limits import EPHEMERAL_KEPT_S
from chat_web.app_keys import CHAT
from tests.support.dialect_sockets import DialectServer, Socket
from tests.support.http_clients import HttpClient


async def opens(here: DialectServer, caller: HttpClient, room: str) -> Socket:
    socket = await here.joins(caller, f"/ws/chat/{room}")
    await socket.sees("history", "room_state")
    return socket


async def two(here: DialectServer) -> tuple[str, HttpClient, HttpClient, Socket, Socket]:
    """A room of two, who are both in it and have looked."""
    ann, bob = await here.user("ann"), await here.user("bob")
    room = str((await ann.post("/chat/rooms", {"with": "bob"}))[1]["id"])
    one, other = await opens(here, ann, room), await opens(here, bob, room)
    await one.sees("user_joined")
    return room, ann, bob, one, other


def states(frames: list[Any]) -> list[tuple[str, str | None]]:
    return [(frame["state"], frame["outcome"]) for frame in frames if frame["type"] == "room_state"]


async def test_first_come_the_history_and_the_state(here: DialectServer) -> None:
    ann, bob = await here.user("ann"), await here.user("bob")
    room = (await ann.post("/chat/rooms", {"with": "bob"}))[1]
    said = [await ann.says(room["id"], str(n), client_id=f"c{n}") for n in range(55)]
    socket = await here.joins(bob, f"/ws/chat/{room['id']}")
    history, state = await socket.sees("history", "room_state")
    assert [message["content"] for message in history["messages"]] == [str(n) for n in range(5, 55)]
    assert history["messages"][0] == {
        "type": "message",
        "id": said[5]["id"],
        "seq": said[5]["seq"],
        "room_id": room["id"],
        "user": {"id": ann.person.id, "username": "ann", "display_name": "ann"},
        "content": "5",
        "attachments": [],
        "timestamp": said[5]["created_at"],
    }
    assert state == {"type": "room_state", **room, "me": {"id": bob.person.id}}


async def test_messages_typing_coming_and_going(here: DialectServer) -> None:
    room, _, caller, ann, bob = await two(here)
    who = {"id": caller.person.id, "username": "bob", "display_name": "bob"}
    await bob.say({"type": "typing"})
    assert await ann.seen() == [{"type": "typing", "user": who}]
    await bob.say({"type": "message", "content": "hi", "client_id": "c"})
    (theirs,) = await ann.sees("message")
    assert await bob.seen() == [{**theirs, "client_id": "c"}]
    await bob.say({"type": "message", "content": "hi", "client_id": "c"})
    assert await bob.seen() == [{**theirs, "client_id": "c"}]
    assert await ann.seen() == []
    await bob.drop()
    await here.advance(9)
    again = await opens(here, caller, room)
    await here.advance(20)
    assert await ann.seen() == []
    await again.close()
    await here.advance(10.1)
    assert await ann.seen() == [{"type": "user_left", "user": who}]


async def test_a_room_is_kept(here: DialectServer) -> None:
    room, ann, _, one, other = await two(here)
    await ann.post(f"/simple-countdown/start/{room}")
    (started,) = await one.sees("room_state")
    assert (started["state"], started["remaining"]) == ("COUNTDOWN", 300.0)
    await here.advance(300)
    (decision,) = await one.sees("room_state")
    assert (decision["state"], decision["remaining"]) == ("NOTIFICATION", 30.0)
    await one.say({"type": "keep"})
    await other.say({"type": "keep"})
    (kept,) = await one.sees("room_state")
    assert (await other.seen())[2:] == [kept]
    assert states([kept]) == [("IDLE", "kept")]
    await one.say({"type": "keep"})
    await one.sees("wrong_state")


async def test_a_room_is_ended_by_one_and_who_it_was_is_not_told(here: DialectServer) -> None:
    room, ann, _, one, other = await two(here)
    await ann.post(f"/simple-countdown/start/{room}")
    await other.say({"type": "end"})
    for socket in (one, other):
        _, ended = await socket.sees("room_state", "room_state")
        assert (ended["state"], ended["outcome"], ended["reason"]) == ("ENDED", "ended", "ended_by_member")
    await one.say({"type": "message", "content": "anybody?"})
    await one.sees("wrong_state")
    await one.say({"type": "end"})
    await one.sees("wrong_state")


async def test_nobody_answers(here: DialectServer) -> None:
    room, ann, _, one, _ = await two(here)
    await ann.post(f"/simple-countdown/start/{room}")
    await here.advance(331)
    frames = await one.seen()
    assert states(frames) == [("COUNTDOWN", None), ("NOTIFICATION", None), ("ENDED", "ended")]
    assert frames[-1]["reason"] == "no_response"


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        ("hi", "bad_request"),
        ({"type": "message"}, "bad_request"),
        ({"type": "dance"}, "bad_request"),
        ({"type": 5}, "bad_request"),
        ({"type": "message", "content": "\u0000"}, "invalid"),
        ({"type": "keep"}, "wrong_state"),
    ],
)
async def test_what_cannot_be_is_an_error_and_the_connection_stays(
    here: DialectServer, frame: Any, why: str
) -> None:
    _, _, _, ann, bob = await two(here)
    await ann.say(frame)
    (error,) = await ann.sees(why)
    assert error.keys() == {"type", "code", "message"}
    assert await bob.seen() == []
    await ann.say({"type": "message", "content": "still here"})
    await bob.sees("message")


@pytest.mark.parametrize("kind", ["of others", "a channel", "none", "no id"])
async def test_a_room_that_is_not_the_callers_is_not_there(here: DialectServer, kind: str) -> None:
    ann, eve = await here.user("ann"), await here.user("eve", "general")
    await here.user("bob")
    room = {
        "of others": (await ann.post("/chat/rooms", {"with": "bob"}))[1]["id"],
        "a channel": (await ann.get("/api/channels/general"))[1]["id"],
        "none": "018bcfe5-6800-7000-8000-000000000000",
        "no id": "x%00y",
    }[kind]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await here.joins(eve, f"/ws/chat/{room}")
    assert refused.value.status == 404


async def test_no_token_no_room(here: DialectServer) -> None:
    for path in ("/ws/chat/x", "/ws/chat/x?token=x"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await here.server.http.ws_connect(path)
        assert refused.value.status == 401


async def test_strangers_who_open_their_room_stay_strangers(here: DialectServer) -> None:
    chat = here.server.app[CHAT]
    ann, bob = await here.server.guest("ann"), await here.server.guest("bob")
    lines = [await here.joins(caller, "/ws/x") for caller in (ann, bob)]
    for line in lines:
        await line.seen()
    (room,) = (await chat.initial_state(ann.person)).rooms
    one, other = await opens(here, ann, room.id), await opens(here, bob, room.id)
    await other.say({"type": "message", "content": "hi"})
    (message,) = [frame for frame in await one.seen() if frame["type"] == "message"]
    assert message["user"]["username"] == "stranger"
    await lines[1].say({"type": "skip"})
    frames = await one.seen()
    assert frames[-1]["type"] in ("room_state", "user_left")
    assert states(frames) == [("ENDED", "ended")]
    assert bob.person.id not in str([message, *frames])
    await other.sees("message", "room_state", 3503)
    await here.advance(EPHEMERAL_KEPT_S + 1)
    await one.sees(3503)
