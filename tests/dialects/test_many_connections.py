"""One person, many connections: whatever concerns the person arrives on all of them, in each one's words."""

import asyncio
import json
from typing import Any

import pytest
import websockets

from chat_web.app_keys import CHAT
from chat_web.sockets.pump import PumpLimits
from tests.support.dialect_sockets import DialectServer, Socket
from tests.support.http_clients import HttpClient
from tests.support.servers import Server, serving, token_for, user


async def p5(here: DialectServer, caller: HttpClient, *subscriptions: str) -> Socket:
    socket = await here.joins(HttpClient(caller.http, caller.person, None), "/connection/websocket")
    await socket.say({"id": 1, "connect": {"token": caller.token}})
    for number, name in enumerate(subscriptions, 2):
        await socket.say({"id": number, "subscribe": {"channel": name}})
    await socket.seen()
    return socket


def published(frames: list[Any]) -> list[Any]:
    """What P5 published, without who comes and goes."""
    pushes = [frame["push"]["pub"]["data"] for frame in frames if "pub" in frame.get("push", {})]
    return [data for data in pushes if data["type"] != "presence"]


async def test_a_message_in_a_channel_arrives_on_every_connection_of_every_member(
    here: DialectServer,
) -> None:
    ann, bob = await here.user("ann", "general"), await here.user("bob", "general")
    channel = (await ann.get("/api/channels/general"))[1]["id"]
    writers = [
        await here.p1(ann),
        await here.joins(ann, f"/api/ws/{channel}"),
        await p5(here, ann, "channel:general"),
    ]
    readers = [
        await here.p1(bob),
        await here.joins(bob, f"/api/ws/{channel}"),
        await p5(here, bob, "channel:general"),
    ]
    everybody = [*writers, *readers]
    for socket in everybody:
        await socket.seen()
    await writers[0].say({"content": "by P1"})
    await here.settle()
    await writers[1].say({"type": "message", "content": "by P4"})
    await here.settle()
    await writers[2].say({"id": 9, "publish": {"channel": "channel:general", "data": {"content": "by P5"}}})
    await here.settle()
    await ann.says(channel, "by HTTP")
    said = ["by P1", "by P4", "by P5", "by HTTP"]
    seqs = set()
    for n, socket in enumerate(everybody):
        frames = await socket.seen()
        if n % 3 == 2:
            messages = [data["message"] for data in published(frames) if data["type"] == "message_posted"]
        else:
            messages = [frame for frame in frames if frame["type"] == "message"]
        assert [message["content"] for message in messages] == said
        seqs.add(tuple(message["seq"] for message in messages))
    assert len(seqs) == 1


async def test_typing_of_one_dialect_is_seen_in_the_others_and_not_by_oneself(here: DialectServer) -> None:
    ann, bob = await here.user("ann", "general"), await here.user("bob", "general")
    channel = (await ann.get("/api/channels/general"))[1]["id"]
    mine = [
        await here.p1(ann),
        await here.joins(ann, f"/api/ws/{channel}"),
        await p5(here, ann, "channel:general"),
    ]
    theirs = [
        await here.p1(bob),
        await here.joins(bob, f"/api/ws/{channel}"),
        await p5(here, bob, "channel:general"),
    ]
    for socket in (*mine, *theirs):
        await socket.seen()
    await mine[0].say({"type": "typing"})
    await here.settle()
    await mine[1].say({"type": "typing", "is_typing": True})
    assert [frame["type"] for frame in await theirs[0].seen()] == ["typing"] * 2
    assert [frame["type"] for frame in await theirs[1].seen()] == ["typing"] * 2
    assert [data["type"] for data in published(await theirs[2].seen())] == ["typing"] * 2
    for socket in mine:
        assert await socket.seen() == []


