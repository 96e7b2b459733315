"""JSON from outside: what RFC 8259 allows, no deeper than 32, and no numbers that nobody can hold.

msgspec refuses NaN, Infinity, wrong shapes and surrogates that stand alone; the
depth is looked at here, and whatever else a text can raise becomes one error.
"""

from typing import Final, TypeVar

import msgspec

DEPTH_MAX: Final = 32
INTEGER_MAX: Final = 2**53

T = TypeVar("T")


class NotUnderstood(Exception):
    """The text is no JSON, too deep, or of the wrong shape. ``str()`` says where."""


def decoded(decoder: msgspec.json.Decoder[T], text: str | bytes) -> T:
    """The value of a text. Raises ``NotUnderstood``, nothing else."""
    if is_too_deep(text):
        raise NotUnderstood(f"nested deeper than {DEPTH_MAX}")
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise NotUnderstood(str(error)) from None


def is_too_deep(text: str | bytes) -> bool:
    """Whether brackets outside of strings nest deeper than ``DEPTH_MAX``. Cheap for what is flat."""
    if len(text) <= DEPTH_MAX:
        return False
    if isinstance(text, str):
        if text.count("{") + text.count("[") <= DEPTH_MAX:
            return False
        data = text.encode("utf-8", "surrogatepass")
    else:
        data = text
    depth = 0
    in_string = False
    is_escaped = False
    for byte in data:
        if in_string:
            if is_escaped:
                is_escaped = False
            elif byte == 0x5C:
                is_escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            if depth > DEPTH_MAX:
                return True
        elif byte in b"}]":
            depth -= 1
    return False
