"""Ids: UUIDv7 text, made by the application from a time and a random number.

Not here: the sources of time and randomness (``chat_core.adapters.clock``).
"""

from typing import TypeAlias

PersonId: TypeAlias = str
ConversationId: TypeAlias = str
MessageId: TypeAlias = str
LobbyName: TypeAlias = str

CHANCE_BITS = 74
CHANCE_DIGITS = 19


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def uuid7(*, at: float, rng: int) -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then 74 random bits.

    Text order is time order to the millisecond, so that an index on it grows at
    its end. ``rng`` is an integer below ``2 ** CHANCE_BITS``.
    """
    upper, lower = (rng >> 62) & 0xFFF, rng & 0x3FFF_FFFF_FFFF_FFFF
    return time_part(int(at * 1000)) + chance_part(f"{upper:03x}{lower:016x}")


def time_part(milliseconds: int) -> str:
    """The beginning of a UUIDv7, up to its version."""
    text = f"{milliseconds & 0xFFFF_FFFF_FFFF:012x}"
    return f"{text[:8]}-{text[8:]}-7"


def chance_part(digits: str) -> str:
    """The random part after the version, from ``CHANCE_DIGITS`` hex digits; the fourth gives two bits."""
    return f"{digits[:3]}-{_VARIANT[digits[3]]}{digits[4:7]}-{digits[7:]}"
