"""The store in a database: ``ports.Store`` in queries for every driver.

Not here: the driver's reads and commits (``Database``), rules, and the form of rows
(``rows``, ``event_rows``, ``batch``).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from chat_core.adapters.sql.database import Connection, Database, Question
from chat_core.adapters.sql.encryption.cipher import Cipher
from chat_core.adapters.sql.encryption.fields import all_opened, events_opened, opened, sealed
from chat_core.adapters.sql.operations import notifications, personal_data, retention
from chat_core.adapters.sql.operations.pages import events_after, marked, one_message, page, with_reactions
from chat_core.adapters.sql.operations.timeline import rows_across
from chat_core.adapters.sql.schema import statements as sql
from chat_core.adapters.sql.schema.rows import conversations
from chat_core.model.conversation import Channel, Conversation, Room
from chat_core.model.errors import Refused, Unavailable
from chat_core.model.events import AnyNotification, Logged, NotificationKey
from chat_core.model.ids import ConversationId, MessageId, PersonId
from chat_core.model.message import Cursor, Message
from chat_core.model.person import Card
from chat_core.ports import Change, Pairing
from chat_core.rules.search_terms import sought

ROOMS_LISTED_MAX: Final = 200
SEQ_MAX: Final = 2**63 - 1
END_OF_TIME: Final = 1e18
CHECK_S: Final = 2.0  # a slower write counts as a failure

T = TypeVar("T")


class SQLStore:
    """``ports.Store`` in an existing, up-to-date database."""

    def __init__(self, database: Database, cipher: Cipher | None = None) -> None:
        self.durable = database.durable
        self.database = database
        self.cipher = cipher or Cipher()

    # The log

    async def append(self, change: Change) -> None:
        await self.database.append(sealed(change, self.cipher))

    async def load(self, conversation: ConversationId) -> Conversation | None:
        return _first(await self._conversations(sql.LOAD, conversation))

    async def after(self, conversation: ConversationId, seq: int, limit: int) -> Sequence[Logged]:
        events = await self.database.read(lambda db: events_after(db, conversation, seq, limit))
        return events_opened(events, self.cipher)

    async def messages(
        self, conversation: ConversationId, *, before: int | None, after: int | None, limit: int
    ) -> Sequence[Message]:
        if after is not None and before is None:
            return await self._messages(lambda db: page(db, sql.MESSAGES_AFTER, conversation, after, limit))
        below = SEQ_MAX if before is None else before
        newest = await self._messages(lambda db: page(db, sql.MESSAGES_BEFORE, conversation, below, limit))
        return newest[::-1]

    async def message(self, message: MessageId) -> Message | None:
        found = await self.database.read(lambda db: one_message(db, sql.MESSAGE, message))
        return None if found is None else opened(found, self.cipher)

    async def posted(
        self, conversation: ConversationId, pairs: Sequence[tuple[PersonId, str]]
    ) -> Mapping[tuple[PersonId, str], Message]:
        async def found(db: Connection) -> Mapping[tuple[PersonId, str], Message]:
            there = [(pair, await one_message(db, sql.POSTED, conversation, *pair)) for pair in pairs]
            return {pair: opened(one, self.cipher) for pair, one in there if one is not None}

        return await self.database.read(found)

    # Conversations

    async def live_rooms(self) -> Sequence[Room]:
        found = await self._conversations(sql.LIVE_ROOMS)
        return [room for room in found if isinstance(room, Room)]

    async def rooms_of(self, person: PersonId) -> Sequence[Room]:
        found = await self._conversations(sql.ROOMS_OF, person, ROOMS_LISTED_MAX)
        return [room for room in found if isinstance(room, Room)]

    async def open_rooms_of(self, person: PersonId) -> Sequence[Room]:
        found = await self._conversations(sql.OPEN_ROOMS_OF, person)
        return [room for room in found if isinstance(room, Room)]

    async def open_rooms_of_two(self, one: PersonId, other: PersonId) -> Sequence[Room]:
        found = await self._conversations(sql.OPEN_ROOMS_OF_TWO, one, other)
        return [room for room in found if isinstance(room, Room)]

    async def channels_of(self, person: PersonId) -> Sequence[ConversationId]:
        rows = await self.database.rows(sql.CHANNELS_OF, person)
        return [channel for (channel,) in rows]

    async def channels_listed(
        self, person: PersonId, *, after: str, part: str, limit: int
    ) -> Sequence[ConversationId]:
        rows = await self.database.rows(sql.CHANNELS_LISTED, person, after, _containing(part), limit)
        return [channel for (channel,) in rows]

    async def channel_named(self, name: str) -> Channel | None:
        found = _first(await self._conversations(sql.CHANNEL_NAMED, name))
        return found if isinstance(found, Channel) else None

    # Messages of many conversations

    async def messages_across(
        self,
        conversations: Sequence[ConversationId],
        *,
        before: Cursor | None,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Message]:
        async def found(db: Connection) -> Sequence[Message]:
            rows = await rows_across(db, conversations, before=before, after=after, limit=limit)
            return await with_reactions(db, rows)

        return await self._messages(found)

    async def messages_by(
        self, person: PersonId, *, before: Cursor | None, after: Cursor | None, limit: int
    ) -> Sequence[Message]:
        if after is not None and before is None:
            values = (person, after.at, after.conversation, after.seq, limit)
            return await self._messages(lambda db: marked(db, sql.MESSAGES_BY_AFTER, *values))
        values = (person, *_below(before), limit)
        newest = await self._messages(lambda db: marked(db, sql.MESSAGES_BY_BEFORE, *values))
        return newest[::-1]

    async def search(
        self,
        person: PersonId,
        text: str,
        *,
        within: ConversationId | None,
        author: str | None,
        before: Cursor | None,
        limit: int,
    ) -> Sequence[Message]:
        if self.cipher.key_id is not None:
            raise Refused("search_off", "Search is off because messages are encrypted.")
        terms = sought(text)
        if not terms:
            return []
        values = (person, *_below(before), " ".join(terms), within, author, limit)
        return await self._messages(lambda db: marked(db, sql.SEARCH, *values))

    # Pairings

    async def open_pairing(self, pairing: Pairing) -> None:
        pair = (pairing.user_a, pairing.user_b)
        times = (pairing.started_at, pairing.ended_at)
        await self._write(sql.OPEN_PAIRING, pairing.id, pairing.lobby, *pair, *times)

    async def close_pairing(self, pairing: ConversationId, ended_at: float) -> None:
        await self._write(sql.CLOSE_PAIRING, pairing, ended_at)

    async def close_open_pairings(self, ended_at: float) -> int:
        return await self._write(sql.CLOSE_OPEN_PAIRINGS, ended_at)

    # Blocks

    async def block(self, by: PersonId, person: PersonId, at: float) -> None:
        await self._write(sql.BLOCK, by, person, at)

    async def unblock(self, by: PersonId, person: PersonId) -> None:
        await self._write(sql.UNBLOCK, by, person)

    async def blocked_with(self, person: PersonId) -> frozenset[PersonId]:
        return frozenset(other for (other,) in await self.database.rows(sql.BLOCKED_WITH, person))

    # Read marks

    async def mark_read(self, conversation: ConversationId, person: PersonId, seq: int) -> bool:
        if seq <= 0:  # everybody's default
            return False
        return await self._write(sql.MARK_READ, conversation, person, seq) > 0

    async def read_marks(self, conversation: ConversationId) -> Mapping[PersonId, int]:
        return dict(await self.database.rows(sql.READ_MARKS, conversation))

    # Notifications

    async def notifications_of(self, person: PersonId) -> Sequence[AnyNotification]:
        return await self.database.read(lambda db: notifications.notifications_of(db, person))

    async def drop_notifications(self, person: PersonId, keys: Sequence[NotificationKey]) -> None:
        await self.database.write(lambda db: notifications.drop_notifications(db, person, keys))

    # Personal data

    async def conversations_of(self, person: PersonId) -> Sequence[ConversationId]:
        rows = await self.database.rows(sql.CONVERSATIONS_OF, person)
        return [conversation for (conversation,) in rows]

    async def written_by(
        self, conversation: ConversationId, person: PersonId, *, after: int, limit: int
    ) -> Sequence[Message]:
        return await self._messages(lambda db: page(db, sql.WRITTEN_BY, conversation, person, after, limit))

    async def reactions_of(
        self, conversation: ConversationId, card_id: PersonId
    ) -> Sequence[tuple[MessageId, str]]:
        rows = await self.database.rows(sql.REACTIONS_BY, conversation, card_id)
        return [(id_, emoji) for id_, emoji in rows]

    async def blocks_of(self, person: PersonId) -> Mapping[PersonId, float]:
        return dict(await self.database.rows(sql.BLOCKS_OF, person))

    async def marks_of(self, person: PersonId) -> Mapping[ConversationId, int]:
        return dict(await self.database.rows(sql.MARKS_OF, person))

    async def pairings_of(self, person: PersonId) -> Sequence[Pairing]:
        return await self.database.read(lambda db: personal_data.pairings_of(db, person))

    async def anonymise(self, conversation: ConversationId, person: PersonId, card: Card) -> None:
        await self.database.write(lambda db: personal_data.anonymise(db, conversation, person, card))

    async def forget_person(self, person: PersonId) -> None:
        await self.database.write(lambda db: personal_data.forget_person(db, person))
        await self.database.scrub()

    # Retention

    async def conversations_from(self, after: ConversationId, limit: int) -> Sequence[ConversationId]:
        rows = await self.database.rows(sql.CONVERSATIONS_FROM, after, limit)
        return [conversation for (conversation,) in rows]

    async def blank_before(self, conversation: ConversationId, before: float) -> int:
        return await self.database.write(lambda db: retention.blank_before(db, conversation, before))

    async def rooms_ended(self, before: float, limit: int) -> Sequence[ConversationId]:
        rows = await self.database.rows(sql.ROOMS_ENDED, before, limit)
        return [conversation for (conversation,) in rows]

    async def drop(self, conversation: ConversationId) -> None:
        await self.database.write(lambda db: retention.drop(db, conversation))

    async def forget_pairings(self, before: float) -> int:
        return await self._write(sql.FORGET_PAIRINGS, before)

    # The store itself

    async def check(self) -> None:
        try:
            await asyncio.wait_for(self._write(sql.PROBE), CHECK_S)
        except TimeoutError:
            raise Unavailable(f"The store has not completed a write for {CHECK_S:.0f} s.") from None

    async def close(self) -> None:
        await self.database.close()

    async def _write(self, statement: str, *values: Any) -> int:
        """Executes one write statement; returns the number of rows affected."""
        return await self.database.write(lambda db: db.run(statement, *values))

    async def _messages(self, question: Question[Sequence[Message]]) -> Sequence[Message]:
        return all_opened(await self.database.read(question), self.cipher)

    async def _conversations(self, statement: str, *values: Any) -> Sequence[Conversation]:
        return list(conversations(await self.database.rows(statement, *values)))


def _first(found: Sequence[T]) -> T | None:
    return found[0] if found else None


def _containing(part: str) -> str:
    """The ``like`` pattern for texts that contain ``part`` literally."""
    escaped = part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _below(mark: Cursor | None) -> tuple[float, str, int]:
    """The cursor as values; None is above every message."""
    return (END_OF_TIME, "", 0) if mark is None else (mark.at, mark.conversation, mark.seq)
