"""Engine.IO 4 by python-engineio, the transport of python-socketio: long polling and WebSocket.

The library makes the handshake, answers polls, and changes the transport. What it
leaves open is shut here:

- Its queue has no bound: ``Outbox`` counts bytes, and who does not read is closed (3008).
- Its pings are tasks and live by the wall clock: the pump pings, the library never does.
- It reads what came before anybody looks at it, and an odd packet ends in a traceback:
  what comes in goes straight to the pump (``EngineSession.take``).
- A poll whose peer is gone, or is never taken, is nobody's: here it ends the session.

What is needed beyond the library's documentation is in ``engineio_private``. Kept out:
WebSockets (``websocket``), who may connect (``sockets.endpoints``), and what a packet
means (the dialect).
"""

import asyncio
import enum
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import structlog
from aiohttp import web
from engineio.packet import CLOSE, MESSAGE, NOOP, Packet

from chat_web.transports.client_transport import LOST_CODE
from chat_web.transports.close_codes import DO_NOT_COME_BACK, SERVER_ERROR, SLOW
from chat_web.transports.engine_io.engineio_private import ServerWithDriver
from chat_web.transports.interfaces import LIMITS, Receiver, Socket, SocketLimits

PACKET_BYTES_MAX: Final = 16 * 1024  # of one packet, and of one body of packets
PING_S: Final = 25.0
PONG_S: Final = 10.0
SEPARATOR: Final = "\x1e"

# What is handed through the library, beside what it knows itself.
REQUEST: Final = "aiohttp.request"
RECEIVER: Final = "parley.receiver"
SESSION: Final = "parley.session"
HEADERS: Final = "parley.headers"

_CLIENT_CLOSES: Final = "1"
_DO_NOT_COME_BACK: Final = "1"  # Socket.IO's DISCONNECT: who gets it connects no more by itself
_SILENT: Final = logging.Logger("engineio", logging.CRITICAL + 1)  # its lines hold what people wrote

_log = structlog.get_logger("parley.sockets")


class Outbox(asyncio.Queue[Packet | None]):
    """The outbox of the client, bounded in bytes; None marks the end. Nothing waits until it is empty."""

    bytes_waiting = 0
    taken = 0  # packets

    def _put(self, item: Packet | None) -> None:
        super()._put(item)
        self.bytes_waiting += _bytes_of(item)

    def _get(self) -> Packet | None:
        item = super()._get()
        self.bytes_waiting -= _bytes_of(item)
        self.taken += 1
        return item

    async def join(self) -> None:
        return


def _bytes_of(item: Packet | None) -> int:
    return 0 if item is None else 1 + len(str(item.data or "").encode())


