"""Protobuf is not spoken here: what is said, in protobuf, to a client that begins with it.

Kept out: the transports that such a client may have chosen (``endpoints``, ``emulation``).
"""

from typing import Final

SUBPROTOCOL: Final = "centrifuge-protobuf"
MEDIA_TYPE: Final = "application/octet-stream"

_MESSAGE: Final = b"not available"
# Error {code: 108, message}, as field 2 of a Reply.
_ERROR: Final = bytes((0x08, 108, 0x12, len(_MESSAGE))) + _MESSAGE
_ID_BYTES_MAX: Final = 5


def refusal(first: bytes = b"") -> bytes:
    """The reply (error 108) to the first command, which begins ``first``; without it, to command 1."""
    reply = b"\x08" + _id_of(first) + bytes((0x12, len(_ERROR))) + _ERROR
    return bytes((len(reply),)) + reply


def _id_of(first: bytes) -> bytes:
    """The number in field 1 of a command that has its length before it, as it is written there."""
    start = 0
    while start < len(first) and first[start] & 0x80:
        start += 1
    tag = start + 1
    for end in range(tag + 1, min(len(first), tag + 1 + _ID_BYTES_MAX)):
        if first[tag] != 0x08:
            break
        if not first[end] & 0x80:
            return first[tag + 1 : end + 1]
    return b"\x01"
