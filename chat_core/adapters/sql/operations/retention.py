"""Finds and deletes data past its retention period."""

from typing import Final

from chat_core.adapters.sql.database import Connection
from chat_core.adapters.sql.operations.timeline import last_up_to
from chat_core.adapters.sql.schema import statements as sql
from chat_core.model.ids import ConversationId
from chat_core.model.message import Cursor

# In this order: PostgreSQL has no foreign keys that would delete these rows with their conversation.
_DROP: Final = (
    sql.DROP_ALL_REACTIONS,
    sql.DROP_MESSAGES,
    sql.DROP_EVENTS,
    sql.DROP_MARKS,
    sql.DROP_HEAD,
    sql.DROP_CONVERSATION,
)


async def blank_before(db: Connection, conversation: ConversationId, before: float) -> int:
    """Replaces older messages by tombstones; returns how many."""
    last = await last_up_to(db, conversation, Cursor(before, "", 0), inclusive=False)
    if last == 0:
        return 0
    await db.run(sql.DROP_REACTIONS_UP_TO, conversation, last)
    return await db.run(sql.BLANK_UP_TO, conversation, last)


async def drop(db: Connection, conversation: ConversationId) -> None:
    """Deletes every row of the conversation."""
    for statement in _DROP:
        await db.run(statement, conversation)
