"""One WebSocket on real sockets: asyncio and uvloop, plain and TLS, a peer that speaks raw bytes."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
from structlog.testing import capture_logs

from chat_web.transports.frames import close_frame, text_frame
from chat_web.transports.interfaces import LIMITS, SocketLimits
from chat_web.transports.websocket import WebSocket
from tests.support.event_loops import LOOPS, tls

QUICK = attrs.evolve(LIMITS, close_s=0.1)
STORY_S = 20.0


@attrs.define
class Recorder:
    """A receiver that writes down what it hears."""

    heard: list[str | tuple[int, str]] = attrs.Factory(list)
    sockets: list[WebSocket] = attrs.Factory(list)
    here: asyncio.Event = attrs.Factory(asyncio.Event)
    on_text: Callable[[WebSocket, str], None] | None = None
    gone: asyncio.Event = attrs.Factory(asyncio.Event)

    def opened(self, socket: WebSocket) -> None:
        assert self.heard == []
        self.heard.append("opened")
        self.sockets.append(socket)
        self.here.set()

    def received(self, text: str) -> None:
        self.heard.append(text)
        if self.on_text is not None:
            self.on_text(self.sockets[0], text)

    def closed(self, code: int, reason: str) -> None:
        self.heard.append((code, reason))
        self.gone.set()

    @property
    def socket(self) -> WebSocket:
        return self.sockets[0]


@attrs.define
class Peer:
    """The client's end, by hand."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def read(self) -> tuple[int, bytes]:
        """The first byte of the next frame, and its payload."""
        first, length = await self.reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await self.reader.readexactly(8), "big")
        return first, await self.reader.readexactly(length)

    async def read_close(self) -> int:
        first, payload = await self.read()
        assert first == 0x88
        return int.from_bytes(payload[:2], "big")

    async def read_eof(self) -> None:
        assert await self.reader.read() == b""