async def test_a_match_by_any_way_is_told_on_every_connection(here: DialectServer) -> None:
    """Ann waits by P0, and looks on by P5 and P3; bob searches by P5, and looks on by P0's kin."""
    ann, bob = await here.server.guest("ann"), await here.server.guest("bob")
    pair = await here.joins(ann, "/ws/ann")
    pair_too = await here.joins(ann, "/ws/ann")
    page = await p5(here, ann)
    notes = await here.joins(ann, "/ws/notifications")
    for socket in (pair, pair_too, page, notes):
        await socket.seen()
    stranger = await p5(here, bob)
    await stranger.say({"id": 5, "rpc": {"method": "search", "data": {"lobby": "anonymous"}}})
    for socket in (pair, pair_too):
        assert [frame["event"] for frame in await socket.seen()] == ["paired"]
    assert [data["type"] for data in published(await page.seen())] == ["matched", "match_found"]
    (found,) = await notes.sees("match_found")
    room = found["room_id"]
    talk, open_room = await here.joins(ann, f"/ws/chat/{room}"), await here.joins(ann, f"/api/ws/{room}")
    await talk.sees("history", "room_state")
    await stranger.say({"id": 6, "rpc": {"method": "post", "data": {"conversation": room, "content": "hi"}}})
    for socket in (pair, pair_too):
        assert await socket.seen() == [{"type": "message", "message": "hi"}]
    for socket in (talk, open_room):
        assert [frame["content"] for frame in await socket.seen() if frame["type"] == "message"] == ["hi"]
    await stranger.say({"id": 7, "rpc": {"method": "leave", "data": {"room": room}}})
    for socket in (pair, pair_too):
        assert (await socket.seen())[0]["event"] == "partner_left"
    assert "partner_left" in [data["type"] for data in published(await page.seen())]
    await notes.sees("room_ended")
    assert (await talk.seen())[-1]["type"] in ("room_state", "user_left")


async def test_a_timed_room_in_three_dialects(here: DialectServer) -> None:
    ann, bob = await here.user("ann"), await here.user("bob")
    notes, page = await here.joins(ann, "/ws/notifications"), await p5(here, ann)
    await ann.post("/chat/rooms", {})
    _, made = await bob.post("/chat/rooms", {})
    await notes.sees("match_found", "countdown_started")
    kinds = [data["type"] for data in published(await page.seen())]
    assert kinds == ["waiting", "matched", "match_found", "countdown_started"]
    talk = await here.joins(ann, f"/ws/chat/{made['id']}")
    await talk.sees("history", "room_state")
    await page.say({"id": 8, "subscribe": {"channel": f"room:{made['id']}"}})
    await page.seen()
    await bob.says(made["id"], "hi")
    await bob.post(f"/simple-countdown/response/{made['id']}", {"response": "end"})
    _, ended = await talk.sees("message", "room_state")
    kinds = sorted(data["type"] for data in published(await page.seen()))
    assert kinds == ["message_posted", "room_ended", "room_state"]
    (told,) = await notes.sees("room_ended")
    assert told["room"]["reason"] == ended["reason"] == "ended_by_member"


# Real clients, and tokens that run out


async def reads(ws: websockets.ClientConnection, kind: str) -> Any:
    """The next frame of this kind."""
    async with asyncio.timeout(5):
        while (frame := json.loads(await ws.recv()))["type"] != kind:
            pass
    return frame


@pytest.mark.parametrize("path", ["/api/ws/ann", "/ws/notifications"])
async def test_a_token_that_runs_out_closes_the_connection_after_its_grace(path: str) -> None:
    async with serving(limits=PumpLimits(token_grace_s=0.2)) as server:
        person, sid = await user("ann", server.chat)
        token = token_for(person, sid, server.chat.clock.now(), lasts_s=0.3)
        async with websockets.connect(f"{ws_url(server)}{path}?token={token}") as ws:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await reads(ws, "nothing more")
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, bool(closed.value.rcvd.reason)) == (3005, True)


async def test_real_clients_talk_by_p1_p3_and_p4() -> None:
    """The ``websockets`` library on real time: nothing here is ours but the server."""
    async with serving() as server:
        people = [await user(name, server.chat) for name in ("ann", "bob")]
        tokens = [token_for(person, sid, server.chat.clock.now()) for person, sid in people]
        channel = await server.chat.channel(people[0][0], "general")
        paths = [f"/api/ws/ann?token={tokens[0]}", f"/api/ws/{channel.id}?token={tokens[1]}"]
        async with (
            websockets.connect(ws_url(server) + paths[0]) as ann,
            websockets.connect(ws_url(server) + paths[1]) as bob,
        ):
            await reads(ann, "ready")
            await ann.send("which one?")
            assert (await reads(ann, "error"))["code"] == "channel_required"
            await bob.send('{"type":"message","content":"hello"}')
            assert (await reads(bob, "message"))["content"] == "hello"
            seen = await reads(ann, "message")
            assert (seen["channel"], seen["user"]["username"]) == ("general", "bob")
            await server.app[CHAT].revoke(people[0][1])
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await reads(ann, "nothing more")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 3503


def ws_url(server: Server) -> str:
    return server.url.replace("http", "ws", 1)
