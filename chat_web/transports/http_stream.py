"""One connection over plain HTTP: an endless response, and separate requests.

The same bounds hold as for a WebSocket: bytes unread, progress, a deadline for the
end.  Kept out: the head of the answer (`upgrade`), who may speak to which stream
(`emulation`), and the framing of what is said, which comes ready from the dialect.

What the peer sends on the connection itself is read into nothing; what it says
comes by `take()`, each text from a request of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from chat_web.transports.client_transport import ClientTransport, State
from chat_web.transports.interfaces import LIMITS, Receiver, SocketLimits

__all__ = ["TURNS_MAX", "TURN_S", "HttpStream"]

TURNS_MAX: Final = 8
"""Texts that wait until the receiver takes more; further ones are refused."""
TURN_S: Final = 10.0

_LAST_CHUNK: Final = b"0\r\n\r\n"


class HttpStream(ClientTransport):
    """The server's end.  `close_frame` makes the last frame from a close code and a reason."""

    __slots__ = ("_close_frame_of", "_is_chunked", "_resumed", "_turn", "_waiting")

    def __init__(
        self,
        receiver: Receiver[HttpStream],
        *,
        close_frame: Callable[[int, str], bytes],
        is_chunked: bool = True,
        limits: SocketLimits = LIMITS,
    ) -> None:
        """Not `is_chunked`: the end of the connection ends the answer (HTTP/1.0)."""
        super().__init__(receiver, limits)
        self._close_frame_of = close_frame
        self._is_chunked = is_chunked
        self._resumed = asyncio.Event()
        self._resumed.set()
        self._turn = asyncio.Lock()
        self._waiting = 0

    def write(self, frames: bytes) -> None:
        """Send finished frames, one or more, as `ClientTransport.write` does."""
        super().write(self.chunk(frames))

    async def take(self, text: str) -> bool:
        """Hand on what was said in a request of its own; False if it was not, and will not be.

        Waits while the receiver takes nothing more, at most `TURN_S`; texts are
        handed on in the order in which this was called.  Cancelled while it
        waits, it has handed on nothing.
        """
        if self._waiting >= TURNS_MAX:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(TURN_S), self._turn:
                await self._resumed.wait()
                return self._hand_on(text)
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1

    def pause(self) -> None:
        """Hand on nothing more for now."""
        self._resumed.clear()

    def resume(self) -> None:
        self._resumed.set()

    def _hand_on(self, text: str) -> bool:
        if not self.is_open or self._receiver is None:
            return False
        try:
            self._receiver.received(text)
        except Exception as error:
            self._fail("received", error)
        return True

    def chunk(self, data: bytes) -> bytes:
        """The bytes as they stand in the answer."""
        return b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked and data else data

    def _close_frame(self, code: int, reason: str) -> bytes:
        return self.chunk(self._close_frame_of(code, reason)) + (_LAST_CHUNK if self._is_chunked else b"")

    def _said_goodbye(self) -> None:
        if self._transport is not None:
            with suppress(RuntimeError):  # uvloop: the handle is closed
                self._transport.close()  # once it has sent what it holds

    def _began(self) -> None:
        pass

    def data_received(self, data: bytes) -> None:
        pass  # nothing is expected here; what follows a request without an end has no meaning

    def _end(self, code: int, reason: str) -> None:
        super()._end(code, reason)
        self._resumed.set()  # who waits is to hear that nothing is taken any more

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = State.LOST
        self._resumed.set()
        super().connection_lost(exc)
