"""The transport of a connection: the part that WebSockets and HTTP streams share.

It writes, bounds what the peer has not read, finds out who does not read at all,
and ends.  What comes in, and what the last words look like, is the matter of
`websocket` and `stream`.
"""

from __future__ import annotations

import asyncio
import enum
import socket
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, cast

import structlog

from chat_web.transports.close_codes import SERVER_ERROR, SLOW
from chat_web.transports.flow_control import Flow
from chat_web.transports.interfaces import Receiver, SocketLimits

__all__ = ["LOST_CODE", "ClientTransport", "State"]

LOST_CODE: Final = 1006
"""Told to the receiver when the connection ended without a close frame."""


_PROGRESS_CHECKS: Final = 3
"""Looks at a blocked connection within `progress_s`; it is found out at most one look too late."""

_log = structlog.get_logger("parley.sockets")


class State(enum.Enum):
    CONNECTING = enum.auto()
    OPEN = enum.auto()
    CLOSING = enum.auto()
    LOST = enum.auto()


# Names of the module: an attribute of an enum costs twice as much on the way of each write.
_CONNECTING, _OPEN, _CLOSING, _LOST = State


class ClientTransport(Flow):
    """The server's end of one connection.  All methods belong to the event loop's thread."""

    __slots__ = (
        "__weakref__",
        "_bytes_written",
        "_code",
        "_deadline",
        "_has_failed",
        "_limits",
        "_loop",
        "_progress",
        "_reason",
        "_receiver",
        "_state",
        "_transport",
    )

    def __init__(self, receiver: Receiver[Any], limits: SocketLimits) -> None:
        super().__init__()
        self._state = _CONNECTING
        self._limits = limits
        self._receiver: Receiver[Any] | None = receiver
        self._transport: asyncio.Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._progress: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._bytes_written = 0
        self._code = LOST_CODE
        self._reason = ""
        self._has_failed = False

    @property
    def is_open(self) -> bool:
        """Whether what is written now has a chance to arrive."""
        return self._state is _OPEN

    @property
    def unsent(self) -> int:
        """Bytes in the transport's buffer that the peer did not accept yet."""
        transport = self._transport
        if transport is None or self._state is _LOST:
            return 0
        try:
            return transport.get_write_buffer_size()
        except RuntimeError:  # uvloop: the handle is closed, connection_lost() is on its way
            return 0

    def get_extra_info(self, name: str) -> Any:
        """As of ``asyncio.BaseTransport``: "socket", "peername" and so on. None without a transport."""
        return None if self._transport is None else self._transport.get_extra_info(name)

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
                self.close(*SLOW)
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
        said = self._close_frame(code, reason)
        if self._state is not _OPEN:
            return
        self._send_last(said)
        self._end(code, reason)
        self._said_goodbye()

    def abort(self, code: int, reason: str) -> None:
        """Drop the connection now, without a word to the peer; the code is for the receiver."""
        if self._transport is None or self._state is _LOST:
            return
        if self._state is _OPEN:
            self._end(code, reason)
        self._transport.abort()

    @abstractmethod
    def pause(self) -> None:
        """Take nothing more from the peer for a while."""

    @abstractmethod
    def resume(self) -> None:
        """Undo `pause()`."""

    # What differs.

    @abstractmethod
    def _close_frame(self, code: int, reason: str) -> bytes:
        """The last words, as bytes.  `ValueError` for a code that cannot be sent."""

    @abstractmethod
    def _said_goodbye(self) -> None:
        """The last words were written: see to it that the connection ends."""

    @abstractmethod
    def _began(self) -> None:
        """The connection is open; its receiver is called next."""

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start; also called by the upgrade, for a transport that was in use."""
        # A cast, not a check: uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._state = _OPEN
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            with suppress(OSError):  # the peer may be gone already
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._began()
        if self._receiver is not None:
            try:
                self._receiver.opened(self)
            except Exception as error:
                self._fail("opened", error)

    def eof_received(self) -> None:
        """A peer that sends nothing more is gone, whether or not it said so."""
        if self._state is _OPEN:
            self._end(LOST_CODE, "")
        # Returning None closes the transport as soon as it has sent what it holds;
        # the deadline of _end() sees to it that this has an end.

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = _LOST
        self._stop_timers()
        if self._deadline is not None:
            self._deadline.cancel()
        receiver = self._receiver
        self._deadline = None
        self._receiver = self._transport = self._loop = None
        if receiver is not None:
            try:
                receiver.closed(self._code, self._reason)
            except Exception as error:
                self._fail("closed", error)

    def _fail(self, where: str, error: Exception) -> None:
        """An error of the receiver ends its own connection and nothing else."""
        if not self._has_failed:
            self._has_failed = True
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"
            # The error's own words may hold what a person wrote: they stay out.
            _log.error("receiver_failed", method=where, error=type(error).__name__, place=place)
        self.close(*SERVER_ERROR)

    # Going out, and the end.

    def _send_last(self, said: bytes) -> None:
        if self._transport is not None:
            with suppress(RuntimeError):
                self._transport.write(said)

    def _end(self, code: int, reason: str) -> None:
        """Leave OPEN, for this reason; the transport gets a deadline."""
        self._state = _CLOSING
        self._code, self._reason = code, reason
        self._stop_timers()
        self._deadline = self._at(self._limits.close_s, self._run_out)

    def _stop_timers(self) -> None:
        """All but the deadline of the end."""
        if self._progress is not None:
            self._progress.cancel()
            self._progress = None

    def _run_out(self, late_s: float) -> None:
        if self._transport is not None:
            self._transport.abort()

    # Timers.

    def _at(self, delay_s: float, act: Callable[[float], None]) -> asyncio.TimerHandle:
        """Call `act` after a delay, with how late it is."""
        loop = self._loop or asyncio.get_running_loop()
        return loop.call_later(delay_s, _ring, loop, loop.time() + delay_s, act)

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
            self.close(*SLOW)
            return
        self._progress = self._at(
            self._limits.progress_s / _PROGRESS_CHECKS,
            lambda late_s: self._judge_progress(late_s, sent, looks_left - 1),
        )


def _ring(loop: asyncio.AbstractEventLoop, due: float, act: Callable[[float], None]) -> None:
    act(loop.time() - due)
