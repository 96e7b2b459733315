"""A store and a backplane that fail by a seed: before the write, after it, slowly; hints get lost.

What was written is reported at the moment of writing (``committed``), so that a
simulation knows the truth that the engine can only find out.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, TypeAlias

import attrs

from chat_core.model.conversation import Channel, Conversation, Room
from chat_core.model.errors import Unavailable
from chat_core.model.events import AnyNotification, Logged, NotificationKey
from chat_core.model.ids import ConversationId, MessageId, PersonId
from chat_core.model.message import Cursor, Message
from chat_core.model.person import Card
from chat_core.ports import Backplane as BackplanePort
from chat_core.ports import Change, Clock, Hint, Pairing
from chat_core.ports import Log as LogPort
from chat_core.ports import Store as StorePort

Committed: TypeAlias = Callable[[Change], None]

SLOW_S: Final = 3.0


@attrs.define
class Faults:
    """How often what goes wrong, from 0 to 1. ``trouble_at`` is until when something did."""

    clock: Clock
    rng: Random
    before: float = 0.0
    after: float = 0.0
    slow: float = 0.0
    hints_lost: float = 0.0
    hints_doubled: float = 0.0
    hints_late: float = 0.0
    yields: float = 0.5  # how often an answer takes a round of the loop
    trouble_at: float = 0.0
    ever: bool = False

    def off(self) -> None:
        """From now on everything works."""
        self.before = self.after = self.slow = 0.0
        self.hints_lost = self.hints_doubled = self.hints_late = 0.0

    def happens(self, rate: float) -> bool:
        """Draw; what happens is trouble."""
        if rate and self.rng.random() < rate:
            self.trouble_at = max(self.trouble_at, self.clock.now())
            self.ever = True
            return True
        return False

    async def sleep(self, seconds: float) -> None:
        """Wait on the simulation's clock."""
        self.trouble_at = max(self.trouble_at, self.clock.now() + seconds)
        woken = asyncio.get_running_loop().create_future()
        self.clock.call_at(self.clock.now() + seconds, lambda: woken.set_result(None))
        await woken


class FaultyLog:
    """``ports.Log`` over another one."""

    def __init__(self, inner: LogPort, faults: Faults, committed: Committed) -> None:
        self._log = inner
        self._faults = faults
        self._committed = committed
        self.dead = False

    async def append(self, change: Change) -> None:
        await self._reach()
        await self._log.append(change)
        self._committed(change)
        await self._come_back()

    async def load(self, conversation: ConversationId) -> Conversation | None:
        await self._reach()
        state = await self._log.load(conversation)
        await self._linger()
        return state

    async def after(self, conversation: ConversationId, seq: int, limit: int) -> Sequence[Logged]:
        await self._reach()
        events = await self._log.after(conversation, seq, limit)
        await self._linger()
        return events

    async def messages(
        self, conversation: ConversationId, *, before: int | None, after: int | None, limit: int
    ) -> Sequence[Message]:
        await self._reach()
        return await self._log.messages(conversation, before=before, after=after, limit=limit)

    async def message(self, message: MessageId) -> Message | None:
        await self._reach()
        found = await self._log.message(message)
        await self._linger()
        return found

    async def posted(
        self, conversation: ConversationId, pairs: Sequence[tuple[PersonId, str]]
    ) -> Mapping[tuple[PersonId, str], Message]:
        await self._reach()
        return await self._log.posted(conversation, pairs)

    def use(self, faults: Faults) -> None:
        """From now on these faults happen."""
        self._faults = faults

    async def _reach(self) -> None:
        """On the way there: late, or not at all."""
        faults = self._faults
        self._live()
        if faults.happens(faults.slow):
            await faults.sleep(faults.rng.random() * SLOW_S)
        elif faults.rng.random() < faults.yields:
            await asyncio.sleep(0)
        self._live()
        if faults.happens(faults.before):
            raise Unavailable("the store failed before the write")

    async def _come_back(self) -> None:
        """On the way back: it is written, but who asked may never hear so."""
        await self._linger()
        if self._faults.happens(self._faults.after):
            raise Unavailable("the store failed after the write")

    async def _linger(self) -> None:
        """The answer is there, but has not arrived."""
        faults = self._faults
        if faults.happens(faults.slow):
            await faults.sleep(faults.rng.random() * SLOW_S)
        elif faults.rng.random() < faults.yields:
            await asyncio.sleep(0)
        self._live()

    def _live(self) -> None:
        if self.dead:
            raise asyncio.CancelledError  # the process is gone: nothing goes on


