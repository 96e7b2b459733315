"""Queries of several statements: pages of events and of messages, with their reactions."""

from collections.abc import Sequence
from typing import Any, Final

from chat_core.adapters.sql.database import Connection
from chat_core.adapters.sql.schema import statements as sql
from chat_core.adapters.sql.schema.event_rows import Row, event
from chat_core.adapters.sql.schema.rows import message, reactions_by_message
from chat_core.model.events import Logged, MessagePosted
from chat_core.model.ids import ConversationId
from chat_core.model.message import Message

MESSAGES_AT_ONCE: Final = 128  # messages per query for reactions


async def events_after(
    db: Connection, conversation: ConversationId, seq: int, limit: int
) -> Sequence[Logged]:
    """The first ``limit`` events above ``seq``, in order; posts contain the current message."""
    values = (conversation, seq, limit)
    events: list[Logged] = [event(conversation, row) for row in await db.rows(sql.EVENTS_AFTER, *values)]
    events.extend(_posted(one) for one in await page(db, sql.MESSAGES_AFTER, *values))
    events.sort(key=lambda one: one.seq)
    return events[:limit]


async def page(
    db: Connection, statement: str, conversation: ConversationId, *values: Any
) -> Sequence[Message]:
    """The messages of one conversation that a statement finds, in its order."""
    rows = await db.rows(statement, conversation, *values)
    if not rows:
        return []
    seqs = [row[2] for row in rows]
    found = await db.rows(sql.REACTIONS_BETWEEN, conversation, min(seqs), max(seqs))
    reactions = reactions_by_message(found)
    return [message(row, reactions.get(row[0], {})) for row in rows]


async def marked(db: Connection, statement: str, *values: Any) -> Sequence[Message]:
    """The messages of any conversations that a statement finds, in its order."""
    return await with_reactions(db, await db.rows(statement, *values))


async def with_reactions(db: Connection, rows: Sequence[Row]) -> Sequence[Message]:
    """The messages of rows of any conversations, in their order."""
    found: list[Row] = []
    for start in range(0, len(rows), MESSAGES_AT_ONCE):
        some = [row[0] for row in rows[start : start + MESSAGES_AT_ONCE]]
        count = 1 << (len(some) - 1).bit_length()  # a power of two, so that the compiled statements are few
        same_again = [some[-1]] * (count - len(some))
        found += await db.rows(sql.among(sql.REACTIONS_OF_MANY, count), *some, *same_again)
    reactions = reactions_by_message(found)
    return [message(row, reactions.get(row[0], {})) for row in rows]


async def one_message(db: Connection, statement: str, *values: Any) -> Message | None:
    """The message that a statement finds."""
    row = await db.row(statement, *values)
    return None if row is None else (await with_reactions(db, [row]))[0]


def _posted(message: Message) -> MessagePosted:
    where = message.conversation
    return MessagePosted(
        conversation=where, seq=message.seq, at=message.created_at, by=message.by, message=message
    )
