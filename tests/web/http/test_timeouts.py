"""Deadlines for what arrives, on real sockets: slow heads and slow bodies end, patient people stay."""

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import structlog
from aiohttp import web

from chat_web import logs
from chat_web.config.settings import Settings
from chat_web.http import errors, headers
from chat_web.http.timeouts import DEADLINES, TimeoutRunner, Timeouts

SHORT = Timeouts(head_s=0.2, body_s=0.3, upload_s=5.0)
GUARD_S = 10.0  # how long a test waits for what should take a fraction of a second


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def _ok(_request: web.Request) -> web.Response:
    return web.Response(text="ok")


class Server:
    def __init__(self, runner: TimeoutRunner, port: int) -> None:
        self.runner = runner
        self.port = port
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    async def connect(self) -> "Peer":
        return Peer(*await asyncio.open_connection("127.0.0.1", self.port))


class Peer:
    """A client that writes what it likes, when it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, text: str) -> None:
        self.writer.write(text.encode())

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(GUARD_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            return (
                int(first.split()[1]),
                headers,
                await self.reader.readexactly(int(headers["content-length"])),
            )

    async def rest(self) -> bytes:
        """Whatever comes until the server closes."""
        async with asyncio.timeout(GUARD_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def dribble(self, character: str) -> None:
        """Send a byte now and then until the server has enough of it."""
        async with asyncio.timeout(GUARD_S):
            while not self.reader.at_eof():
                self.send(character)
                try:
                    async with asyncio.timeout(0.02):
                        await asyncio.shield(self.closed)
                        return
                except TimeoutError:
                    pass

    def watch(self) -> "asyncio.Task[bytes]":
        self.closed = asyncio.create_task(self.rest())
        return self.closed

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    app = web.Application(client_max_size=4096)
    errors.install(app)
    headers.install(app, Settings())
    runner = TimeoutRunner(app, deadlines=SHORT, access_log=None)
    server = Server(runner, 0)

    async def wait(_request: web.Request) -> web.Response:
        server.asked.set()
        await server.go.wait()
        return web.Response(text="done")

    app.router.add_get("/", _ok)
    app.router.add_get("/api/wait", wait)
    app.router.add_post("/api/echo", _echo)
    app.router.add_post("/api/uploads", _echo)
    app.router.add_post("/api/ignore", _ok)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = site.port
    yield server
    server.go.set()
    await runner.cleanup()


@pytest.fixture
async def peer(server: Server) -> AsyncIterator[Peer]:
    peer = await server.connect()
    yield peer
    await peer.close()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that is logged, down to the last detail, while the test runs."""
    root, stream = logging.getLogger(), io.StringIO()
    level = root.level
    logs.configure("DEBUG", stream=stream)
    yield stream
    for handler in [one for one in root.handlers if getattr(one, "is_parley", False)]:
        root.removeHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def code(body: bytes) -> str:
    found: str = json.loads(body)["error"]["code"]
    return found


def clock() -> float:
    return asyncio.get_running_loop().time()


async def test_who_says_nothing_is_hung_up_on(peer: Peer) -> None:
    started = clock()

    assert await peer.rest() == b""

    assert 0.15 < clock() - started < 5


async def test_half_a_head_is_answered_with_408(peer: Peer) -> None:
    peer.send("GET / HTTP/1.1\r\nHost: x\r\n")

    status, headers, body = await peer.answer()

    assert (status, code(body), headers["connection"]) == (408, "too_slow", "close")
    assert (headers["server"], headers["x-content-type-options"]) == ("Parley", "nosniff")
    assert await peer.rest() == b""


async def test_bytes_that_dribble_do_not_buy_time(peer: Peer) -> None:
    peer.send("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    closed = peer.watch()
    started = clock()

    await peer.dribble("a")

    said = await closed  # nothing, where a byte that came after the close reset the connection
    assert not said or b" 408 " in said
    assert clock() - started < 5


async def test_the_second_head_of_a_connection_has_a_deadline_too(peer: Peer) -> None:
    peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await peer.answer())[0] == 200
    peer.send("GET / HT")

    assert (await peer.answer())[0] == 408


async def test_between_requests_a_connection_may_rest(server: Server, peer: Peer) -> None:
    peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await peer.answer())[0] == 200
    silent = await server.connect()
    assert await silent.rest() == b""  # one deadline later
    await silent.close()
    peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    assert (await peer.answer())[0] == 200


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
async def test_half_a_body_is_answered_with_408(peer: Peer, framing: str) -> None:
    peer.send(f"POST /api/echo HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n5\r\n")

    status, headers, body = await peer.answer()

    assert (status, code(body), headers["connection"]) == (408, "too_slow", "close")
    assert headers["x-request-id"]
    assert await peer.rest() == b""


