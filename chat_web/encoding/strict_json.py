"""JSON in and out. Input is RFC 8259, at most 32 levels deep, without numbers out of range.

msgspec rejects NaN, Infinity, wrong types and lone surrogates. Depth and numbers are
checked here, also in unknown fields. Every failure raises the same error.
"""

import math
import re
from typing import Any, Final, TypeVar

import msgspec

DEPTH_MAX: Final = 32
INTEGER_MAX: Final = 2**53

T = TypeVar("T")

_ANYTHING: Final = msgspec.json.Decoder()

encoded: Final = msgspec.json.Encoder().encode  # the one encoder of all dialects

# A string, up to its end or the end of the text. No byte is read twice, so the cost is linear.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_TOO_DEEP: Final = b"[" * (DEPTH_MAX + 1)
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
# The kind of each byte: opening bracket, part of a number, or other. A search for plain bytes in
# a text of kinds is several times as fast as a regular expression.
_KINDS: Final = bytes(
    ord("[") if byte in b"[{" else ord("0") if byte in b"0123456789" else byte if byte in b"eE+" else ord(" ")
    for byte in range(256)
).replace(b"E", b"e")
# Candidates for numbers above the limit; some only look like one.
_LONG_NUMBERS: Final = (b"0" * 16, b"0e000", b"0e+000")


class NotUnderstood(Exception):
    """The text is not JSON, nested too deep, or of the wrong type. ``str()`` says where.

    ``is_json``: the text is JSON, but of the wrong type; ``field`` is the path of the
    wrong field, empty for the whole text.
    """

    def __init__(self, message: str, *, is_json: bool = False) -> None:
        self.reason, _, place = message.rpartition(" - at `$") if " - at `$" in message else (message, "", "")
        self.is_json = is_json
        self.field = place.rstrip("`").lstrip(".")
        super().__init__(message)


def decoded(decoder: msgspec.json.Decoder[T], text: str | bytes) -> T:
    """The value of a text. Raises ``NotUnderstood``, nothing else."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    kinds = data.translate(_KINDS)
    if kinds.count(b"[") > DEPTH_MAX and _is_too_deep(data):
        raise NotUnderstood(f"nested deeper than {DEPTH_MAX}")
    try:
        value = decoder.decode(text)
        if b"000" in kinds and any(map(kinds.__contains__, _LONG_NUMBERS)):
            _check_numbers(msgspec.json.decode(text))
        return value
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise NotUnderstood(str(error), is_json=isinstance(error, msgspec.ValidationError)) from None


def compact(text: str | bytes) -> str:
    """The same JSON without spaces and line breaks. Raises ``NotUnderstood`` as ``decoded`` does."""
    decoded(_ANYTHING, text)  # a value that was skipped may still contain an invalid string
    shown = msgspec.json.format(text, indent=-1)
    return shown if isinstance(shown, str) else shown.decode()


def glimpsed(decoder: msgspec.json.Decoder[T], text: str) -> T | None:
    """The part of a refused text that could be read; None if nothing could."""
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None


def _is_too_deep(data: bytes) -> bool:
    """Whether brackets outside of strings nest deeper than ``DEPTH_MAX``."""
    rest = _STRING.sub(b"", data).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(DEPTH_MAX):  # each pass removes the innermost pairs
        if not rest or _TOO_DEEP in rest:
            break
        rest = rest.replace(b"[]", b"")
    return bool(rest)


def _check_numbers(value: Any) -> None:
    """Raises ``ValueError`` for a number out of range, at any depth."""
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