class FaultyStore(FaultyLog):
    """``ports.Store`` over another one."""

    durable = True

    def __init__(self, inner: StorePort, faults: Faults, committed: Committed) -> None:
        super().__init__(inner, faults, committed)
        self._store = inner

    async def live_rooms(self) -> Sequence[Room]:
        await self._reach()
        return await self._store.live_rooms()

    async def rooms_of(self, person: PersonId) -> Sequence[Room]:
        await self._reach()
        rooms = await self._store.rooms_of(person)
        await self._linger()
        return rooms

    async def open_rooms_of(self, person: PersonId) -> Sequence[Room]:
        await self._reach()
        rooms = await self._store.open_rooms_of(person)
        await self._linger()
        return rooms

    async def open_rooms_of_two(self, one: PersonId, other: PersonId) -> Sequence[Room]:
        await self._reach()
        rooms = await self._store.open_rooms_of_two(one, other)
        await self._linger()
        return rooms

    async def channels_listed(
        self, person: PersonId, *, after: str, part: str, limit: int
    ) -> Sequence[ConversationId]:
        await self._reach()
        return await self._store.channels_listed(person, after=after, part=part, limit=limit)

    async def messages_across(
        self,
        conversations: Sequence[ConversationId],
        *,
        before: Cursor | None,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Message]:
        await self._reach()
        return await self._store.messages_across(conversations, before=before, after=after, limit=limit)

    async def messages_by(
        self, person: PersonId, *, before: Cursor | None, after: Cursor | None, limit: int
    ) -> Sequence[Message]:
        await self._reach()
        return await self._store.messages_by(person, before=before, after=after, limit=limit)

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
        await self._reach()
        return await self._store.search(
            person, text, within=within, author=author, before=before, limit=limit
        )

    async def channels_of(self, person: PersonId) -> Sequence[ConversationId]:
        await self._reach()
        return await self._store.channels_of(person)

    async def channel_named(self, name: str) -> Channel | None:
        await self._reach()
        channel = await self._store.channel_named(name)
        await self._linger()
        return channel

    async def open_pairing(self, pairing: Pairing) -> None:
        await self._reach()
        await self._store.open_pairing(pairing)
        await self._come_back()

    async def close_pairing(self, room: ConversationId, ended_at: float) -> None:
        await self._reach()
        await self._store.close_pairing(room, ended_at)
        await self._come_back()

    async def close_open_pairings(self, ended_at: float) -> int:
        await self._reach()
        return await self._store.close_open_pairings(ended_at)

    async def block(self, by: PersonId, person: PersonId, at: float) -> None:
        await self._reach()
        await self._store.block(by, person, at)
        await self._come_back()

    async def unblock(self, by: PersonId, person: PersonId) -> None:
        await self._reach()
        await self._store.unblock(by, person)
        await self._come_back()

    async def blocked_with(self, person: PersonId) -> frozenset[PersonId]:
        await self._reach()
        blocked = await self._store.blocked_with(person)
        await self._linger()
        return blocked

    async def mark_read(self, conversation: ConversationId, person: PersonId, seq: int) -> bool:
        await self._reach()
        moved = await self._store.mark_read(conversation, person, seq)
        await self._come_back()
        return moved

    async def read_marks(self, conversation: ConversationId) -> Mapping[PersonId, int]:
        await self._reach()
        return await self._store.read_marks(conversation)

    async def notifications_of(self, person: PersonId) -> Sequence[AnyNotification]:
        await self._reach()
        return await self._store.notifications_of(person)

    async def drop_notifications(self, person: PersonId, keys: Sequence[NotificationKey]) -> None:
        await self._reach()
        await self._store.drop_notifications(person, keys)
        await self._come_back()

    async def conversations_of(self, person: PersonId) -> Sequence[ConversationId]:
        await self._reach()
        return await self._store.conversations_of(person)

    async def written_by(
        self, conversation: ConversationId, person: PersonId, *, after: int, limit: int
    ) -> Sequence[Message]:
        await self._reach()
        return await self._store.written_by(conversation, person, after=after, limit=limit)

    async def reactions_of(
        self, conversation: ConversationId, card_id: PersonId
    ) -> Sequence[tuple[MessageId, str]]:
        await self._reach()
        return await self._store.reactions_of(conversation, card_id)

    async def blocks_of(self, person: PersonId) -> Mapping[PersonId, float]:
        await self._reach()
        return await self._store.blocks_of(person)

    async def marks_of(self, person: PersonId) -> Mapping[ConversationId, int]:
        await self._reach()
        return await self._store.marks_of(person)

    async def pairings_of(self, person: PersonId) -> Sequence[Pairing]:
        await self._reach()
        return await self._store.pairings_of(person)

    async def anonymise(self, conversation: ConversationId, person: PersonId, card: Card) -> None:
        await self._reach()
        await self._store.anonymise(conversation, person, card)
        await self._come_back()

    async def forget_person(self, person: PersonId) -> None:
        await self._reach()
        await self._store.forget_person(person)
        await self._come_back()

    async def conversations_from(self, after: ConversationId, limit: int) -> Sequence[ConversationId]:
        await self._reach()
        return await self._store.conversations_from(after, limit)

    async def blank_before(self, conversation: ConversationId, before: float) -> int:
        await self._reach()
        blanked = await self._store.blank_before(conversation, before)
        await self._come_back()
        return blanked

    async def rooms_ended(self, before: float, limit: int) -> Sequence[ConversationId]:
        await self._reach()
        return await self._store.rooms_ended(before, limit)

    async def drop(self, conversation: ConversationId) -> None:
        await self._reach()
        await self._store.drop(conversation)
        await self._come_back()

    async def forget_pairings(self, before: float) -> int:
        await self._reach()
        return await self._store.forget_pairings(before)

    async def check(self) -> None:
        await self._reach()

    async def close(self) -> None:
        return None


