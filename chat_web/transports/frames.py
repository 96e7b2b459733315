"""RFC 6455 frames as a server sees them: bytes in, messages out, and back.

Here are the finished frames that a server sends (unmasked, unfragmented, never
compressed) and an incremental reader of what a client sends.  Kept out: sockets,
timers, and any answer to what was read; `websocket` has those.

The reader trusts nothing.  A header is judged as soon as it is complete, so the
size of a message is refused before its bytes are kept; what it holds is at most
one message and the chunk that was fed last.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

import attrs

__all__ = [
    "FRAGMENTS_MAX",
    "Binary",
    "Close",
    "FrameReader",
    "Incoming",
    "Ping",
    "Pong",
    "ProtocolFault",
    "Text",
    "binary_frame",
    "close_frame",
    "is_close_code",
    "ping_frame",
    "pong_frame",
    "text_frame",
]

FRAGMENTS_MAX: Final = 4096
"""Frames of one message.  Empty ones add no bytes, so the bound in bytes would never end them."""

CONTROL_BYTES_MAX: Final = 125
REASON_BYTES_MAX: Final = CONTROL_BYTES_MAX - 2

NO_STATUS: Final = 1005
"""Stands for a close frame without a code; is never sent as a number."""

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FIN = 0x80
_MASKED = 0x80
_FIN_TEXT = _FIN | _TEXT
_PACK_16 = Struct("!BBH").pack
_PACK_64 = Struct("!BBQ").pack
_SHORT_TEXT: Final = tuple(bytes((_FIN_TEXT, length)) for length in range(126))


@attrs.frozen
class Text:
    text: str


@attrs.frozen
class Binary:
    data: bytes


@attrs.frozen
class Ping:
    data: bytes


@attrs.frozen
class Pong:
    data: bytes


@attrs.frozen
class Close:
    """`code` is 1005 where the peer gave none."""

    code: int
    reason: str


Incoming = Text | Binary | Ping | Pong | Close


class ProtocolFault(Exception):
    """The peer broke the protocol; `code` and `reason` are for the close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def text_frame(payload: bytes) -> bytes:
    """A finished text frame; `payload` is valid UTF-8."""
    length = len(payload)
    if length < 126:
        return _SHORT_TEXT[length] + payload
    if length < 0x10000:
        return _PACK_16(_FIN_TEXT, 126, length) + payload
    return _PACK_64(_FIN_TEXT, 127, length) + payload