async def test_a_body_that_dribbles_is_too_slow(peer: Peer) -> None:
    peer.send("POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n")
    closed = peer.watch()

    await peer.dribble("a")

    said = await closed  # nothing, where a byte that came after the close reset the connection
    assert not said or b" 408 " in said


async def test_a_body_that_nobody_reads_holds_the_connection_no_longer(peer: Peer) -> None:
    peer.send("POST /api/ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    assert (await peer.answer())[0] == 200
    await peer.close()


async def test_an_upload_has_longer(server: Server) -> None:
    echo, upload = await server.connect(), await server.connect()
    for peer, path in ((echo, "echo"), (upload, "uploads")):
        peer.send(f"POST /api/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
    assert (await echo.answer())[0] == 408
    upload.send("cd")

    status, _headers, body = await upload.answer()
    assert (status, body) == (200, b"abcd")
    await echo.close()
    await upload.close()


async def test_a_body_in_time_is_read_and_the_next_request_too(peer: Peer) -> None:
    for _ in range(2):
        peer.send("POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        peer.send("cd")
        status, _headers, body = await peer.answer()
        assert (status, body) == (200, b"abcd")


async def test_a_long_answer_is_not_cut_off_by_what_comes_behind_its_request(
    server: Server, peer: Peer
) -> None:
    peer.send("GET /api/wait HTTP/1.1\r\nHost: x\r\n\r\n")
    await server.asked.wait()
    peer.send("GET / HT")
    silent = await server.connect()
    assert await silent.rest() == b""  # one deadline later
    await silent.close()
    server.go.set()

    status, _headers, body = await peer.answer()
    assert (status, body) == (200, b"done")
    assert (await peer.answer())[0] == 408


@pytest.mark.parametrize(
    "text",
    [
        "canary\r\n\r\n",
        "GET /?token=canary HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\ncanary\x00: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX-Canary: " + "a" * 20_000 + "\r\n\r\n",
        "GET / HTTP/1.1\r\n" + "".join(f"X-{n}: canary\r\n" for n in range(70)) + "\r\n",
        "\x16\x03\x01\x02\x00\x01",
    ],
)
async def test_what_is_not_http_is_answered_in_our_shape_and_quoted_nowhere(
    peer: Peer, log: io.StringIO, text: str
) -> None:
    peer.send(text)
    status, headers, body = await peer.answer()

    assert 400 <= status < 500
    assert code(body) in ("bad_request", "too_large")
    assert (headers["server"], headers["x-frame-options"]) == ("Parley", "DENY")
    assert "canary" not in body.decode() + log.getvalue()
    assert "127.0.0.1" not in log.getvalue()
    assert await peer.rest() == b""


async def test_who_leaves_in_the_middle_leaves_no_error(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    for text in ("", "GET / HT", "POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"):
        peer = await server.connect()
        peer.send(text)
        await peer.writer.drain()
        await peer.close()
    last = await server.connect()
    last.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await last.answer())[0] == 200
    await last.close()

    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_many_slow_ones_do_not_slow_the_others(server: Server) -> None:
    slow = []
    for _ in range(200):
        slow.append(await server.connect())
        slow[-1].send("GET / HTTP/1.1\r\nX-Slow: a")
    quick = await server.connect()
    quick.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await quick.answer())[0] == 200

    answers = await asyncio.gather(*(peer.rest() for peer in slow))

    assert {answer[:13] for answer in answers} == {b"HTTP/1.1 408 "}
    for peer in [*slow, quick]:
        await peer.close()


async def test_timers_end_with_their_connections(server: Server) -> None:
    gone = [await server.connect() for _ in range(5)]
    for peer in gone:
        await peer.close()
    probe = await server.connect()
    probe.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await probe.answer()

    loop: Any = asyncio.get_running_loop()
    pending: list[Callable[..., Any]] = [
        handle._callback for handle in loop._scheduled if not handle.cancelled()
    ]
    assert not [callback for callback in pending if getattr(callback, "__name__", "") == "_head_is_late"]
    await probe.close()


def test_the_deadlines_are_those_of_the_contract() -> None:
    assert (DEADLINES.head_s, DEADLINES.body_s, DEADLINES.upload_s) == (10.0, 15.0, 120.0)
