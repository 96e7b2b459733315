"""One WebSocket connection on a bare transport, from the first frame to the last.

Here are the closing handshake, pings, deadlines and the bound on what a peer does
not read.  Kept out: the HTTP handshake (`handover`), the bytes of a frame
(`frames`), and what a message means (the receiver).

There is no task per connection and nothing here waits.  A connection goes through

    CONNECTING -> OPEN -> CLOSING -> LOST

and never back.  OPEN ends with the first of: a close frame in either direction, a
fault, a peer that does not read, does not answer pings or is gone.  What ended it
first is what the receiver hears.  From then on nothing is written, and the
transport has `close_s` to get rid of what it holds; then it is aborted.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

from chat_web.sockets.flow import Flow
from chat_web.sockets.frames import (
    Binary,
    Close,
    FrameReader,
    Ping,
    Pong,
    ProtocolFault,
    Text,
    close_frame,
    ping_frame,
    pong_frame,
)
from chat_web.sockets.receiver import LIMITS, Receiver, SocketLimits

__all__ = ["LOST_CODE", "PING_S", "WebSocket"]

PING_S: Final = 25.0
LOST_CODE: Final = 1006
"""Told to the receiver when the connection ended without a close frame."""

_SERVER_ERROR = (3004, "server error")
_SLOW = (3008, "slow: too much unread")
_NO_PONG = (3012, "no pong")

_PROGRESS_CHECKS: Final = 3
"""Looks at a blocked connection within `progress_s`; it is found out at most one look too late."""

_logger = logging.getLogger(__name__)


class _State(enum.Enum):
    CONNECTING = enum.auto()
    OPEN = enum.auto()
    CLOSING = enum.auto()
    LOST = enum.auto()


# Names of the module: an attribute of an enum costs twice as much on the way of each write.
_CONNECTING, _OPEN, _CLOSING, _LOST = _State


class WebSocket(Flow):
    """The server's end of one connection.  All methods belong to the event loop's thread."""

    __slots__ = (
        "__weakref__",
        "_beat",
        "_bytes_written",
        "_code",
        "_deadline",
        "_has_failed",
        "_is_delivering",
        "_is_paused",
        "_limits",
        "_loop",
        "_ping_s",
        "_pinged_with",
        "_progress",
        "_reader",
        "_reason",
        "_receiver",
        "_state",
        "_transport",
    )

    def __init__(
        self,
        receiver: Receiver,
        *,
        message_bytes_max: int,
        ping_s: float | None = PING_S,
        limits: SocketLimits = LIMITS,
    ) -> None:
        """`ping_s` is the time between pings; None leaves it to the receiver to find the dead."""
        super().__init__()
        self._state = _CONNECTING
        self._limits = limits
        self._receiver: Receiver | None = receiver
        self._reader: FrameReader | None = FrameReader(message_bytes_max=message_bytes_max)
        self._transport: asyncio.Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ping_s = ping_s
        self._pinged_with: bytes | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._progress: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._bytes_written = 0
        self._code = LOST_CODE
        self._reason = ""
        self._is_paused = False
        self._is_delivering = False
        self._has_failed = False

    @property
    def is_open(self) -> bool:
        """Whether what is written now has a chance to arrive."""
        return self._state is _OPEN

    @property
    def unsent(self) -> int:
        """Bytes that the transport holds because the peer did not take them yet."""
        transport = self._transport
        if transport is None or self._state is _LOST:
            return 0
        try:
            return transport.get_write_buffer_size()
        except RuntimeError:  # uvloop: the handle is closed, connection_lost() is on its way
            return 0

    def write(self, frames: bytes) -> None:
        """Send finished frames, one or more.  Never waits, never raises.

        Nothing happens unless the connection is open.  Who left more than
        `outbox_bytes_max` unread is closed (3008) instead of written to.
        """
        transport = self._transport
        if self._state is not _OPEN or transport is None:
            return
        try:
            if transport.get_write_buffer_size() > self._limits.outbox_bytes_max:
                self.close(*_SLOW)
                return
            transport.write(frames)
            self._bytes_written += len(frames)
            if self._progress is None and transport.get_write_buffer_size():
                self._look_for_progress()
        except RuntimeError:
            # uvloop refuses a closed handle; connection_lost() tells the receiver.
            return

    def close(self, code: int, reason: str) -> None:
        """Say goodbye; `closed()` follows within `close_s`, whatever the peer does.

        The first call counts.  `ValueError` for a code that cannot be sent.
        """
        said = close_frame(code, reason)
        if self._state is not _OPEN:
            return
        self._send_last(said)
        self._end(code, reason)
        if self._is_paused:  # the peer's close frame must get through
            self._is_paused = False
            if not self._is_delivering:
                self._deliver(b"")
            self._resume_transport()

    def abort(self, code: int, reason: str) -> None:
        """Drop the connection now, without a word to the peer; the code is for the receiver."""
        if self._transport is None or self._state is _LOST:
            return
        if self._state is _OPEN:
            self._end(code, reason)
        self._transport.abort()

    def pause(self) -> None:
        """Take nothing more from the peer: no messages, no pings, no close frame.

        What came already waits, in order.  No pong is expected meanwhile.
        """
        if self._state is _OPEN and not self._is_paused and self._transport is not None:
            self._is_paused = True
            with suppress(RuntimeError):  # uvloop: the handle is closed
                self._transport.pause_reading()

    def resume(self) -> None:
        """Undo `pause()`.  What waited is received before this returns."""
        if not self._is_paused:
            return
        self._is_paused = False
        if self._is_delivering:  # called by received(): the loop there goes on by itself
            self._resume_transport()
            return
        self._deliver(b"")
        if not self._is_paused:
            self._resume_transport()

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start; also called by the hand-over, for a transport that has been in use."""
        # A cast, not a check: uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._state = _OPEN
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            with suppress(OSError):  # the peer may be gone already
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._ping_s is not None:
            self._beat = self._at(self._ping_s, self._ping)
        if self._receiver is not None:
            try:
                self._receiver.opened(self)
            except Exception as error:
                self._fail("opened", error)

    def data_received(self, data: bytes) -> None:
        if not self._is_paused:
            self._deliver(data)
        elif self._reader is not None:
            # A last chunk that was read before the transport heard of the pause.
            self._reader.hold(data)

    def eof_received(self) -> None:
        """A peer that sends nothing more is gone, whether or not it said so."""
        if self._state is _OPEN:
            self._end(LOST_CODE, "")
        # Returning None closes the transport as soon as it has sent what it holds;
        # the deadline of _end() sees to it that this has an end.

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = _LOST
        for timer in (self._beat, self._progress, self._deadline):
            if timer is not None:
                timer.cancel()
        receiver = self._receiver
        self._beat = self._progress = self._deadline = None
        self._receiver = self._reader = self._transport = self._loop = None
        if receiver is not None:
            try:
                receiver.closed(self._code, self._reason)
            except Exception as error:
                self._fail("closed", error)

    # Coming in.

    def _deliver(self, data: bytes) -> None:
        reader, receiver = self._reader, self._receiver
        if reader is None or receiver is None:
            return
        pongs: list[bytes] = []
        self._is_delivering = True
        try:
            text = reader.lone_text(data)
            if text is None:
                self._deliver_all(reader, data, receiver, pongs)
            elif self._state is _OPEN:
                receiver.received(text)
        except ProtocolFault as fault:
            self._break_off(fault)
        except Exception as error:
            self._fail("received", error)
        finally:
            self._is_delivering = False
        if pongs:
            self.write(b"".join(pongs))

    def _deliver_all(self, reader: FrameReader, data: bytes, receiver: Receiver, pongs: list[bytes]) -> None:
        for incoming in reader.feed(data):
            match incoming:
                case Text(text) if self._state is _OPEN:
                    receiver.received(text)
                case Ping(payload):
                    self._collect_pong(pongs, payload)
                case Pong(payload):
                    if payload == self._pinged_with:
                        self._pinged_with = None
                case Close(code, reason):
                    if pongs:
                        self.write(b"".join(pongs))
                        pongs.clear()
                    self._answer_close(code, reason)
                case Text() | Binary():
                    pass  # too late: the connection is closing
            if self._is_paused:
                break

    def _collect_pong(self, pongs: list[bytes], payload: bytes) -> None:
        # Counted in frames of the greatest size, so a flood of pings costs a bounded answer.
        most = self._limits.pong_outbox_bytes_max
        if self._state is _OPEN and len(pongs) * 127 + self.unsent <= most:
            pongs.append(pong_frame(payload))

    def _answer_close(self, code: int, reason: str) -> None:
        transport = self._transport
        if self._state is _OPEN:
            self._send_last(close_frame(code))
            self._end(code, reason)
        if transport is not None:
            transport.close()

    def _break_off(self, fault: ProtocolFault) -> None:
        transport = self._transport
        if self._state is _OPEN:
            self._send_last(close_frame(fault.code, fault.reason))
            self._end(fault.code, fault.reason)
        if transport is None:
            return
        # Closing a socket with unread bytes resets it, and a reset may overtake our close
        # frame.  So end only our half, where the transport can, and read on into nothing.
        if transport.can_write_eof():
            try:
                transport.write_eof()
            except (OSError, RuntimeError):
                transport.abort()
        else:
            transport.close()

    def _fail(self, where: str, error: Exception) -> None:
        """An error of the receiver ends its own connection and nothing else."""
        if not self._has_failed:
            self._has_failed = True
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"
            # The error's own words may hold what a person wrote: they stay out.
            _logger.error("%s() of a receiver raised %s at %s", where, type(error).__name__, place)
        self.close(*_SERVER_ERROR)

    # Going out, and the end.

    def _send_last(self, said: bytes) -> None:
        if self._transport is not None:
            with suppress(RuntimeError):
                self._transport.write(said)

    def _end(self, code: int, reason: str) -> None:
        """Leave OPEN, for this reason; the transport gets a deadline."""
        self._state = _CLOSING
        self._code, self._reason = code, reason
        for timer in (self._beat, self._progress):
            if timer is not None:
                timer.cancel()
        self._beat = self._progress = None
        self._deadline = self._at(self._limits.close_s, self._run_out)

    def _run_out(self, late_s: float) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _resume_transport(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            with suppress(RuntimeError):
                self._transport.resume_reading()

    # Timers.

    def _at(self, delay_s: float, act: Callable[[float], None]) -> asyncio.TimerHandle:
        """Call `act` after a delay, with how late it is."""
        loop = self._loop or asyncio.get_running_loop()
        return loop.call_later(delay_s, _ring, loop, loop.time() + delay_s, act)

    def _ping(self, late_s: float) -> None:
        # Chance in the payload: a pong proves that the peer reads, not only that it sends.
        self._pinged_with = os.urandom(4)
        self.write(ping_frame(self._pinged_with))
        if self._state is _OPEN:
            self._beat = self._at(self._limits.pong_s, self._expect_pong)

    def _expect_pong(self, late_s: float) -> None:
        if self._pinged_with is None:
            rest_s = (self._ping_s or 0.0) - self._limits.pong_s
            self._beat = self._at(max(rest_s, 0.0), self._ping)
        elif self._is_paused or late_s > self._limits.loop_stall_s:
            # It was us who did not listen.
            self._beat = self._at(self._limits.pong_s, self._expect_pong)
        else:
            self.close(*_NO_PONG)

    def _look_for_progress(self) -> None:
        """Watch unsent bytes until none are left; the timer exists only meanwhile."""
        sent = self._bytes_written - self.unsent
        self._progress = self._at(
            self._limits.progress_s / _PROGRESS_CHECKS,
            lambda late_s: self._judge_progress(late_s, sent, _PROGRESS_CHECKS - 1),
        )

    def _judge_progress(self, late_s: float, sent_before: int, looks_left: int) -> None:
        self._progress = None
        unsent = self.unsent
        if self._state is not _OPEN or not unsent:
            return
        sent = self._bytes_written - unsent
        if sent > sent_before or late_s > self._limits.loop_stall_s:
            looks_left = _PROGRESS_CHECKS
        if not looks_left:
            self.close(*_SLOW)
            return
        self._progress = self._at(
            self._limits.progress_s / _PROGRESS_CHECKS,
            lambda late_s: self._judge_progress(late_s, sent, looks_left - 1),
        )


def _ring(loop: asyncio.AbstractEventLoop, due: float, act: Callable[[float], None]) -> None:
    act(loop.time() - due)