def frame(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
    assert len(payload) < 126
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes(((0x80 if fin else 0) | opcode, 0x80 | len(payload))) + mask + masked


def text(content: str) -> bytes:
    return frame(1, content.encode())


def close(code: int, reason: str = "") -> bytes:
    return frame(8, code.to_bytes(2, "big") + reason.encode())


@attrs.frozen
class Wire:
    has_tls: bool

    @asynccontextmanager
    async def open(
        self,
        recorder: Recorder,
        *,
        ping_s: float | None = None,
        limits: SocketLimits = QUICK,
        limit: int = 2**16,
    ) -> AsyncIterator[Peer]:
        """A peer that is connected to a WebSocket whose receiver is `recorder`; small buffers between."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        listener.bind(("127.0.0.1", 0))
        context = tls() if self.has_tls else (None, None)
        server = await asyncio.get_running_loop().create_server(
            lambda: WebSocket(recorder, message_bytes_max=1000, ping_s=ping_s, limits=limits),
            sock=listener,
            ssl=context[0],
        )
        plain = socket.create_connection(listener.getsockname())
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        reader, writer = await asyncio.open_connection(
            sock=plain, ssl=context[1], server_hostname="localhost" if self.has_tls else None, limit=limit
        )
        try:
            await recorder.here.wait()
            yield Peer(reader, writer)
            await recorder.gone.wait()
        finally:
            writer.transport.abort()
            server.close()
            await asyncio.sleep(0.01)


Story = Callable[[Wire], Awaitable[None]]


def story(told: Story) -> Callable[[str, str], None]:
    """Run a test on every loop, plain and with TLS; what the loop complains about fails it."""

    def run(loop: str, wire: str) -> None:
        complaints: list[dict[str, object]] = []
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
            runner.run(in_time(told(Wire(has_tls=wire == "tls"))))
        gc.collect()
        assert complaints == []

    async def in_time(waiting: Awaitable[None]) -> None:
        async with asyncio.timeout(STORY_S):
            await waiting

    run.__name__, run.__doc__ = told.__name__, told.__doc__
    run.__module__ = told.__module__
    on_loops = pytest.mark.parametrize("loop", list(LOOPS))
    return pytest.mark.parametrize("wire", ["plain", "tls"])(on_loops(run))


@story
async def test_a_talk_from_hello_to_the_peers_goodbye(wire: Wire) -> None:
    recorder = Recorder(on_text=lambda ws, said: ws.write(text_frame(said.upper().encode())))
    async with wire.open(recorder) as peer:
        peer.send(text("hi"), text("there"))
        assert await peer.read() == (0x81, b"HI")
        assert await peer.read() == (0x81, b"THERE")
        peer.send(close(4001, "enough"))
        assert await peer.read_close() == 4001
        await peer.read_eof()
    assert recorder.heard == ["opened", "hi", "there", (4001, "enough")]
    assert not recorder.socket.is_open
    assert recorder.socket.unsent == 0


@story
async def test_a_close_without_a_code_is_answered_without_one(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder) as peer:
        peer.send(frame(8))
        assert await peer.read() == (0x88, b"")
        await peer.read_eof()
    assert recorder.heard == ["opened", (1005, "")]


@story
async def test_our_goodbye_waits_for_the_peers(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder, limits=LIMITS) as peer:
        recorder.socket.close(3001, "shutdown")
        recorder.socket.close(3503, "a second one says nothing")
        recorder.socket.write(text_frame(b"too late"))
        assert await peer.read_close() == 3001
        assert recorder.heard == ["opened"]
        peer.send(text("crossed"), frame(9), close(3001))
        await peer.read_eof()
    assert recorder.heard == ["opened", (3001, "shutdown")]


@story
async def test_who_does_not_answer_a_goodbye_is_aborted(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder) as peer:
        begin = time.monotonic()
        recorder.socket.close(3001, "shutdown")
        await recorder.gone.wait()
        assert 0.09 < time.monotonic() - begin < 2
        assert await peer.read_close() == 3001
    assert recorder.heard == ["opened", (3001, "shutdown")]


@story
async def test_a_lost_connection_is_1006(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder) as peer:
        peer.writer.transport.abort()
    assert recorder.heard == ["opened", (1006, "")]


@story
async def test_a_peer_that_hangs_up_without_a_word_is_1006(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder) as peer:
        peer.send(text("bye"))
        peer.writer.close()
    assert recorder.heard == ["opened", "bye", (1006, "")]


@story
async def test_a_fault_is_answered_and_what_came_before_it_counts(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder) as peer:
        peer.send(text("good"), frame(2, b"\x00"), text("never read"))
        assert await peer.read_close() == 1003
        await peer.read_eof()
        peer.send(close(1003))
        peer.writer.close()
    assert recorder.heard == ["opened", "good", (1003, "binary frames are not accepted")]


@story
async def test_a_message_that_is_too_big_is_refused_before_it_came(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder) as peer:
        peer.send(b"\x81\xfe\x03\xe9")
        assert await peer.read_close() == 1009
    assert recorder.heard == ["opened", (1009, "the message is too big")]


@story
async def test_pings_are_answered_in_order_also_in_front_of_a_goodbye(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder) as peer:
        peer.send(*(frame(9, bytes((at,))) for at in range(10)), frame(10, b"unasked"), close(1000))
        for at in range(10):
            assert await peer.read() == (0x8A, bytes((at,)))
        assert await peer.read_close() == 1000
    assert recorder.heard == ["opened", (1000, "")]


@story
async def test_a_flood_of_pings_does_not_fill_our_memory(wire: Wire) -> None:
    recorder = Recorder()
    limits = attrs.evolve(QUICK, pong_outbox_bytes_max=1000)
    async with wire.open(recorder, limits=limits, limit=1024) as peer:
        most = 0
        for _ in range(100):
            peer.send(frame(9, b"x" * 125) * 100)
            await peer.writer.drain()
            most = max(most, recorder.socket.unsent)
        peer.writer.transport.abort()
    # One answer more than the bound, and what TLS adds to it.
    assert most <= 1000 + 127 + 127
    assert recorder.heard == ["opened", (1006, "")]


@story
async def test_pongs_keep_a_connection_alive(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder, ping_s=0.01, limits=attrs.evolve(QUICK, pong_s=0.5)) as peer:
        for _ in range(5):
            first, payload = await peer.read()
            assert first == 0x89
            assert len(payload) == 4
            peer.send(frame(10, payload))
        peer.send(close(1000))
        while (await peer.read())[0] != 0x88:
            pass
    assert recorder.heard == ["opened", (1000, "")]


@story
async def test_nothing_but_the_right_pong_counts_as_life(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder, ping_s=0.01, limits=attrs.evolve(QUICK, pong_s=0.1)) as peer:
        assert (await peer.read())[0] == 0x89
        while recorder.socket.is_open:
            peer.send(text("I only talk"), frame(10, b"none"), frame(9))
            await asyncio.sleep(0.01)
    assert recorder.heard[-1] == (3012, "no pong")


@story
async def test_a_stalled_loop_starts_the_deadline_anew(wire: Wire) -> None:
    recorder = Recorder()
    limits = attrs.evolve(QUICK, pong_s=0.2, loop_stall_s=0.1)
    async with wire.open(recorder, ping_s=0.01, limits=limits) as peer:
        first, payload = await peer.read()
        time.sleep(0.5)  # noqa: ASYNC251 - the stall itself
        await asyncio.sleep(0.05)
        assert recorder.socket.is_open
        peer.send(frame(10, payload))
        assert (await peer.read())[0] == first == 0x89
        peer.send(close(1000))
        while (await peer.read())[0] != 0x88:
            pass
    assert recorder.heard == ["opened", (1000, "")]


@story
async def test_who_leaves_too_much_unread_is_closed(wire: Wire) -> None:
    recorder = Recorder()
    limits = attrs.evolve(QUICK, outbox_bytes_max=100_000)
    async with wire.open(recorder, limits=limits, limit=1024):
        written, most = 0, 0
        while recorder.socket.is_open:
            recorder.socket.write(text_frame(b"x" * 10_000))
            written += 1
            most = max(most, recorder.socket.unsent)
            await asyncio.sleep(0)
            assert written < 10_000
        assert most <= 100_000 + 2 * 10_100
    assert recorder.heard == ["opened", (3008, "slow: too much unread")]


@story
async def test_who_takes_nothing_for_long_is_closed_though_little_is_unread(wire: Wire) -> None:
    recorder = Recorder()
    limits = attrs.evolve(QUICK, progress_s=0.3)
    async with wire.open(recorder, limits=limits, limit=1024):
        # With TLS the transport below takes some too, and does not say so.
        recorder.socket.write(text_frame(b"x" * 250_000))
        recorder.socket.write(text_frame(b"x" * 250_000))
        begin = time.monotonic()
        await recorder.gone.wait()
        assert 0.25 < time.monotonic() - begin < 5
    assert recorder.heard == ["opened", (3008, "slow: too much unread")]


@story
async def test_who_reads_slowly_but_reads_stays(wire: Wire) -> None:
    recorder = Recorder()
    limits = attrs.evolve(QUICK, progress_s=0.6, outbox_bytes_max=10_000_000)
    async with wire.open(recorder, limits=limits, limit=1024) as peer:
        recorder.socket.write(text_frame(b"x" * 1_000_000))
        begin = time.monotonic()
        while time.monotonic() - begin < 1.0:
            assert await peer.reader.read(20_000)
            await asyncio.sleep(0.03)
        assert recorder.socket.is_open
        recorder.socket.abort(3001, "shutdown")
    assert recorder.heard == ["opened", (3001, "shutdown")]


@story
async def test_an_abort_is_quick_and_told(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder, limits=LIMITS) as peer:
        recorder.socket.abort(3503, "banned")
        recorder.socket.abort(3504, "again")
        recorder.socket.write(text_frame(b"nobody hears"))
        recorder.socket.close(3001, "nor this")
        await recorder.gone.wait()
        recorder.socket.write(text_frame(b"nobody hears"))
        recorder.socket.abort(3503, "banned")
        recorder.socket.pause()
        recorder.socket.resume()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await peer.read()
    assert recorder.heard == ["opened", (3503, "banned")]


@story
async def test_a_code_that_cannot_be_sent_changes_nothing(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder) as peer:
        with pytest.raises(ValueError, match="1006"):
            recorder.socket.close(1006, "impossible")
        assert recorder.socket.is_open
        peer.send(close(1000))


@story
async def test_what_comes_during_a_pause_is_received_in_order(wire: Wire) -> None:
    recorder = Recorder(on_text=lambda ws, said: ws.pause() if said == "b" else None)
    cut = text("f")
    async with wire.open(recorder) as peer:
        peer.send(text("a"), text("b"), text("c"), frame(9, b"?"), text("b"), text("e"), cut[:3])
        await asyncio.sleep(0.02)
        peer.send(cut[3:], frame(9, b"!"), text("never whole")[:4])
        await asyncio.sleep(0.02)
        assert recorder.heard == ["opened", "a", "b"]
        recorder.socket.resume()
        assert recorder.heard == ["opened", "a", "b", "c", "b"]
        recorder.socket.resume()
        recorder.socket.resume()
        assert await peer.read() == (0x8A, b"?")
        assert await peer.read() == (0x8A, b"!")
        peer.writer.close()
    assert recorder.heard == ["opened", "a", "b", "c", "b", "e", "f", (1006, "")]


@story
async def test_a_receiver_may_pause_and_resume_while_it_receives(wire: Wire) -> None:
    def wink(ws: WebSocket, said: str) -> None:
        ws.pause()
        ws.resume()

    recorder = Recorder(on_text=wink)
    async with wire.open(recorder) as peer:
        peer.send(text("a"), text("b"))
        await asyncio.sleep(0.02)
        peer.send(text("c"), close(1000))
        assert await peer.read_close() == 1000
    assert recorder.heard == ["opened", "a", "b", "c", (1000, "")]


@story
async def test_a_pause_does_not_hold_up_the_end(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder, ping_s=0.01, limits=attrs.evolve(LIMITS, pong_s=0.01)) as peer:
        recorder.socket.pause()
        await asyncio.sleep(0.1)
        assert recorder.socket.is_open
        peer.send(text("held"))
        await asyncio.sleep(0.02)
        recorder.socket.close(3001, "shutdown")
        while (await peer.read())[0] != 0x88:
            pass
        peer.send(close(3001))
        await peer.read_eof()
    assert recorder.heard == ["opened", (3001, "shutdown")]


@pytest.mark.parametrize("where", ["opened", "received", "closed"])
def test_an_error_of_the_receiver_ends_only_its_connection(
    where: str,
) -> None:
    class Broken(Recorder):
        def opened(self, socket: WebSocket) -> None:
            super().opened(socket)
            self.fail("opened")

        def received(self, text: str) -> None:
            super().received(text)
            self.fail("received")

        def closed(self, code: int, reason: str) -> None:
            super().closed(code, reason)
            self.fail("closed")

        def fail(self, now: str) -> None:
            if now == where:
                raise RuntimeError("secret words")

    async def talk() -> None:
        recorder = Broken()
        async with Wire(has_tls=False).open(recorder) as peer:
            peer.send(text("secret words"), text("more"), close(1000))
            code = await peer.read_close()
        if where == "closed":
            assert (code, recorder.heard[-1]) == (1000, (1000, ""))
        else:
            assert (code, recorder.heard[-1]) == (3004, (3004, "server error: come back"))
            assert "more" not in recorder.heard

    with capture_logs() as lines:
        asyncio.run(talk())
    (line,) = lines
    assert (line["event"], line["method"], line["error"]) == ("receiver_failed", where, "RuntimeError")
    assert Path(__file__).name in line["place"]
    assert "secret" not in repr(line)


@story
async def test_nothing_refers_to_a_connection_that_is_gone(wire: Wire) -> None:
    recorder = Recorder()
    limits = attrs.evolve(LIMITS, pong_s=3600.0)
    async with wire.open(recorder, ping_s=0.001, limits=limits) as peer:
        await peer.read()
        recorder.socket.write(text_frame(b"x" * 500_000))
        ghost = weakref.ref(recorder.socket)
        recorder.socket.close(3001, "shutdown")
        recorder.socket.abort(3001, "shutdown")
    recorder.sockets.clear()
    gc.collect()
    assert ghost() is None


@story
async def test_small_frames_leave_without_delay(wire: Wire) -> None:
    recorder = Recorder()
    async with wire.open(recorder) as peer:
        raw = recorder.socket.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        peer.send(close(1000))


@story
async def test_no_task_belongs_to_a_connection(wire: Wire) -> None:
    before = len(asyncio.all_tasks())
    recorder = Recorder()
    async with wire.open(recorder) as peer:
        await asyncio.sleep(0.01)  # the loop's own task of accepting ends
        assert len(asyncio.all_tasks()) == before
        peer.send(close(1000))
        assert await peer.reader.readexactly(4) == close_frame(1000)
