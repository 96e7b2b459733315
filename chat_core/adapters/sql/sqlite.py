"""The store in a SQLite file: standard library only, one process or several on one machine.

Writes go through the one ``writer``, reads through the ``readers`` beside it.
Kept out: rules, and what a row looks like (``rows``, ``bodies``, ``batch``).
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from chat_core.adapters.sql import notices, traces
from chat_core.adapters.sql import statements as sql
from chat_core.adapters.sql.across import rows_across
from chat_core.adapters.sql.bodies import Row, event
from chat_core.adapters.sql.connection import prepare, run
from chat_core.adapters.sql.readers import Readers
from chat_core.adapters.sql.rows import conversations, message, reactions_by_message
from chat_core.adapters.sql.writer import Writer
from chat_core.ports import Change, Session
from chat_core.words.conversation import Channel, Conversation, Room
from chat_core.words.errors import Unavailable
from chat_core.words.events import Logged, MessagePosted, Notable, NoticeKey
from chat_core.words.ids import ConversationId, MessageId, PersonId
from chat_core.words.message import Mark, Message
from chat_core.words.person import Card

ROOMS_LISTED_MAX: Final = 200
SEQ_MAX: Final = 2**63 - 1
END_OF_TIME: Final = 1e18

T = TypeVar("T")


async def open_sqlite(path: str | Path, *, durability: Literal["full", "relaxed"] = "full") -> "SQLiteStore":
    """Open the store in the file at ``path``, made and migrated where need be.

    Folders that are made get mode 0700, the file and its log 0600. ``relaxed``
    does not wait for the disk: a power cut may take what was acknowledged last
    (a crash of the process may not). Raises ``Unavailable`` with a sentence for
    people where the file cannot be opened or was written by a newer version.
    """
    await asyncio.to_thread(prepare, Path(path))
    return SQLiteStore(Path(path), durable=durability == "full")


class SQLiteStore:
    """``ports.Store`` in a file that is there and up to date (see ``open_sqlite``).

    A call that is cancelled goes on in its thread; nobody else is touched.
    """

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.durable = durable
        self._closed = False
        self._writer = Writer(path, synchronous="FULL" if durable else "NORMAL")
        self._readers = Readers(path)

    @property
    def commits(self) -> int:
        """How many transactions were committed since the start; one holds up to 100 changes."""
        return self._writer.commits

    # The log

    async def append(self, change: Change) -> None:
        if self._closed:
            raise _closed()
        await self._writer.append(change)

    async def load(self, conversation: ConversationId) -> Conversation | None:
        return _first(await self._conversations(sql.LOAD, conversation))

    async def after(self, conversation: ConversationId, seq: int, limit: int) -> Sequence[Logged]:
        return await self.read(lambda db: _events(db, conversation, seq, limit))

    async def messages(
        self, conversation: ConversationId, *, before: int | None, after: int | None, limit: int
    ) -> Sequence[Message]:
        if after is not None and before is None:
            values = (conversation, after, limit)
            return await self.read(lambda db: _page(db, sql.MESSAGES_AFTER, values))
        values = (conversation, SEQ_MAX if before is None else before, limit)
        return await self.read(lambda db: _page(db, sql.MESSAGES_BEFORE, values)[::-1])

    async def message(self, message: MessageId) -> Message | None:
        return await self.read(lambda db: _message(db, sql.MESSAGE, (message,)))

    async def posted(
        self, conversation: ConversationId, pairs: Sequence[tuple[PersonId, str]]
    ) -> Mapping[tuple[PersonId, str], Message]:
        def found(db: sqlite3.Connection) -> Mapping[tuple[PersonId, str], Message]:
            there = ((pair, _message(db, sql.POSTED, (conversation, *pair))) for pair in pairs)
            return {pair: one for pair, one in there if one is not None}

        return await self.read(found)

    # Conversations

    async def live_rooms(self) -> Sequence[Room]:
        found = await self._conversations(sql.LIVE_ROOMS)
        return [room for room in found if isinstance(room, Room)]

    async def rooms_of(self, person: PersonId) -> Sequence[Room]:
        found = await self._conversations(sql.ROOMS_OF, person, ROOMS_LISTED_MAX)
        return [room for room in found if isinstance(room, Room)]

    async def rooms_of_two(self, one: PersonId, other: PersonId) -> Sequence[Room]:
        found = await self._conversations(sql.ROOMS_OF_TWO, one, other, ROOMS_LISTED_MAX)
        return [room for room in found if isinstance(room, Room)]

    async def channels_of(self, person: PersonId) -> Sequence[Channel]:
        found = await self._conversations(sql.CHANNELS_OF, person)
        return [channel for channel in found if isinstance(channel, Channel)]

    async def channels_listed(
        self, person: PersonId, *, after: str, part: str, limit: int
    ) -> Sequence[ConversationId]:
        rows = await self._rows(sql.CHANNELS_LISTED, person, after, _containing(part), limit)
        return [channel for (channel,) in rows]

    async def channel_named(self, name: str) -> Channel | None:
        found = _first(await self._conversations(sql.CHANNEL_NAMED, name))
        return found if isinstance(found, Channel) else None

    # Messages of many conversations

    async def messages_across(
        self,
        conversations: Sequence[ConversationId],
        *,
        before: Mark | None,
        after: Mark | None,
        limit: int,
    ) -> Sequence[Message]:
        def found(db: sqlite3.Connection) -> Sequence[Message]:
            rows = rows_across(db, conversations, before=before, after=after, limit=limit)
            return _with_reactions(db, rows)

        return await self.read(found)

    async def messages_by(
        self, person: PersonId, *, before: Mark | None, after: Mark | None, limit: int
    ) -> Sequence[Message]:
        if after is not None and before is None:
            values = (person, after.at, after.conversation, after.seq, limit)
            return await self.read(lambda db: _marked(db, sql.MESSAGES_BY_AFTER, values))
        values = (person, *_below(before), limit)
        return await self.read(lambda db: _marked(db, sql.MESSAGES_BY_BEFORE, values)[::-1])

    async def search(
        self,
        person: PersonId,
        text: str,
        *,
        within: ConversationId | None,
        author: str | None,
        before: Mark | None,
        limit: int,
    ) -> Sequence[Message]:
        values = (person, *_below(before), _containing(text), within, author, limit)
        return await self.read(lambda db: _marked(db, sql.SEARCH, values))

    # Sessions

    async def open_session(self, session: Session) -> None:
        pair = (session.user_a, session.user_b)
        times = (session.started_at, session.ended_at)
        await self._write(sql.OPEN_SESSION, session.id, session.lobby, *pair, *times)

    async def close_session(self, session: ConversationId, ended_at: float) -> None:
        await self._write(sql.CLOSE_SESSION, session, ended_at)

    async def close_open_sessions(self, ended_at: float) -> int:
        return await self._write(sql.CLOSE_OPEN_SESSIONS, ended_at)

    # Blocks

    async def block(self, by: PersonId, person: PersonId, at: float) -> None:
        await self._write(sql.BLOCK, by, person, at)

    async def unblock(self, by: PersonId, person: PersonId) -> None:
        await self._write(sql.UNBLOCK, by, person)

    async def blocked_with(self, person: PersonId) -> frozenset[PersonId]:
        return frozenset(other for (other,) in await self._rows(sql.BLOCKED_WITH, person))

    # Read marks

    async def mark_read(self, conversation: ConversationId, person: PersonId, seq: int) -> bool:
        if seq <= 0:  # where everybody stands
            return False
        return await self._write(sql.MARK_READ, conversation, person, seq) > 0

    async def read_marks(self, conversation: ConversationId) -> Mapping[PersonId, int]:
        return dict(await self._rows(sql.READ_MARKS, conversation))

    # Notices

    async def notices_of(self, person: PersonId) -> Sequence[Notable]:
        return await self.read(lambda db: notices.notices_of(db, person))

    async def drop_notices(self, person: PersonId, keys: Sequence[NoticeKey]) -> None:
        await self.write(lambda db: notices.drop_notices(db, person, keys))

    # Traces of one person

    async def conversations_of(self, person: PersonId) -> Sequence[ConversationId]:
        return [conversation for (conversation,) in await self._rows(sql.CONVERSATIONS_OF, person)]

    async def written_by(
        self, conversation: ConversationId, person: PersonId, *, after: int, limit: int
    ) -> Sequence[Message]:
        values = (conversation, person, after, limit)
        return await self.read(lambda db: _page(db, sql.WRITTEN_BY, values))

    async def reactions_of(
        self, conversation: ConversationId, card_id: PersonId
    ) -> Sequence[tuple[MessageId, str]]:
        return [(id_, emoji) for id_, emoji in await self._rows(sql.REACTIONS_BY, conversation, card_id)]

    async def blocks_of(self, person: PersonId) -> Mapping[PersonId, float]:
        return dict(await self._rows(sql.BLOCKS_OF, person))

    async def marks_of(self, person: PersonId) -> Mapping[ConversationId, int]:
        return dict(await self._rows(sql.MARKS_OF, person))

    async def sessions_of(self, person: PersonId) -> Sequence[Session]:
        return await self.read(lambda db: traces.sessions_of(db, person))

    async def anonymise(self, conversation: ConversationId, person: PersonId, card: Card) -> None:
        await self.write(lambda db: traces.anonymise(db, conversation, person, card))

    async def forget_person(self, person: PersonId) -> None:
        await self.write(lambda db: traces.forget_person(db, person))
        await self._writer.truncate()  # the pages of before must not stay in the log

    # The store itself

    async def check(self) -> None:
        await self._write(sql.PROBE)

    async def close(self) -> None:
        """Finish what was begun, copy the log back, let go of the file. Harmless twice.

        Cancelling it does not stop it.
        """
        if not self._closed:
            self._closed = True
            self._readers.finish()
            self._writer.finish()
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        self._readers.join()
        self._writer.join()

    async def _write(self, statement: str, *values: Any) -> int:
        """Execute one statement that writes; returns how many rows it touched."""
        return await self.write(lambda db: run(db, statement, values).rowcount)

    # For what else lives in the file

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in the writer's thread: all of it is committed with the group, or none."""
        if self._closed:
            raise _closed()
        return await self._writer.write(work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in a reader's thread, at one moment of the file."""
        if self._closed:
            raise _closed()
        return await self._readers.read(work)

    async def _rows(self, statement: str, *values: Any) -> Sequence[Row]:
        return await self.read(lambda db: run(db, statement, values).fetchall())

    async def _conversations(self, statement: str, *values: Any) -> Sequence[Conversation]:
        return await self.read(lambda db: list(conversations(run(db, statement, values).fetchall())))


def _closed() -> Unavailable:
    return Unavailable("The store is closed.")


def _first(found: Sequence[T]) -> T | None:
    return found[0] if found else None


def _containing(part: str) -> str:
    """The pattern of what has ``part`` in it, to the letter."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _below(mark: Mark | None) -> tuple[float, str, int]:
    """The mark as values; without one, above all there is."""
    return (END_OF_TIME, "", 0) if mark is None else (mark.at, mark.conversation, mark.seq)


# In a reader's thread


def _events(db: sqlite3.Connection, conversation: ConversationId, seq: int, limit: int) -> Sequence[Logged]:
    values = (conversation, seq, limit)
    events: list[Logged] = [event(conversation, row) for row in run(db, sql.EVENTS_AFTER, values)]
    events.extend(_posted(one) for one in _page(db, sql.MESSAGES_AFTER, values))
    events.sort(key=lambda one: one.seq)
    return events[:limit]


def _posted(message: Message) -> MessagePosted:
    where = message.conversation
    return MessagePosted(
        conversation=where, seq=message.seq, at=message.created_at, by=message.by, message=message
    )


def _page(db: sqlite3.Connection, statement: str, values: Row) -> Sequence[Message]:
    return _messages(db, values[0], run(db, statement, values).fetchall())


def _messages(db: sqlite3.Connection, conversation: ConversationId, rows: Sequence[Row]) -> Sequence[Message]:
    """The messages of rows of one conversation, in their order, with the reactions to them."""
    if not rows:
        return []
    seqs = [row[2] for row in rows]
    found = run(db, sql.REACTIONS_BETWEEN, (conversation, min(seqs), max(seqs))).fetchall()
    reactions = reactions_by_message(found)
    return [message(row, reactions.get(row[0], {})) for row in rows]


def _marked(db: sqlite3.Connection, statement: str, values: Row) -> Sequence[Message]:
    return _with_reactions(db, run(db, statement, values).fetchall())


def _with_reactions(db: sqlite3.Connection, rows: Sequence[Row]) -> Sequence[Message]:
    """The messages of rows of any conversations, in their order, with the reactions to each."""
    return [
        message(row, reactions_by_message(run(db, sql.REACTIONS_OF, (row[0],))).get(row[0], {}))
        for row in rows
    ]


def _message(db: sqlite3.Connection, statement: str, values: Row) -> Message | None:
    row = run(db, statement, values).fetchone()
    if row is None:
        return None
    return message(row, reactions_by_message(run(db, sql.REACTIONS_OF, (row[0],))).get(row[0], {}))
