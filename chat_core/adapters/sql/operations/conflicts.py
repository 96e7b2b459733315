"""Conflicts: finds why a change could not be appended. Used only after a failure, which is rare."""

from chat_core.adapters.sql.database import Connection
from chat_core.adapters.sql.operations.batch import posted
from chat_core.adapters.sql.schema import statements as sql
from chat_core.model.conversation import Channel
from chat_core.model.errors import ChatError, InvariantBroken
from chat_core.ports import Change, ClientIdTaken, NameTaken, Stale


async def reason(db: Connection, change: Change) -> ChatError:
    """The reason why a change could not be written."""
    after = change.after
    row = await db.row(sql.HEAD, after.id)
    if (None if row is None else row[0]) != change.expected:
        return Stale(f"{after.id} is not at {change.expected}")
    if change.expected is None and isinstance(after, Channel) and await db.row(sql.NAMED, after.name):
        return NameTaken(after.name)
    pairs = posted(change)
    taken = [pair for pair in pairs if await db.row(sql.CLIENT_ID, after.id, *pair)]
    doubled = [pair for pair in pairs if pairs.count(pair) > 1]
    if taken or doubled:
        return ClientIdTaken(*(taken or doubled))
    return InvariantBroken(f"a message of {after.id} has an id that is taken")