class Wire(Protocol):
    """The WebSocket below a session."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def hang_up(self, code: int, reason: str) -> None:
        """Close it, now. Idempotent."""


class _State(enum.Enum):
    OPEN = enum.auto()
    CLOSING = enum.auto()  # what waits may still be taken
    OVER = enum.auto()


class EngineSession:
    """One session of Engine.IO: to the pump a socket, whatever carries it.

    A code from 3500 on is told as Socket.IO's DISCONNECT, after which clients do
    not come back by themselves; any other as a transport that closed, after which
    they do.
    """

    def __init__(self, engine: "Engine", sid: str, receiver: Receiver[Socket], limits: SocketLimits) -> None:
        self.sid = sid
        self.code, self.reason = LOST_CODE, ""
        self._engine = engine
        self._socket = engine.sockets[sid]
        self._outbox: Outbox = self._socket.queue
        self._receiver = receiver
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._state = _State.OPEN
        self._wire: Wire | None = None
        self._polls = 0
        self._is_posting = False
        self._poll_transport: asyncio.Transport | None = None
        self._resumed = asyncio.Event()
        self._resumed.set()
        self._progress: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._absence: asyncio.TimerHandle | None = None
        self._has_said_close = False
        self._is_told = False
        self._ending: asyncio.Future[None] = self._loop.create_future()

    @property
    def is_open(self) -> bool:
        return self._state is _State.OPEN

    @property
    def is_connected(self) -> bool:
        """False until its first transport has shaken hands."""
        return bool(self._socket.connected)

    @property
    def may_upgrade(self) -> bool:
        return self.is_open and not self._socket.upgrading and not self._socket.upgraded

    @property
    def is_polling(self) -> bool:
        """Whether it lives by polls, also while another transport is tried."""
        return not self._socket.upgraded

    # The socket of the pump

    def write(self, frames: bytes) -> None:
        """Send packets, each with its separator. Never waits, never raises."""
        if self._state is not _State.OPEN:
            return
        if self._outbox.bytes_waiting > self._limits.outbox_bytes_max:
            self.close(*SLOW)
            return
        for packet in frames.decode().split(SEPARATOR)[:-1]:
            self._outbox.put_nowait(Packet(int(packet[0]), packet[1:]))
        if self._progress is None:
            self._expect_progress(self._outbox.taken)

    def close(self, code: int, reason: str) -> None:
        """Starts closing; the receiver is called within ``close_s``. Only the first call counts."""
        if self._state is not _State.OPEN:
            return
        self._state = _State.CLOSING
        self.code, self.reason = code, reason
        if code >= DO_NOT_COME_BACK:
            self._outbox.put_nowait(Packet(MESSAGE, _DO_NOT_COME_BACK))
        if not self.is_polling:
            self._outbox.put_nowait(None)  # the library's writer then closes the WebSocket
        else:
            self._loop.call_soon(self._tell)  # the person is gone now; the goodbye waits for its poll
            if not self._outbox.bytes_waiting:
                self._say_close()
        self._resumed.set()
        self._engine.endings.add(self._ending)
        self._deadline = self._loop.call_later(self._limits.close_s, self.lose, code, reason)

    def pause(self) -> None:
        self._resumed.clear()
        if self._wire is not None:
            self._wire.pause()

    def resume(self) -> None:
        self._resumed.set()
        if self._wire is not None:
            self._wire.resume()

    def waits_to_drain(self, then: Callable[[], None]) -> bool:
        """False: what waits is counted in the outbox, and asked for by the peer's own polls."""
        return False

    def _say_close(self) -> None:
        """The last packet, in a poll of its own: clients drop what comes in the same one."""
        self._has_said_close = True
        self._outbox.put_nowait(Packet(CLOSE))

    # What carries it

    def take(self, packet: str) -> None:
        """One packet came."""
        if self._state is not _State.OPEN:
            return
        if packet == _CLIENT_CLOSES:
            self.lose(1000, "")
            return
        try:
            self._receiver.received(packet)
        except Exception as error:  # its words may hold what a person wrote: they stay out
            _log.error("receiver_failed", error=type(error).__name__)
            self.close(*SERVER_ERROR)

    async def take_all(self, body: str) -> None:
        """The packets of one body, as fast as they are taken."""
        for packet in body.split(SEPARATOR):
            await self._resumed.wait()
            self.take(packet)

    @property
    def is_posting(self) -> bool:
        return self._is_posting

    @contextmanager
    def posting(self) -> Iterator[None]:
        """While a body is read: one at a time, so that packets stay in order."""
        self._is_posting = True
        try:
            yield
        finally:
            self._is_posting = False

    @property
    def is_polled(self) -> bool:
        return self._polls > 0

    @contextmanager
    def polled(self, transport: asyncio.Transport | None) -> Iterator[None]:
        """While a poll waits for its answer, which this transport will carry."""
        self._polls += 1
        self._poll_transport = transport
        if self._absence is not None:
            self._absence.cancel()
        try:
            yield
        finally:
            self._polls -= 1
            if self._state is _State.OPEN:
                self.expect_poll()
            elif self._state is _State.CLOSING and not self._outbox.bytes_waiting:
                if self._has_said_close:
                    self.lose(self.code, self.reason)
                else:
                    self._say_close()

    def expect_poll(self) -> None:
        """Ends a polling session that stopped polling."""
        self._absence = self._loop.call_later(self._limits.progress_s, self._miss)

    def _miss(self) -> None:
        self._absence = None
        if self.is_polling:
            self.lose()

    def carried(self, wire: Wire) -> None:
        """A WebSocket is there: the session's transport, or one that is tried."""
        self._wire = wire
        if not self._resumed.is_set():
            wire.pause()

    def stay(self) -> None:
        """The transport that was tried is not to be: polls go on."""
        self._wire = None
        self._socket.upgrading = False  # the library forgets to say so

    def lose(self, code: int = LOST_CODE, reason: str = "") -> None:
        """Ends at once: nothing more is sent. Only the first call counts."""
        if self._state is _State.OVER:
            return
        is_ours, self._state = self._state is _State.CLOSING, _State.OVER
        if not is_ours:
            self.code, self.reason = code, reason
        for timer in (self._progress, self._deadline, self._absence):
            if timer is not None:
                timer.cancel()
        self._socket.closing = self._socket.closed = True
        self._engine.forget(self)
        self._outbox.put_nowait(Packet(NOOP))
        self._outbox.put_nowait(None)  # who still waits for packets does so no longer
        self._resumed.set()
        if self._wire is not None:
            self._wire.hang_up(self.code, self.reason)
        if self._poll_transport is not None:  # an answer that is never read holds what it carries
            self._loop.call_later(self._limits.close_s, _abort_if_unread, self._poll_transport)
        self._engine.endings.discard(self._ending)
        self._ending.set_result(None)
        self._tell()

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            self._receiver.closed(self.code, self.reason)

    def _expect_progress(self, taken: int) -> None:
        self._progress = self._loop.call_later(self._limits.progress_s, self._judge_progress, taken)

    def _judge_progress(self, taken: int) -> None:
        self._progress = None
        if self._state is not _State.OPEN or not self._outbox.bytes_waiting:
            return
        if self._outbox.taken == taken:
            self.close(*SLOW)
        else:
            self._expect_progress(self._outbox.taken)


