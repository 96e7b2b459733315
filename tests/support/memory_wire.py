"""A connection without a network: the real pump and WebSocket, over a transport in memory."""

import asyncio

import attrs

from chat_core import Chat
from chat_web.dialects.intents import Dialect
from chat_web.http.auth import Authenticator, Identity
from chat_web.sockets.pump import Pump, PumpLimits
from chat_web.transports.interfaces import LIMITS, SocketLimits
from chat_web.transports.websocket import WebSocket

MASK = b"\x37\xfa\x21\x3d"


def masked(opcode: int, payload: bytes, *, is_final: bool = True) -> bytes:
    """A frame as a client sends it."""
    head = bytes([(0x80 if is_final else 0) | opcode])
    length = len(payload)
    if length < 126:
        head += bytes([0x80 | length])
    elif length < 0x10000:
        head += bytes([0x80 | 126]) + length.to_bytes(2, "big")
    else:
        head += bytes([0x80 | 127]) + length.to_bytes(8, "big")
    key = (MASK * (length // 4 + 1))[:length]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")
    return head + MASK + body


class Transport(asyncio.Transport):
    """What the server writes is kept; the peer reads it at once unless ``takes`` is False."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.takes = True
        self.is_reading_paused = False
        self._protocol: asyncio.BaseProtocol | None = None
        self._is_closing = False
        self._is_lost = False

    def connect(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_closing:
            self.written += data

    def get_write_buffer_size(self) -> int:
        return 0 if self.takes else len(self.written)

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self.is_reading_paused = True

    def resume_reading(self) -> None:
        self.is_reading_paused = False

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self._is_closing = True
        asyncio.get_running_loop().call_soon(self.lose)

    def abort(self) -> None:
        self.close()

    def lose(self) -> None:
        """The connection is gone, whoever ended it."""
        self._is_closing = True
        if not self._is_lost and self._protocol is not None:
            self._is_lost = True
            protocol = self._protocol
            assert isinstance(protocol, asyncio.Protocol)
            protocol.connection_lost(None)


@attrs.frozen
class Closed:
    """The server's close frame."""

    code: int
    reason: str


class Wire:
    """One client's end. ``say`` sends, ``seen`` takes what came: texts, then perhaps ``Closed``."""

    def __init__(
        self,
        chat: Chat,
        dialect: Dialect,
        authenticator: Authenticator,
        *,
        identity: Identity | None = None,
        limits: PumpLimits | None = None,
        socket_limits: SocketLimits = LIMITS,
    ) -> None:
        self.has_left = False
        self.pump = Pump(
            chat,
            dialect,
            authenticator.authenticated,
            identity=identity,
            limits=limits or PumpLimits(),
            left=self._leave,
        )
        self.transport = Transport()
        self._socket = WebSocket(
            self.pump, message_bytes_max=dialect.message_bytes_max, ping_s=None, limits=socket_limits
        )
        self.transport.connect(self._socket)

    @property
    def is_open(self) -> bool:
        return self._socket.is_open

    def say(self, text: str) -> None:
        self.send(masked(0x1, text.encode()))

    def send(self, raw: bytes) -> None:
        """Bytes as they are. What the server closed takes none any more."""
        if not self.transport.is_closing():
            self._socket.data_received(raw)

    def drop(self) -> None:
        """The connection breaks without a word."""
        self.transport.lose()

    def seen(self) -> list[str | Closed]:
        """Every message that has come and was not looked at."""
        found: list[str | Closed] = []
        data = self.transport.written
        while data:
            opcode, length, begin = data[0] & 0x0F, data[1], 2
            assert data[0] & 0x80, "the server fragments nothing"
            assert not length & 0x80, "the server masks nothing"
            if length == 126:
                length, begin = int.from_bytes(data[2:4], "big"), 4
            elif length == 127:
                length, begin = int.from_bytes(data[2:10], "big"), 10
            payload = bytes(data[begin : begin + length])
            assert len(payload) == length, "a frame was cut"
            del data[: begin + length]
            match opcode:
                case 0x1:
                    found.append(payload.decode())
                case 0x8:
                    found.append(Closed(int.from_bytes(payload[:2], "big"), payload[2:].decode()))
                case _:
                    raise AssertionError(f"an unexpected frame of opcode {opcode}")
        return found

    def _leave(self, pump: Pump) -> None:
        assert not self.has_left, "a connection leaves once"
        self.has_left = True
