"""The hand-over from aiohttp, with aiohttp's own server: both loops, plain and TLS."""

from __future__ import annotations

import asyncio
import base64
import gc
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import attrs
import pytest
import websockets
from aiohttp import web
from multidict import CIMultiDict

from chat_web.transports.frames import text_frame
from chat_web.transports.interfaces import LIMITS
from chat_web.transports.upgrade import upgrade
from chat_web.transports.websocket import WebSocket
from tests.support.event_loops import LOOPS, tls

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""Key and answer of RFC 6455, section 1.3."""

ASKED = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}
HELLO = b"\x81\x85\x00\x00\x00\x00hello"
GOODBYE = b"\x88\x82\x00\x00\x00\x00\x03\xe8"


def asking(headers: Mapping[str, str | None] | None = None, line: str = "GET / HTTP/1.1") -> bytes:
    """A handshake's bytes; a header that is None is left out."""
    wanted = {**ASKED, **(headers or {})}
    lines = [line, *(f"{name}: {value}" for name, value in wanted.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode()


@attrs.define
class Recorder:
    """Echoes in capitals (if it `answers`), and writes down what it hears."""

    answers: bool = True
    heard: list[str | tuple[int, str]] = attrs.Factory(list)
    socket: WebSocket | None = None
    gone: asyncio.Event = attrs.Factory(asyncio.Event)

    def opened(self, socket: WebSocket) -> None:
        self.socket = socket
        self.heard.append("opened")

    def received(self, text: str) -> None:
        self.heard.append(text)
        if self.answers and self.socket is not None:
            self.socket.write(text_frame(text.upper().encode()))

    def closed(self, code: int, reason: str) -> None:
        self.heard.append((code, reason))
        self.gone.set()


@attrs.define
class UpgradeServer:
    """A running aiohttp server whose root is a WebSocket."""

    has_tls: bool
    recorder: Recorder = attrs.Factory(Recorder)
    runner: web.AppRunner | None = None
    port: int = 0

    async def handler(self, request: web.Request) -> web.StreamResponse:
        return await upgrade(request, self.recorder, message_bytes_max=100_000)

    @asynccontextmanager
    async def open(
        self,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None,
        handler_cancellation: bool = False,
    ) -> AsyncIterator[UpgradeServer]:
        app = web.Application()
        app.router.add_route("*", "/", handler or self.handler)
        self.runner = web.AppRunner(
            app, handle_signals=False, handler_cancellation=handler_cancellation, shutdown_timeout=5
        )
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=tls()[0] if self.has_tls else None)
        await site.start()
        self.port = site.port
        try:
            yield self
        finally:
            await self.runner.cleanup()

    async def connect(self, *first: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which `first` was written in one piece."""
        context = tls()[1] if self.has_tls else None
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, server_hostname="localhost" if context else None
        )
        writer.write(b"".join(first))
        return reader, writer


Story = Callable[[UpgradeServer], Awaitable[None]]


def story(told: Story) -> Callable[[str, str], None]:
    """Run a test on every loop, plain and with TLS; what the loop complains about fails it."""

    def run(loop: str, wire: str) -> None:
        complaints: list[dict[str, object]] = []
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
            runner.run(in_time(told(UpgradeServer(has_tls=wire == "tls"))))
        gc.collect()
        assert complaints == []

    async def in_time(waiting: Awaitable[None]) -> None:
        async with asyncio.timeout(20):
            await waiting

    run.__name__, run.__doc__ = told.__name__, told.__doc__
    run.__module__ = told.__module__
    on_loops = pytest.mark.parametrize("loop", list(LOOPS))
    return pytest.mark.parametrize("wire", ["plain", "tls"])(on_loops(run))


async def left(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say goodbye and wait until the server has hung up."""
    writer.write(GOODBYE)
    assert (await reader.read()).endswith(b"\x88\x02\x03\xe8")
    writer.close()
    await writer.wait_closed()


async def quiet(tasks: int) -> None:
    """Wait until there are no more tasks than so many: aiohttp's need a turn of the loop to end."""
    while len(asyncio.all_tasks()) > tasks:  # noqa: ASYNC110 - tasks give no event
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.001)  # what was to be called when they are done is called


@story
async def test_a_first_frame_in_the_segment_of_the_handshake_is_heard(server: UpgradeServer) -> None:
    async with server.open():
        reader, writer = await server.connect(asking(), HELLO, HELLO[:3])
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("HTTP/1.1 101 Switching Protocols\r\n")
        assert f"\r\nSec-WebSocket-Accept: {ACCEPT}\r\n" in head
        assert "xtensions" not in head
        assert await reader.readexactly(7) == text_frame(b"HELLO")
        writer.write(HELLO[3:])
        assert await reader.readexactly(7) == text_frame(b"HELLO")
        await left(reader, writer)
        await server.recorder.gone.wait()
    assert server.recorder.heard == ["opened", "hello", "hello", (1000, "")]


@story
async def test_no_task_and_no_connection_of_aiohttp_stays(server: UpgradeServer) -> None:
    recorders: list[Recorder] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        recorders.append(Recorder())
        return await upgrade(request, recorders[-1], message_bytes_max=1000)

    async with server.open(handler):
        before = len(asyncio.all_tasks())
        pairs = [await server.connect(asking()) for _ in range(5)]
        for reader, _ in pairs:
            await reader.readuntil(b"\r\n\r\n")
        await quiet(before)
        assert server.runner is not None
        assert server.runner.server is not None
        assert server.runner.server.connections == []
        gc.collect()
        assert [one for one in gc.get_objects() if type(one) is web.RequestHandler] == []
        for reader, writer in pairs:
            writer.write(HELLO)
            assert await reader.readexactly(7) == text_frame(b"HELLO")
            writer.transport.abort()
        for recorder in recorders:
            await recorder.gone.wait()


@story
async def test_the_handler_may_wait_while_much_comes_in(server: UpgradeServer) -> None:
    arrived = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        await arrived.wait()
        return await server.handler(request)

    server.recorder.answers = False
    frame = b"\x81\xfe\x03\xe8" + bytes(4) + b"x" * 1000
    many = 2000  # far more than aiohttp keeps: it stops reading
    async with server.open(slow):
        reader, writer = await server.connect(asking(), frame * many)
        await asyncio.sleep(0.05)
        assert server.recorder.heard == []
        arrived.set()
        await reader.readuntil(b"\r\n\r\n")
        await left(reader, writer)
        await server.recorder.gone.wait()
    assert server.recorder.heard == ["opened", *["x" * 1000] * many, (1000, "")]


@story
async def test_a_request_before_the_handshake_may_share_the_connection(server: UpgradeServer) -> None:
    async with server.open():
        reader, writer = await server.connect(
            b"GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n", asking(), HELLO
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
        assert b"HTTP/1.1 101" in await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(7) == text_frame(b"HELLO")
        await left(reader, writer)


@story
async def test_a_shutdown_neither_waits_for_nor_closes_what_was_handed_over(server: UpgradeServer) -> None:
    async with server.open():
        reader, writer = await server.connect(asking())
        await reader.readuntil(b"\r\n\r\n")
        assert server.runner is not None
        begin = time.monotonic()
        await server.runner.cleanup()
        assert time.monotonic() - begin < 3
        writer.write(HELLO)
        assert await reader.readexactly(7) == text_frame(b"HELLO")
        await left(reader, writer)
        await server.recorder.gone.wait()
    assert server.recorder.heard == ["opened", "hello", (1000, "")]


@story
async def test_a_server_that_cancels_handlers_hands_over_too(server: UpgradeServer) -> None:
    async with server.open(handler_cancellation=True):
        before = len(asyncio.all_tasks())
        reader, writer = await server.connect(asking(), HELLO)
        await reader.readuntil(b"\r\n\r\n")
        await quiet(before)
        assert await reader.readexactly(7) == text_frame(b"HELLO")
        await left(reader, writer)


@story
async def test_the_websockets_client_is_served(server: UpgradeServer) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        cookies = CIMultiDict([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Name", "Zoë")])
        return await upgrade(
            request, server.recorder, message_bytes_max=100_000, subprotocols=("parley.v1",), headers=cookies
        )

    async with server.open(handler):
        async with websockets.connect(
            f"{'wss' if server.has_tls else 'ws'}://127.0.0.1:{server.port}/",
            ssl=tls()[1] if server.has_tls else None,
            server_hostname="localhost" if server.has_tls else None,
            subprotocols=[websockets.Subprotocol("bearer.x"), websockets.Subprotocol("parley.v1")],
        ) as client:
            assert client.response is not None
            assert client.response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
            assert client.subprotocol == "parley.v1"
            assert client.protocol.extensions == []
            for said in ("hi", "", "grüße", "x" * 200, "y" * 70_000):
                await client.send(said)
                assert await client.recv() == said.upper()
            await client.send(["frag", "ments"])
            assert await client.recv() == "FRAGMENTS"
            await (await client.ping())
        await server.recorder.gone.wait()
    assert server.recorder.heard[-1] == (1000, "")


REFUSED: dict[str, tuple[bytes, int]] = {
    "no upgrade": (asking({"Upgrade": None}), 426),
    "an upgrade to something else": (asking({"Upgrade": "h2c"}), 426),
    "no connection": (asking({"Connection": None}), 426),
    "another connection": (asking({"Connection": "keep-alive"}), 426),
    "no version": (asking({"Sec-WebSocket-Version": None}), 426),
    "version 8": (asking({"Sec-WebSocket-Version": "8"}), 426),
    "no key": (asking({"Sec-WebSocket-Key": None}), 400),
    "an empty key": (asking({"Sec-WebSocket-Key": ""}), 400),
    "a key of 15 bytes": (asking({"Sec-WebSocket-Key": base64.b64encode(b"x" * 15).decode()}), 400),
    "a key of 17 bytes": (asking({"Sec-WebSocket-Key": base64.b64encode(b"x" * 17).decode()}), 400),
    "a key that is not base64": (asking({"Sec-WebSocket-Key": "!" * 24}), 400),
    "POST": (asking({"Content-Length": "0"}, "POST / HTTP/1.1"), 405),
    "HTTP/1.0": (asking(line="GET / HTTP/1.0"), 400),
    "a body": (asking({"Content-Length": "4"}) + b"body", 400),
}


@pytest.mark.parametrize("loop", list(LOOPS))
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_handshake_is_refused_as_http(case: str, loop: str) -> None:
    async def talk() -> None:
        server = UpgradeServer(has_tls=False)
        wire, status = REFUSED[case]
        async with server.open():
            reader, writer = await server.connect(wire)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            assert head.startswith(f"HTTP/1.{wire[wire.index(b'/1.') + 3] - 48} {status} ")
            if status == 426:
                assert "\r\nUpgrade: websocket\r\n" in head
                assert ("\r\nSec-WebSocket-Version: 13\r\n" in head) == ("version" in case)
            writer.close()
            await writer.wait_closed()
        assert server.recorder.heard == []

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(talk())


@pytest.mark.parametrize("headers", [{"Bad Name": "x"}, {"X": "a\r\nY: b"}, {"X": "\0"}, {"": "x"}])
def test_a_header_that_would_break_out_is_refused_before_anything_is_sent(headers: dict[str, str]) -> None:
    async def talk() -> None:
        server = UpgradeServer(has_tls=False)

        async def handler(request: web.Request) -> web.StreamResponse:
            with pytest.raises(ValueError, match="cannot be sent"):
                await upgrade(request, server.recorder, message_bytes_max=1, headers=headers)
            return web.Response(text="still HTTP")

        async with server.open(handler):
            reader, writer = await server.connect(asking({"Connection": "Upgrade, close"}))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            writer.close()
            await writer.wait_closed()
        assert server.recorder.heard == []

    asyncio.run(talk())


@story
async def test_a_peer_that_left_before_the_upgrade_is_not_heard_of(server: UpgradeServer) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()
    answers: list[int] = []

    async def slow(request: web.Request) -> web.StreamResponse:
        asked.set()
        await gone.wait()
        answer = await server.handler(request)
        answers.append(answer.status)
        return answer

    async with server.open(slow):
        before = len(asyncio.all_tasks())
        _, writer = await server.connect(asking())
        await asked.wait()
        writer.transport.abort()
        await asyncio.sleep(0.02)
        gone.set()
        await quiet(before)
    assert answers == [499]
    assert server.recorder.heard == []


def test_the_access_log_has_one_line_and_nothing_else_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def talk() -> None:
        server = UpgradeServer(has_tls=False)
        async with server.open():
            before = len(asyncio.all_tasks())
            reader, writer = await server.connect(asking())
            await reader.readuntil(b"\r\n\r\n")
            await quiet(before)
            await left(reader, writer)

    with caplog.at_level(logging.INFO):
        asyncio.run(talk(), debug=True)
    slow = [record for record in caplog.records if "Executing" in record.message]
    lines = [record for record in caplog.records if record not in slow and record.name != "asyncio"]
    assert [record.name for record in lines] == ["aiohttp.access"]
    assert " 101 " in lines[0].message
    assert "127.0.0.1" in lines[0].message


def test_a_middleware_sees_an_answer_that_is_already_on_the_wire() -> None:
    seen: list[tuple[int, bool]] = []

    async def talk() -> None:
        server = UpgradeServer(has_tls=False)

        async def handler(request: web.Request) -> web.StreamResponse:
            answer = await server.handler(request)
            seen.append((answer.status, answer.prepared))
            answer.headers["X-Too-Late"] = "1"
            return answer

        async with server.open(handler):
            reader, writer = await server.connect(asking())
            assert b"X-Too-Late" not in await reader.readuntil(b"\r\n\r\n")
            await left(reader, writer)

    asyncio.run(talk())
    assert seen == [(101, True)]


def test_limits_of_the_socket_can_be_given() -> None:
    recorder = Recorder()

    async def talk() -> None:
        server = UpgradeServer(has_tls=False, recorder=recorder)

        async def handler(request: web.Request) -> web.StreamResponse:
            limits = attrs.evolve(LIMITS, pong_s=0.02, close_s=0.02)
            return await upgrade(request, recorder, message_bytes_max=100, ping_s=0.01, limits=limits)

        async with server.open(handler):
            _, writer = await server.connect(asking())
            await recorder.gone.wait()
            writer.close()
            await writer.wait_closed()

    asyncio.run(talk())
    assert recorder.heard == ["opened", (3012, "no pong")]