class FaultyBackplane(FaultyLog):
    """One node's view of a ``ports.Backplane``: its log fails, and hints to it get lost, late, doubled."""

    def __init__(self, inner: BackplanePort, faults: Faults, committed: Committed) -> None:
        super().__init__(inner, faults, committed)
        self._inner = inner
        self._end: Callable[[], None] | None = None

    @property
    def is_shared(self) -> bool:
        return self._inner.is_shared

    def publish(self, after: Conversation, events: Sequence[Logged]) -> None:
        if not self.dead:
            self._inner.publish(after, events)

    def listen(self, hint: Hint) -> Callable[[], None]:
        def on_published(after: Conversation, events: Sequence[Logged]) -> None:
            faults = self._faults
            if self.dead or faults.happens(faults.hints_lost):
                return
            if faults.happens(faults.hints_late):
                late = faults.clock.now() + faults.rng.random() * SLOW_S
                faults.trouble_at = max(faults.trouble_at, late)
                faults.clock.call_at(late, lambda: None if self.dead else hint(after, events))
                return
            hint(after, events)
            if faults.happens(faults.hints_doubled):
                hint(after, events)

        self._end = self._inner.listen(on_published)
        return self._end

    def unplug(self) -> None:
        """The process is gone."""
        self.dead = True
        if self._end is not None:
            self._end()
            self._end = None

    async def close(self) -> None:
        return None
