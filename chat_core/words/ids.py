"""Ids: UUIDv7 text, made by the application from a time and a random number.

Kept out: where the time and the chance come from (``chat_core.adapters.clock``).
"""

from typing import TypeAlias

PersonId: TypeAlias = str
ConversationId: TypeAlias = str
MessageId: TypeAlias = str
LobbyName: TypeAlias = str

CHANCE_BITS = 74


def uuid7(*, at: float, chance: int) -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then 74 random bits.

    Text order is time order to the millisecond, so that an index on it grows at
    its end. ``chance`` is a whole number below ``2 ** CHANCE_BITS``.
    """
    return time_part(int(at * 1000)) + chance_part(chance)


def time_part(milliseconds: int) -> str:
    """The beginning of a UUIDv7, up to its version."""
    text = f"{milliseconds & 0xFFFF_FFFF_FFFF:012x}"
    return f"{text[:8]}-{text[8:]}-7"


def chance_part(chance: int) -> str:
    """The rest, behind the version."""
    lower = chance & 0x3FFF_FFFF_FFFF_FFFF
    return f"{(chance >> 62) & 0xFFF:03x}-{0x8000 | lower >> 48:04x}-{lower & 0xFFFF_FFFF_FFFF:012x}"
