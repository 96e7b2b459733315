"""Cursors: positions in a list, opaque to clients, and the pages that begin at them.

A cursor is the JSON of a position in base64url. It grants no access: every read checks
permissions as usual.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, TypeVar

import attrs
import msgspec

from chat_core import Cursor
from chat_web.encoding.strict_json import NotUnderstood, decoded
from chat_web.http.operations import wrong_field

T = TypeVar("T")

_Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_SEQ: Final = msgspec.json.Decoder(_Seq)
_NAME: Final = msgspec.json.Decoder(Annotated[str, msgspec.Meta(max_length=255)])
_MARK: Final = msgspec.json.Decoder(tuple[float, Annotated[str, msgspec.Meta(max_length=64)], _Seq])


def cursor(place: object) -> str:
    """The text of a position: a seq, a name or the fields of a ``Cursor``."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def mark_cursor(mark: Cursor) -> str:
    return cursor((mark.at, mark.conversation, mark.seq))


def seq_of(text: str | None, field: str) -> int | None:
    return None if text is None else _place(text, field, _SEQ)


def name_of(text: str | None, field: str) -> str:
    return "" if text is None else _place(text, field, _NAME)


def mark_of(text: str | None, field: str) -> Cursor | None:
    return None if text is None else Cursor(*_place(text, field, _MARK))


def mark_or_time(text: str | None, field: str) -> Cursor | None:
    """A cursor, or a date or time in ISO 8601 (UTC if it has no offset)."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return mark_of(text, field)
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return Cursor((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds(), "", 0)


def _place(text: str, field: str, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return decoded(decoder, raw)
    except (binascii.Error, ValueError, NotUnderstood):
        raise wrong_field(field, "Not a cursor of this list.") from None


@attrs.frozen
class Page(Generic[T]):
    """A page in the list's order. ``previous`` and ``next`` are its ends if there is more beyond."""

    items: Sequence[T]
    previous: T | None
    next: T | None

    def shown(self, shape: Callable[[T], Any], place: Callable[[T], str]) -> dict[str, Any]:
        return {
            "items": [shape(item) for item in self.items],
            "next": None if self.next is None else place(self.next),
            "previous": None if self.previous is None else place(self.previous),
        }


def page(found: Sequence[T], limit: int, *, forward: bool, from_cursor: bool) -> Page[T]:
    """Makes a page of ``found``, which must have been queried with ``limit`` + 1.

    ``forward``: the page begins at the cursor; otherwise it ends at the cursor, or at
    the end of the list. There are always more items on the other side of a cursor.
    """
    has_more = len(found) > limit
    items = found[:limit] if forward else found[-limit:]
    first, last = (items[0], items[-1]) if items else (None, None)
    beyond, behind = (last, first) if forward else (first, last)
    further = beyond if has_more else None
    back = behind if from_cursor else None
    return Page(items, back, further) if forward else Page(items, further, back)
