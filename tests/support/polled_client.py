"""A client of Socket.IO without a network: the real pump and session of Engine.IO, polled at once."""

from engineio.async_socket import AsyncSocket

from chat_core import Chat
from chat_web.dialects.socketio import SocketIO
from chat_web.http.auth import Authenticator
from chat_web.sockets.pump import Pump, PumpLimits
from chat_web.transports.engine_io.session import Engine, EngineSession
from chat_web.transports.engine_io.websocket import EngineWire
from tests.support.memory_wire import Closed

CLOSE_BY_POLL = "1"


class PolledClient:
    """One client's end, as ``Wire``: ``say`` sends a packet, ``seen`` takes what came."""

    def __init__(self, chat: Chat, authenticator: Authenticator, *, limits: PumpLimits | None = None) -> None:
        self.has_left = False
        self.pump = Pump(
            chat,
            SocketIO(),
            authenticator.authenticated,
            identity=None,
            limits=limits or PumpLimits(),
            left=self._leave,
        )
        self.engine = Engine(EngineWire)
        socket = self.engine.sockets["sid"] = AsyncSocket(self.engine, "sid")
        socket.last_ping = None
        socket.connected = True
        self._outbox = socket.queue
        self._has_seen_end = False
        self.session = EngineSession(self.engine, "sid", self.pump, self.engine.limits)
        self.pump.opened(self.session)

    @property
    def is_open(self) -> bool:
        return self.session.is_open

    def say(self, packet: str) -> None:
        self.session.take(packet)

    def drop(self) -> None:
        """The connection breaks without a word."""
        self.session.lose()

    def seen(self) -> list[str | Closed]:
        """Every packet that has come and was not looked at."""
        found: list[str | Closed] = []
        with self.session.polled(None):
            while not self._outbox.empty():
                packet = self._outbox.get_nowait()
                if packet is not None and (text := packet.encode()) not in (CLOSE_BY_POLL, "6"):
                    found.append(text)
        if not self.session.is_open and not self._has_seen_end and self.session.code != 1006:
            self._has_seen_end = True
            found.append(Closed(self.session.code, self.session.reason))
            self.session.lose()
        return found

    def _leave(self, pump: Pump) -> None:
        assert not self.has_left, "a connection leaves once"
        self.has_left = True
