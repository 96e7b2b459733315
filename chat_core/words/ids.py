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
    milliseconds = int(at * 1000) & 0xFFFF_FFFF_FFFF
    upper = (chance >> 62) & 0xFFF
    lower = chance & 0x3FFF_FFFF_FFFF_FFFF
    value = milliseconds << 80 | 0x7 << 76 | upper << 64 | 0b10 << 62 | lower
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
