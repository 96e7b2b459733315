"""A WebSocket below Engine.IO: what python-engineio calls to wait, send and close.

The library proves the transport (``2probe``, ``3probe``, ``5``) and writes what waits
in the outbox; what comes in after that goes straight to the session. A probe that
says nothing ends after ``PROBE_S``: the library would wait for ever, and hold the
polls meanwhile.
"""

import asyncio
import enum
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from aiohttp import web

from chat_web.transports.engine_io.session import (
    HEADERS,
    PACKET_BYTES_MAX,
    REQUEST,
    SESSION,
    Engine,
    EngineSession,
)
from chat_web.transports.frames import text_frame
from chat_web.transports.upgrade import upgrade
from chat_web.transports.websocket import WebSocket

PROBE_S: Final = 5.0

_PROBE: Final = "2probe"
_UPGRADE: Final = "5"
_PONG: Final = "3"
_BINARY: Final = "b"  # how long polling marks it; what it holds is nobody's here

_log = structlog.get_logger("parley.sockets")


class _Stage(enum.Enum):
    PROBING = enum.auto()
    PROBED = enum.auto()
    LIVE = enum.auto()


class EngineWire:
    """The driver: one WebSocket, from its handshake to its end."""

    def __init__(self, handler: Callable[["EngineWire"], Awaitable[None]], engine: Engine) -> None:
        self._handler = handler
        self._engine = engine
        self._session: EngineSession | None = None
        self._socket: WebSocket | None = None
        self._stage = _Stage.LIVE
        self._inbox: deque[str] = deque()
        self._came = asyncio.Event()
        self._is_over = False

    async def __call__(self, environ: dict[str, Any]) -> web.StreamResponse:
        """Shake hands, and stay until the end. Raises aiohttp's errors for what is no handshake."""
        self._session = session = environ[SESSION]
        self._stage = _Stage.PROBING if session.is_connected else _Stage.LIVE
        answer = await upgrade(
            environ[REQUEST],
            self,
            message_bytes_max=PACKET_BYTES_MAX,
            ping_s=None,
            headers=environ[HEADERS],
            limits=self._engine.limits,
            on_binary=lambda _payload: self.received(_BINARY),
        )
        if self._socket is None:  # the peer left meanwhile
            if self._stage is _Stage.LIVE:
                session.lose()
            return answer
        ending = asyncio.get_running_loop().create_future()
        self._engine.endings.add(ending)
        try:
            await self._handler(self)
        except Exception as error:
            _log.error("transport_failed", error=type(error).__name__)
        finally:
            self._end(session)
            self._engine.endings.discard(ending)
            ending.set_result(None)
        return answer

    def _end(self, session: EngineSession) -> None:
        if self._stage is _Stage.LIVE:
            session.lose()
        else:
            session.stay()
        self.hang_up(1002, "not a probe")

    # Receiver of the WebSocket

    def opened(self, socket: WebSocket) -> None:
        self._socket = socket
        if self._session is not None:
            self._session.carried(self)

    def received(self, text: str) -> None:
        session = self._session
        if session is None:
            return
        if self._stage is _Stage.LIVE:
            session.take(text)
            if text != _PONG or self._inbox:
                return
        elif self._stage is _Stage.PROBING and text == _PROBE:
            self._stage = _Stage.PROBED
        elif self._stage is _Stage.PROBED and text == _UPGRADE:
            self._stage = _Stage.LIVE
        else:
            self.hang_up(1002, "not a probe")
            return
        self._inbox.append(text)
        self._came.set()

    def closed(self, code: int, reason: str) -> None:
        self._is_over = True
        self._came.set()
        if self._stage is _Stage.LIVE and self._session is not None:
            self._session.lose(code, reason)

    # What the library calls

    async def wait(self) -> str:
        """The next packet that is the library's matter. ``OSError`` when there is none any more."""
        while not self._inbox:
            if self._is_over:
                raise OSError("the connection is over")
            self._came.clear()
            try:
                async with asyncio.timeout(None if self._stage is _Stage.LIVE else PROBE_S):
                    await self._came.wait()
            except TimeoutError:
                raise OSError("a probe that says nothing") from None
        return self._inbox.popleft()

    async def send(self, packet: str) -> None:
        if self._socket is not None:
            self._socket.write(text_frame(packet.encode()))

    async def close(self) -> None:
        if self._session is not None:
            self.hang_up(self._session.code, self._session.reason)

    # What is below the session

    def pause(self) -> None:
        if self._socket is not None:
            self._socket.pause()

    def resume(self) -> None:
        if self._socket is not None:
            self._socket.resume()

    def hang_up(self, code: int, reason: str) -> None:
        self._is_over = True
        self._came.set()
        if self._socket is not None:
            self._socket.close(1000 if code == 1006 else code, reason)
