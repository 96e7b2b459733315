"""Messages of many conversations in one order, by the existing keys of each conversation.

Within a conversation times never go back, so binary search finds the seq at a time:
a few look-ups per conversation, and no extra index for every post to write.
"""

from collections.abc import Sequence
from typing import Final

from chat_core.adapters.sql.database import Connection
from chat_core.adapters.sql.schema import statements as sql
from chat_core.adapters.sql.schema.event_rows import Row
from chat_core.model.ids import ConversationId
from chat_core.model.message import Cursor

SEQ_MAX: Final = 2**63 - 2


async def rows_across(
    db: Connection,
    conversations: Sequence[ConversationId],
    *,
    before: Cursor | None,
    after: Cursor | None,
    limit: int,
) -> Sequence[Row]:
    """The rows of the last ``limit`` messages below ``before``, or of the first above ``after``, in order."""
    forward = after is not None and before is None
    mark = after if forward else before
    found: list[Row] = []
    for conversation in conversations:
        last = SEQ_MAX if mark is None else await last_up_to(db, conversation, mark, inclusive=forward)
        if forward:
            found.extend(await db.rows(sql.MESSAGES_AFTER, conversation, last, limit))
        else:
            found.extend(await db.rows(sql.MESSAGES_BEFORE, conversation, last + 1, limit))
    found.sort(key=_place)
    return found[:limit] if forward else found[-limit:]


def _place(row: Row) -> tuple[float, ConversationId, int]:
    """The row's cursor, as a value to compare."""
    return row[8], row[1], row[2]


async def last_up_to(db: Connection, conversation: ConversationId, mark: Cursor, *, inclusive: bool) -> int:
    """The highest seq of a message at or below the cursor; 0 if there is none."""
    newest = await db.row(sql.LAST_MESSAGE, conversation)
    if newest is None or (head := newest[0]) is None:
        return 0
    low, high = 0, head
    while low < high:
        middle = (low + high + 1) // 2
        row = await db.row(sql.MESSAGE_AT, conversation, middle)
        if row is None:
            high = middle - 1
            continue
        cursor = Cursor(row[1], conversation, row[0])
        if cursor < mark or (inclusive and cursor == mark):
            low = row[0]  # the first message at or above the middle
        else:
            high = middle - 1
    return low
