"""One WebSocket connection on a bare transport, from the first frame to the last.

Here are the closing handshake, pings, deadlines and the bound on what a peer does
not read.  Kept out: the HTTP handshake (`upgrade`), the bytes of a frame
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
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from chat_web.transports.client_transport import ClientTransport, State
from chat_web.transports.close_codes import NO_PONG
from chat_web.transports.frames import (
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
from chat_web.transports.interfaces import LIMITS, Receiver, SocketLimits

__all__ = ["PING_S", "WebSocket"]

PING_S: Final = 25.0

_OPEN = State.OPEN  # an attribute of an enum costs twice as much on the way of each message


class WebSocket(ClientTransport):
    """The server's end of one connection.  All methods belong to the event loop's thread."""

    __slots__ = (
        "_beat",
        "_is_delivering",
        "_is_paused",
        "_on_binary",
        "_ping_s",
        "_pinged_with",
        "_reader",
    )

    def __init__(
        self,
        receiver: Receiver[WebSocket],
        *,
        message_bytes_max: int,
        ping_s: float | None = PING_S,
        limits: SocketLimits = LIMITS,
        on_binary: Callable[[bytes], None] | None = None,
    ) -> None:
        """`ping_s` is the time between pings; None leaves it to the receiver to find the dead.

        Without `on_binary` a binary message closes the connection (1003).
        """
        super().__init__(receiver, limits)
        self._on_binary = on_binary
        self._reader: FrameReader | None = FrameReader(
            message_bytes_max=message_bytes_max, allows_binary=on_binary is not None
        )
        self._ping_s = ping_s
        self._pinged_with: bytes | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._is_delivering = False

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

    def _close_frame(self, code: int, reason: str) -> bytes:
        return close_frame(code, reason)

    def _said_goodbye(self) -> None:
        if self._is_paused:  # the peer's close frame must get through
            self._is_paused = False
            if not self._is_delivering:
                self._deliver(b"")
            self._resume_transport()

    # The transport's side.

    def _began(self) -> None:
        if self._ping_s is not None:
            self._beat = self._at(self._ping_s, self._ping)

    def data_received(self, data: bytes) -> None:
        if not self._is_paused:
            self._deliver(data)
        elif self._reader is not None:
            # A last chunk that was read before the transport heard of the pause.
            self._reader.hold(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_binary = self._reader = None
        super().connection_lost(exc)

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

    def _deliver_all(
        self, reader: FrameReader, data: bytes, receiver: Receiver[WebSocket], pongs: list[bytes]
    ) -> None:
        for incoming in reader.feed(data):
            match incoming:
                case Text(text) if self._state is _OPEN:
                    receiver.received(text)
                case Binary(payload) if self._state is _OPEN and self._on_binary is not None:
                    self._on_binary(payload)
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

    def _stop_timers(self) -> None:
        super()._stop_timers()
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None

    def _resume_transport(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            with suppress(RuntimeError):
                self._transport.resume_reading()

    # Timers.

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
            self.close(*NO_PONG)
