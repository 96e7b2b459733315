"""Documentation of dialects: frames with examples, and the close codes.

Kept out: the schemas of frames (``frame_schemas``).
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import attrs
import msgspec

CLOSE_CODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        1002: "protocol error",
        1003: "binary frame",
        1007: "not UTF-8",
        1009: "frame too big",
        3001: "shutdown: come back",
        3004: "server error",
        3005: "token expired",
        3008: "slow: too much unread",
        3010: "insufficient state: recover",
        3012: "no pong",
        3500: "invalid token",
        3501: "bad request",
        3502: "did not authenticate in time",
        3503: "replaced, banned or revoked",
        3504: "too many connections",
        3509: "too many errors",
    }
)
"""3000-3499: come back. 3500-3999: do not."""


@attrs.frozen(kw_only=True)
class Frame:
    """One kind of frame, as it is sent. An ``example`` that is a string is bare text, no JSON.

    ``shapes`` are the structs that the server reads it with, if not those of the dialogue;
    ``inner`` is the struct of what is inside, where that is read by itself.
    """

    name: str
    summary: str
    example: Any
    shapes: Sequence[type] = ()
    inner: type | None = None

    @property
    def text(self) -> str:
        return self.example if isinstance(self.example, str) else msgspec.json.encode(self.example).decode()


@attrs.frozen(kw_only=True)
class Dialogue:
    """The frames of one address: from the client (``asked``) and from the server (``told``).

    ``shapes`` are the structs that the server reads the client's frames with.
    """

    name: str
    title: str
    address: str
    summary: str
    asked: Sequence[Frame]
    told: Sequence[Frame]
    query: str = ""  # what the address needs behind it
    shapes: Sequence[type] = ()