def _abort_if_unread(transport: asyncio.Transport) -> None:
    if not transport.is_closing() and transport.get_write_buffer_size():
        transport.abort()


class Engine(ServerWithDriver):
    """Every session of this node, by its id."""

    def __init__(self, driver: Any, limits: SocketLimits = LIMITS) -> None:
        """``driver`` carries WebSockets: ``driver(handler, engine)``, then ``await it(environ)``."""
        super().__init__(
            websocket=driver,
            translate_request=_environ,
            ping_interval=PING_S,
            ping_timeout=PONG_S,
            max_http_buffer_size=PACKET_BYTES_MAX,
            http_compression=False,
            cors_allowed_origins=[],  # origins are checked by the endpoint
            async_handlers=False,
            monitor_clients=False,
            logger=_SILENT,
        )
        self.limits = limits
        self.sessions: dict[str, EngineSession] = {}
        self.endings: set[asyncio.Future[None]] = set()
        self.on("connect", self._connected)

    def create_queue(self, *args: Any, **options: Any) -> Outbox:
        return Outbox()

    def start_background_task(self, target: Any, *args: Any, **options: Any) -> None:
        """Nothing: the one task that is left to the library here would send its own pings."""

    async def finished(self) -> None:
        """Wait until what was closed is over: goodbyes that wait for a poll, the library's own work."""
        while self.endings:
            await asyncio.wait(self.endings)

    def forget(self, session: EngineSession) -> None:
        self.sessions.pop(session.sid, None)
        self.sockets.pop(session.sid, None)

    def _connected(self, sid: str, environ: dict[str, Any]) -> None:
        receiver: Receiver[Socket] = environ[RECEIVER]
        session = EngineSession(self, sid, receiver, self.limits)
        self.sessions[sid] = environ[SESSION] = session
        receiver.opened(session)


def _environ(environ: dict[str, Any]) -> dict[str, Any]:
    """Returns the request's data for the library, as ``environ_of`` wrote it."""
    return environ


def environ_of(request: web.Request, *, transport: str, sid: str = "") -> dict[str, Any]:
    """A GET that was judged already, in the library's words."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": f"EIO=4&transport={transport}" + (f"&sid={sid}" if sid else ""),
        REQUEST: request,
    }
    if transport == "websocket":
        environ |= {"HTTP_CONNECTION": "upgrade", "HTTP_UPGRADE": "websocket"}
    return environ