def binary_frame(payload: bytes) -> bytes:
    """A finished binary frame of at most 125 bytes."""
    return _control_frame(_BINARY, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; the reason is cut to what fits, between two code points.

    1005 gives a frame without code and reason.  `ValueError` for a code that may
    not stand on the wire.
    """
    if code == NO_STATUS:
        return bytes((_FIN | _CLOSE, 0))
    if not is_close_code(code):
        raise ValueError(f"{code} is not a close code that can be sent")
    said = reason.encode("utf-8", "replace")
    if len(said) > REASON_BYTES_MAX:
        said = said[:REASON_BYTES_MAX].decode("utf-8", "ignore").encode()
    return bytes((_FIN | _CLOSE, 2 + len(said))) + code.to_bytes(2, "big") + said


def ping_frame(payload: bytes = b"") -> bytes:
    """A ping; `payload` is at most 125 bytes."""
    return _control_frame(_PING, payload)


def pong_frame(payload: bytes = b"") -> bytes:
    """A pong; `payload` is that of the ping it answers."""
    return _control_frame(_PONG, payload)


def _control_frame(opcode: int, payload: bytes) -> bytes:
    if len(payload) > CONTROL_BYTES_MAX:
        raise ValueError(f"a control frame holds {CONTROL_BYTES_MAX} bytes, not {len(payload)}")
    return bytes((_FIN | opcode, len(payload))) + payload


def is_close_code(code: int) -> bool:
    """Whether a code may stand in a close frame (RFC 6455, 7.4, and IANA's registry)."""
    return 3000 <= code <= 4999 or 1000 <= code <= 1003 or 1007 <= code <= 1014


@attrs.frozen
class _Header:
    """The part of a frame before its payload, judged and found right."""

    opcode: int
    is_final: bool
    bytes_before_mask: int
    length: int


class FrameReader:
    """Reads what one client sends, however it is cut into chunks."""

    __slots__ = (
        "_allows_binary",
        "_buffer",
        "_bytes_needed",
        "_fragments",
        "_is_over",
        "_message",
        "_message_bytes_max",
        "_message_opcode",
    )

    def __init__(self, *, message_bytes_max: int, allows_binary: bool = False) -> None:
        self._message_bytes_max = message_bytes_max
        self._allows_binary = allows_binary
        # None while nothing is held, so that a connection at rest costs nothing here.
        self._buffer: bytearray | None = None
        self._bytes_needed = 2
        self._message: bytearray | None = None
        self._message_opcode = 0
        self._fragments = 0
        self._is_over = False

    def lone_text(self, data: bytes) -> str | None:
        """The text, where `data` is one whole text frame and nothing is held; else None, and nothing is read.

        That is nearly all there ever is, and a third of the price of `feed()`.  Raises
        `ProtocolFault` for what is no UTF-8.
        """
        size = len(data)
        if size < 8 or data[0] != _FIN_TEXT or self._buffer is not None or self._message is not None:
            return None
        length = data[1] & 0x7F
        begin = 6
        if length >= 126:
            begin = 8
            marker, length = length, data[2] << 8 | data[3]
            if marker == 127 or length < 126:  # rare, or written too long: matters of `feed()`
                return None
        if data[1] < _MASKED or size != begin + length or length > self._message_bytes_max or self._is_over:
            return None
        return self._text_of(_unmasked(data[begin:], data[begin - 4 : begin]))

    def feed(self, data: bytes) -> Iterator[Incoming]:
        """The messages completed by `data`, in order.

        Reading is lazy: who stops half way finds the rest with `feed(b"")`.  A
        `ProtocolFault` comes behind everything that was right; after it, and after a
        close frame, there is nothing more.
        """
        if self._is_over:
            return
        self.hold(data)
        buffer = self._buffer
        if buffer is None:
            return
        while len(buffer) >= self._bytes_needed:
            header = self._header()
            if header is None:
                break
            begin = header.bytes_before_mask + 4
            end = begin + header.length
            if len(buffer) < end:
                self._bytes_needed = end
                break
            payload = _unmasked(bytes(buffer[begin:end]), bytes(buffer[begin - 4 : begin]))
            del buffer[:end]  # moves a pointer, not the bytes
            self._bytes_needed = 2
            incoming = (
                self._control(header.opcode, payload) if header.opcode & 8 else self._data(header, payload)
            )
            if incoming is not None:
                yield incoming
                if isinstance(incoming, Close):
                    return
        if not buffer:
            self._buffer = None

    def hold(self, data: bytes) -> None:
        """Keep `data` for a later `feed()` without reading it."""
        if not self._is_over and data:
            if self._buffer is None:
                self._buffer = bytearray()
            self._buffer += data

    def _header(self) -> _Header | None:
        """The header at the head of the buffer, or None while it is incomplete."""
        buffer = self._buffer
        if buffer is None or len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        opcode = first & 0x0F
        length = second & 0x7F
        if first & 0x70:
            raise self._fault(1002, "a reserved bit is set")
        if not second & _MASKED:
            raise self._fault(1002, "a frame is not masked")
        if opcode & 8:
            self._judge_control(opcode, bool(first & _FIN), length)
        else:
            self._judge_data(opcode)
        size = 2
        if length == 126:
            size = 4
        elif length == 127:
            size = 10
        if len(buffer) < size:
            self._bytes_needed = size
            return None
        if size > 2:
            length = int.from_bytes(buffer[2:size], "big")
            self._judge_length(size, length)
        if not opcode & 8 and length + len(self._message or b"") > self._message_bytes_max:
            raise self._fault(1009, "the message is too big")
        return _Header(opcode, bool(first & _FIN), size, length)

    def _judge_control(self, opcode: int, is_final: bool, length: int) -> None:
        if opcode > _PONG:
            raise self._fault(1002, "an opcode is unknown")
        if not is_final:
            raise self._fault(1002, "a control frame is fragmented")
        if length > CONTROL_BYTES_MAX:
            raise self._fault(1002, "a control frame is too long")

    def _judge_data(self, opcode: int) -> None:
        if opcode > _BINARY:
            raise self._fault(1002, "an opcode is unknown")
        if opcode == _BINARY and not self._allows_binary:
            raise self._fault(1003, "binary frames are not accepted")
        if opcode == _CONTINUATION and self._message is None:
            raise self._fault(1002, "there is nothing to continue")
        if opcode != _CONTINUATION and self._message is not None:
            raise self._fault(1002, "a message begins inside another")

    def _judge_length(self, size: int, length: int) -> None:
        if length >> 63:
            raise self._fault(1002, "a length has its highest bit set")
        if length < (126 if size == 4 else 0x10000):
            raise self._fault(1002, "a length is written too long")

    def _data(self, header: _Header, payload: bytes) -> Incoming | None:
        message = self._message
        if message is None:
            if header.is_final:
                return self._message_of(header.opcode, payload)
            self._message = bytearray(payload)
            self._message_opcode = header.opcode
            self._fragments = 1
            return None
        self._fragments += 1
        if self._fragments > FRAGMENTS_MAX:
            raise self._fault(1009, "the message has too many fragments")
        message += payload
        if not header.is_final:
            return None
        self._message = None
        return self._message_of(self._message_opcode, bytes(message))

    def _message_of(self, opcode: int, payload: bytes) -> Incoming:
        return Text(self._text_of(payload)) if opcode == _TEXT else Binary(payload)

    def _control(self, opcode: int, payload: bytes) -> Incoming:
        if opcode == _PING:
            return Ping(payload)
        if opcode == _PONG:
            return Pong(payload)
        if not payload:
            close = Close(NO_STATUS, "")
        else:
            code = int.from_bytes(payload[:2], "big")
            if len(payload) < 2 or not is_close_code(code):
                raise self._fault(1002, "a close code is wrong")
            close = Close(code, self._text_of(payload[2:]))
        self._end()
        return close

    def _text_of(self, payload: bytes) -> str:
        try:
            return payload.decode()
        except UnicodeDecodeError:
            # Without the cause: it holds the text, and a fault may be logged.
            raise self._fault(1007, "a text is not UTF-8") from None

    def _fault(self, code: int, reason: str) -> ProtocolFault:
        self._end()
        return ProtocolFault(code, reason)

    def _end(self) -> None:
        self._is_over = True
        self._buffer = self._message = None


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    """One XOR of two big integers: a loop over the bytes takes fifteen times as long."""
    length = len(payload)
    key = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(length, "little")
