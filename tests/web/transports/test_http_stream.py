"""P5 over HTTP: streams that do not end, and what their clients say beside them."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import attrs
import pytest

from chat_core import CreateChannel, DeleteChannel, JoinChannel, PersonKind, Post
from chat_web.http.rate_limits import SOURCE_LIMITS
from chat_web.sockets.emulation import STREAMS
from chat_web.sockets.open_connections import close_sockets
from chat_web.sockets.pump import PumpLimits
from tests.support import servers
from tests.support.servers import Server

CONNECT: Final = {"id": 1, "connect": {}}
WAYS: Final = pytest.mark.parametrize("way", ["http_stream", "sse"])
STORY_S: Final = 20.0


@attrs.define
class Stream:
    """One client's end: ``next`` is what the server says, ``say`` goes to ``/emulation``."""

    answer: aiohttp.ClientResponse
    session: aiohttp.ClientSession
    url: str
    ticket: dict[str, str] = attrs.field(factory=dict)

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(STORY_S):
            async for raw in self.answer.content:
                text = raw.decode().removeprefix("data: ").strip()
                if text and not text.startswith(":"):
                    found: dict[str, Any] = json.loads(text)
                    if "connect" in found:
                        self.ticket = {name: found["connect"][name] for name in ("session", "node")}
                    return found
        raise EOFError

    async def say(self, data: object, **ticket: str) -> int:
        said = {**self.ticket, **ticket, "data": data}
        async with self.session.post(f"{self.url}/emulation", json=said) as answer:
            return answer.status

    async def ended(self) -> bool:
        with pytest.raises(EOFError):
            await self.next()
        return True


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def opened(
    server: Server,
    session: aiohttp.ClientSession,
    way: str = "http_stream",
    first: object = CONNECT,
    **headers: str,
) -> Stream:
    if way == "sse":
        query = {"cf_connect": json.dumps(first)}
        answer = await session.get(f"{server.url}/connection/sse", params=query, headers=headers)
    else:
        answer = await session.post(f"{server.url}/connection/http_stream", json=first, headers=headers)
    return Stream(answer, session, server.url)


