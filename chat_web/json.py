"""JSON from outside: what RFC 8259 allows, no deeper than 32, and no numbers that nobody can hold.

msgspec refuses NaN, Infinity, wrong shapes and surrogates that stand alone; depth
and numbers are looked at here, also in fields that nobody asked for, and whatever
else a text can raise becomes one error.
"""

import math
import re
from typing import Any, Final, TypeVar

import msgspec

DEPTH_MAX: Final = 32
INTEGER_MAX: Final = 2**53

T = TypeVar("T")

# A string, to its end or to that of the text; it is never read twice, so that the cost is linear.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_TOO_DEEP: Final = b"[" * (DEPTH_MAX + 1)
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
# What may be a number above the limits, or only looks like one.
_LONG_NUMBER: Final = re.compile(rb"[0-9](?:[0-9]{15}|[eE]\+?[0-9]{3})")  # one head: thrice as fast
# What can make a text too deep or a number too long. The rest is left out before one looks closer:
# what stood side by side does so still, and it is a tenth of the text.
_HARMLESS: Final = bytes(byte for byte in range(256) if byte not in b"[{0123456789eE+")


class NotUnderstood(Exception):
    """The text is no JSON, too deep, or of the wrong shape. ``str()`` says where.

    ``is_json``: it is JSON that is not what was asked for; ``field`` names the
    place, empty where that is the whole.
    """

    def __init__(self, message: str, *, is_json: bool = False) -> None:
        self.reason, _, place = message.rpartition(" - at `$") if " - at `$" in message else (message, "", "")
        self.is_json = is_json
        self.field = place.rstrip("`").lstrip(".")
        super().__init__(message)


def decoded(decoder: msgspec.json.Decoder[T], text: str | bytes) -> T:
    """The value of a text. Raises ``NotUnderstood``, nothing else."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    suspects = data.translate(None, _HARMLESS)
    if suspects.count(b"{") + suspects.count(b"[") > DEPTH_MAX and _is_too_deep(data):
        raise NotUnderstood(f"nested deeper than {DEPTH_MAX}")
    try:
        value = decoder.decode(text)
        if _LONG_NUMBER.search(suspects) and _LONG_NUMBER.search(data):
            _check_numbers(msgspec.json.decode(text))
        return value
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise NotUnderstood(str(error), is_json=isinstance(error, msgspec.ValidationError)) from None


def glimpsed(decoder: msgspec.json.Decoder[T], text: str) -> T | None:
    """What a text tells that is refused all the same; None where it tells nothing."""
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None


def _is_too_deep(data: bytes) -> bool:
    """Whether brackets outside of strings nest deeper than ``DEPTH_MAX``."""
    rest = _STRING.sub(b"", data).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(DEPTH_MAX):  # each time the innermost pairs go
        if not rest or _TOO_DEEP in rest:
            break
        rest = rest.replace(b"[]", b"")
    return bool(rest)


def _check_numbers(value: Any) -> None:
    """Raise ``ValueError`` for a number that cannot be held, wherever it stands."""
    match value:
        case dict():
            for inner in value.values():
                _check_numbers(inner)
        case list():
            for inner in value:
                _check_numbers(inner)
        case int() if abs(value) > INTEGER_MAX:
            raise ValueError("a number is out of range")
        case float() if not math.isfinite(value):
            raise ValueError("a number is out of range")