async def code_of(answer: aiohttp.ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["error"]["code"]


@WAYS
async def test_commands_go_beside_and_answers_come_on_the_stream(
    session: aiohttp.ClientSession, way: str
) -> None:
    async with servers.serving(servers.settings(guests_may_post=True)) as server:
        stream = await opened(server, session, way)
        connected = await stream.next()
        assert connected["connect"]["ping"] == 25
        assert len(stream.ticket["session"]) == 32
        assert await stream.say('{"id":2,"rpc":{"method":"join_channel","data":{"name":"general"}}}') == 204
        assert (await stream.next())["rpc"]["data"]["name"] == "general"
        assert await stream.say({"id": 3, "subscribe": {"channel": "channel:general"}}) == 204  # an object
        assert (await stream.next())["subscribe"]["recoverable"] is True
        post = '{"id":4,"publish":{"channel":"channel:general","data":{"content":"hi\\nyou"}}}'
        assert await stream.say(f'{post}\n{{"id":5,"ping":{{}}}}') == 204
        said = [await stream.next() for _ in range(3)]
        (publication,) = [line["push"]["pub"]["data"] for line in said if "push" in line]
        assert publication["message"]["content"] == "hi\nyou"
        assert [line["id"] for line in said if "id" in line] == [4, 5]
        stream.answer.close()


@WAYS
async def test_a_stream_that_ends_takes_its_session_and_its_place_along(
    session: aiohttp.ClientSession, way: str
) -> None:
    async with servers.serving(servers.settings(max_connections=1)) as server:
        stream = await opened(server, session, way)
        await stream.next()
        full = await opened(server, session, way)
        assert await code_of(full.answer) == (503, "unavailable")
        assert len(server.app[STREAMS].by_session) == 1
        stream.answer.close()
        async with asyncio.timeout(STORY_S):
            await server.pumps.empty()
        assert not server.app[STREAMS].by_session
        assert await stream.say("{}") == 404
        again = await opened(server, session, way)
        await again.next()
        again.answer.close()


@WAYS
async def test_a_close_is_a_push_with_its_code_and_then_the_end(
    session: aiohttp.ClientSession, way: str
) -> None:
    async with servers.serving() as server:
        stream = await opened(server, session, way)
        await stream.next()
        await close_sockets(server.pumps, spread_s=0.0)
        gone = await stream.next()
        assert gone == {"push": {"disconnect": {"code": 3001, "reason": "shutdown: come back"}}}
        assert await stream.ended()
        late = await opened(server, session, way)
        assert await code_of(late.answer) == (503, "unavailable")


async def test_a_token_that_does_not_hold_closes_for_good(session: aiohttp.ClientSession) -> None:
    async with servers.serving() as server:
        stream = await opened(server, session, first={"id": 1, "connect": {"token": "no token"}})
        assert (await stream.next())["push"]["disconnect"]["code"] == 3500
        assert await stream.ended()


@WAYS
async def test_who_does_not_answer_pings_is_gone(session: aiohttp.ClientSession, way: str) -> None:
    limits = PumpLimits(ping_s=0.05, pong_s=0.5)
    async with servers.serving(limits=limits) as server:
        stream = await opened(server, session, way)
        await stream.next()
        assert await stream.next() == {}
        assert await stream.say("{}") == 204
        assert await stream.next() == {}
        assert (await stream.next())["push"]["disconnect"]["code"] == 3012
        assert await stream.ended()


async def test_who_does_not_read_is_closed_and_costs_a_bounded_amount() -> None:
    async with servers.serving(servers.settings(rate_limits=False)) as server:
        chat = server.chat
        ann = chat.person(chat.new_id(), "ann", PersonKind.USER)
        await chat.do(ann, JoinChannel(name="general"))
        general = (await chat.channel(ann, "general")).id
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(raw, ("127.0.0.1", int(server.url.rpartition(":")[2])))
            body = b'{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"channel:general"}}'
            head = b"POST /connection/http_stream HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            await loop.sock_sendall(raw, head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            async with asyncio.timeout(STORY_S):
                while not server.app[STREAMS].by_session:  # noqa: ASYNC110 - nothing tells that it is there
                    await asyncio.sleep(0.01)
                (stream,) = server.app[STREAMS].by_session.values()
                most = 0
                while stream.is_open:
                    await chat.do(ann, Post(conversation=general, content="x" * 1000))
                    await chat.idle()
                    most = max(most, stream.unsent)
                await server.pumps.empty()
        assert 256 * 1024 < most < 320 * 1024


async def test_what_is_no_first_command_is_refused_before_anything_begins(
    session: aiohttp.ClientSession,
) -> None:
    async with servers.serving() as server:
        url = f"{server.url}/connection/http_stream"
        for body, expected in (
            (b"", (400, "bad_request")),
            (b"no json", (400, "bad_request")),
            (b'"\xff"', (400, "bad_request")),
            (b"[" * 100, (400, "bad_request")),
            (b'{"id":1,"ping":{}}', (422, "invalid")),
            (b'{"id":0,"connect":{}}', (422, "invalid")),
            (b" " * 70_000, (413, "too_large")),
        ):
            async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
                assert await code_of(answer) == expected, body[:20]
        async with session.post(url, data="{}", headers={"Content-Type": "text/plain"}) as answer:
            assert await code_of(answer) == (415, "unsupported_media_type")
        squeezed = {"Content-Type": "application/json", "Content-Encoding": "br"}
        async with session.post(url, data=b"{}", headers=squeezed) as answer:
            assert await code_of(answer) in {(415, "unsupported_media_type"), (400, "bad_request")}
        async with session.get(f"{server.url}/connection/sse") as answer:
            assert await code_of(answer) == (422, "invalid")
        async with session.get(f"{server.url}/connection/sse?cf_connect=x") as answer:
            assert await code_of(answer) == (400, "bad_request")
        assert server.pumps.open == {}


async def test_the_first_command_may_be_indented_or_followed_by_others(
    session: aiohttp.ClientSession,
) -> None:
    async with servers.serving() as server:
        url = f"{server.url}/connection/http_stream"
        headers = {"Content-Type": "application/json"}
        more = json.dumps(CONNECT) + '\n{"id":2,"ping":{}}\n'
        for body, ids in ((json.dumps(CONNECT, indent=2), [1]), (more, [1, 2])):
            stream = Stream(await session.post(url, data=body, headers=headers), session, server.url)
            assert sorted([(await stream.next())["id"] for _ in ids]) == ids
            stream.answer.close()


async def test_other_methods_get_typed_errors(session: aiohttp.ClientSession) -> None:
    async with servers.serving() as server:
        for method, path in (
            ("GET", "/connection/http_stream"),
            ("PUT", "/connection/http_stream"),
            ("POST", "/connection/sse"),
            ("GET", "/emulation"),
            ("DELETE", "/emulation"),
        ):
            async with session.request(method, server.url + path) as answer:
                assert await code_of(answer) == (405, "method_not_allowed"), path
        async with session.head(
            f"{server.url}/connection/sse", params={"cf_connect": json.dumps(CONNECT)}
        ) as answer:
            assert answer.status == 405
        assert server.pumps.open == {}


async def test_only_pages_of_allowed_origins_may_connect(session: aiohttp.ClientSession) -> None:
    friend = "https://friend.example"
    async with servers.serving(servers.settings(allowed_origins=(friend,))) as server:
        for origin in ("https://evil.example", "null", "https://friend.example.evil"):
            for way in ("http_stream", "sse"):
                stream = await opened(server, session, way, Origin=origin)
                assert await code_of(stream.answer) == (403, "forbidden")
            said = {"session": "x", "node": "", "data": "{}"}
            async with session.post(
                f"{server.url}/emulation", json=said, headers={"Origin": origin}
            ) as answer:
                assert await code_of(answer) == (403, "forbidden")
        asked = {
            "Origin": friend,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        for path in ("/connection/http_stream", "/emulation"):
            async with session.options(server.url + path, headers=asked) as answer:
                assert answer.status == 204
                assert answer.headers["Access-Control-Allow-Origin"] == friend
        stream = await opened(server, session, "sse", Origin=friend)
        await stream.next()
        assert stream.answer.headers["Access-Control-Allow-Origin"] == friend
        assert stream.answer.headers["Cache-Control"] == "no-store"
        assert stream.answer.headers["X-Content-Type-Options"] == "nosniff"
        stream.answer.close()


async def test_nobody_speaks_on_a_stream_without_its_session(session: aiohttp.ClientSession) -> None:
    async with servers.serving() as server:
        stream, other = await opened(server, session), await opened(server, session)
        await stream.next()
        await other.next()
        assert stream.ticket["session"] != other.ticket["session"]
        for wrong in ({"session": ""}, {"session": stream.ticket["session"][:-1]}, {"node": "another"}):
            assert await stream.say("{}", **wrong) == 404
        for data, status in ((5, 422), (None, 422), ([], 422), ("\x00", 204)):
            assert await stream.say(data) == status
        assert (await stream.next())["error"]["code"] == 107
        stream.answer.close()
        other.answer.close()


async def test_more_than_the_connection_can_do_waits_and_more_than_that_is_refused(
    session: aiohttp.ClientSession,
) -> None:
    async with servers.serving(limits=PumpLimits(frames=None)) as server:
        stream = await opened(server, session)
        await stream.next()
        (ours,) = server.app[STREAMS].by_session.values()
        ours.pause()
        waiting = [asyncio.ensure_future(stream.say(f'{{"id":{n},"ping":{{}}}}')) for n in range(2, 12)]
        refused, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=STORY_S)
        assert {task.result() for task in refused} == {429}
        ours.resume()
        statuses = await asyncio.gather(*waiting)
        assert statuses.count(204) == 8
        assert statuses.count(429) == 2
        answered = [(await stream.next())["id"] for _ in range(8)]
        assert len(set(answered)) == 8
        stream.answer.close()


async def test_http_1_0_gets_a_stream_without_chunks() -> None:
    async with servers.serving() as server:
        port = int(server.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = json.dumps(CONNECT).encode()
        head = b"POST /connection/http_stream HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\n"
        writer.write(head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        async with asyncio.timeout(STORY_S):
            shown = await reader.readuntil(b"\r\n\r\n")
            assert b"Transfer-Encoding" not in shown
            assert json.loads(await reader.readline())["connect"]
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_protobuf_is_refused_in_protobuf(session: aiohttp.ClientSession) -> None:
    refusal = b"\x15\x08%b\x12\x11\x08l\x12\rnot available"
    async with servers.serving() as server:
        first = b"\x05\x08\xac\x02\x22\x00"  # command 300: connect
        headers = {"Content-Type": "application/octet-stream"}
        url = f"{server.url}/connection/http_stream"
        async with session.post(url, data=first, headers=headers) as answer:
            expected = b"\x16" + refusal[1:] % b"\xac\x02"
            assert (answer.status, await answer.read()) == (200, expected)
        async with session.post(url, data=b"\xff" * 99, headers=headers) as answer:
            assert await answer.read() == refusal % b"\x01"
        address = f"{server.url}/connection/websocket"
        async with session.ws_connect(address, protocols=["centrifuge-protobuf"]) as socket_:
            assert socket_.protocol == "centrifuge-protobuf"
            assert (await socket_.receive()).data == refusal % b"\x01"
            assert (await socket_.receive()).data == 3501
        async with asyncio.timeout(STORY_S):
            while server.app[SOURCE_LIMITS].connections:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)


@WAYS
async def test_a_deleted_channel_is_told_and_then_unsubscribed(
    session: aiohttp.ClientSession, way: str
) -> None:
    async with servers.serving() as server:
        chat = server.chat
        ann = chat.person(chat.new_id(), "ann", PersonKind.USER)
        await chat.do(ann, CreateChannel(name="tea"))
        stream = await opened(server, session, way)
        await stream.next()
        await stream.say({"id": 2, "subscribe": {"channel": "channel:tea"}})
        await stream.next()
        await chat.do(ann, DeleteChannel(name="tea"))
        told, ended = await stream.next(), await stream.next()
        assert told["push"]["pub"]["data"]["type"] == "channel_deleted"
        unsubscribed = {"code": 2000, "reason": "server unsubscribe"}
        assert ended == {"push": {"channel": "channel:tea", "unsubscribe": unsubscribed}}
        await stream.say({"id": 3, "subscribe": {"channel": "channel:tea"}})
        assert (await stream.next())["error"]["code"] == 102
        stream.answer.close()


async def test_what_is_out_of_scope_is_not_available(session: aiohttp.ClientSession) -> None:
    async with servers.serving() as server:
        stream = await opened(server, session)
        await stream.next()
        for command in (
            {"subscribe": {"channel": "channel:general", "delta": "fossil"}},
            {"subscribe": {"channel": "channel:general", "type": 1}},
            {"sub_refresh": {"channel": "channel:general", "token": "x"}},
            {"rpc": {"method": "dance", "data": {}}},
        ):
            await stream.say({"id": 7, **command})
            assert await stream.next() == {"id": 7, "error": {"code": 108, "message": "not available"}}
        stream.answer.close()


async def test_a_stream_at_rest_costs_no_task(session: aiohttp.ClientSession) -> None:
    async with servers.serving() as server:
        before = len(asyncio.all_tasks())
        streams = [await opened(server, session, way) for way in ("http_stream", "sse") * 3]
        for stream in streams:
            await stream.next()
        async with asyncio.timeout(STORY_S):
            while len(asyncio.all_tasks()) > before:  # noqa: ASYNC110 - tasks give no event
                await asyncio.sleep(0.01)
        assert len(server.pumps.open) == len(streams)
        for stream in streams:
            stream.answer.close()
