"""The store in memory. Nothing survives the process, and nothing reaches a disk."""

import string
from collections.abc import Iterable, Mapping, Sequence

import attrs

from chat_core.adapters.memory.log import MemoryLog, joined
from chat_core.adapters.memory.notifications import Notifications
from chat_core.model.conversation import Channel, Conversation, Room, RoomState
from chat_core.model.events import AnyNotification, NotificationKey, RoomEnded
from chat_core.model.ids import ConversationId, MessageId, PersonId
from chat_core.model.message import Cursor, Message
from chat_core.model.person import Card
from chat_core.ports import Change, Pairing
from chat_core.rules import search_terms

ROOMS_LISTED_MAX = 200
_LOWERED = {ord(upper): upper.lower() for upper in string.ascii_uppercase}


class MemoryStore(MemoryLog):
    """``ports.Store`` in memory: an embedder's default without configuration."""

    durable = False

    def __init__(self) -> None:
        super().__init__()
        self.pairings: dict[ConversationId, Pairing] = {}
        self._blocks: dict[tuple[PersonId, PersonId], float] = {}
        self._notifications = Notifications()
        self._marks: dict[ConversationId, dict[PersonId, int]] = {}

    async def append(self, change: Change) -> None:
        self._append(change)
        self._notifications.keep(change.notifications)

    async def notifications_of(self, person: PersonId) -> Sequence[AnyNotification]:
        return self._notifications.of(person, lambda conversation: self._books[conversation].state)

    async def drop_notifications(self, person: PersonId, keys: Sequence[NotificationKey]) -> None:
        self._notifications.drop(person, keys)

    async def live_rooms(self) -> Sequence[Room]:
        return [state for state in self.states() if isinstance(state, Room) and state.is_live]

    async def rooms_of(self, person: PersonId) -> Sequence[Room]:
        rooms = [state for state in self.states() if isinstance(state, Room) and person in state.members]
        rooms.sort(key=lambda room: (room.created_at, room.id), reverse=True)
        return rooms[:ROOMS_LISTED_MAX]

    async def channels_of(self, person: PersonId) -> Sequence[ConversationId]:
        channels = [state for state in self.states() if isinstance(state, Channel) and state.member(person)]
        return sorted(channel.id for channel in channels)

    async def open_rooms_of(self, person: PersonId) -> Sequence[Room]:
        rooms = [
            state
            for state in self.states()
            if isinstance(state, Room) and state.state is not RoomState.ENDED and state.member(person)
        ]
        return sorted(rooms, key=lambda room: (room.created_at, room.id), reverse=True)

    async def open_rooms_of_two(self, one: PersonId, other: PersonId) -> Sequence[Room]:
        return [room for room in await self.open_rooms_of(one) if room.member(other) is not None]

    async def channels_listed(
        self, person: PersonId, *, after: str, part: str, limit: int
    ) -> Sequence[ConversationId]:
        names = sorted(name for name in self._names if name > after and part in name)
        ids = [self._names[name] for name in names]
        return [one for one in ids if self._may_read(person, self._books[one].state)][:limit]

    async def messages_across(
        self,
        conversations: Sequence[ConversationId],
        *,
        before: Cursor | None,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Message]:
        books = [self._books[one] for one in conversations if one in self._books]
        found = (message for book in books for message in book.messages.values())
        return _marked(found, before=before, after=after, limit=limit)

    async def messages_by(
        self, person: PersonId, *, before: Cursor | None, after: Cursor | None, limit: int
    ) -> Sequence[Message]:
        found = (
            message
            for book in self._books.values()
            if not getattr(book.state, "deleted", False)
            for message in book.messages.values()
            if message.by == person and not message.deleted
        )
        return _marked(found, before=before, after=after, limit=limit)

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
        looked_for = search_terms.sought(text)
        found = (
            message
            for book in self._books.values()
            if within in (None, book.state.id) and self._may_read(person, book.state)
            for message in book.messages.values()
            if not message.deleted
            and search_terms.found(looked_for, search_terms.terms_of(message.content))
            and (author is None or _lowered(author) == _lowered(message.author.username))
        )
        return _marked(found, before=before, after=None, limit=limit)[::-1]

    def _may_read(self, person: PersonId, state: Conversation) -> bool:
        if isinstance(state, Channel) and not state.private:
            return not state.deleted
        return state.member(person) is not None

    async def channel_named(self, name: str) -> Channel | None:
        found = self._books.get(self._names.get(name, ""))
        return found.state if found is not None and isinstance(found.state, Channel) else None

    async def open_pairing(self, pairing: Pairing) -> None:
        self.pairings.setdefault(pairing.id, pairing)

    async def close_pairing(self, pairing: ConversationId, ended_at: float) -> None:
        known = self.pairings.get(pairing)
        if known is not None and known.ended_at is None:
            self.pairings[pairing] = attrs.evolve(known, ended_at=ended_at)

    async def close_open_pairings(self, ended_at: float) -> int:
        open_ones = [pairing.id for pairing in self.pairings.values() if pairing.ended_at is None]
        for pairing in open_ones:
            await self.close_pairing(pairing, ended_at)
        return len(open_ones)

    async def block(self, by: PersonId, person: PersonId, at: float) -> None:
        self._blocks.setdefault((by, person), at)

    async def unblock(self, by: PersonId, person: PersonId) -> None:
        self._blocks.pop((by, person), None)

    async def blocked_with(self, person: PersonId) -> frozenset[PersonId]:
        pairs = self._blocks
        return frozenset(other if one == person else one for one, other in pairs if person in (one, other))

    async def mark_read(self, conversation: ConversationId, person: PersonId, seq: int) -> bool:
        marks = self._marks.setdefault(conversation, {})
        if marks.get(person, 0) >= seq:
            return False
        marks[person] = seq
        return True

    async def read_marks(self, conversation: ConversationId) -> Mapping[PersonId, int]:
        return dict(self._marks.get(conversation, {}))

    # Personal data

    async def conversations_of(self, person: PersonId) -> Sequence[ConversationId]:
        return [
            conversation
            for conversation, book in sorted(self._books.items())
            if person in book.state.members or any(joined(event, person) for event in book.events)
        ]

    async def written_by(
        self, conversation: ConversationId, person: PersonId, *, after: int, limit: int
    ) -> Sequence[Message]:
        messages = self._books[conversation].messages.values() if conversation in self._books else ()
        return [message for message in messages if message.by == person and message.seq > after][:limit]

    async def reactions_of(
        self, conversation: ConversationId, card_id: PersonId
    ) -> Sequence[tuple[MessageId, str]]:
        messages = self._books[conversation].messages.values() if conversation in self._books else ()
        return sorted(
            (message.id, emoji)
            for message in messages
            for emoji, people in message.reactions.items()
            if card_id in people
        )

    async def blocks_of(self, person: PersonId) -> Mapping[PersonId, float]:
        return {other: at for (by, other), at in self._blocks.items() if by == person}

    async def marks_of(self, person: PersonId) -> Mapping[ConversationId, int]:
        return {where: marks[person] for where, marks in self._marks.items() if person in marks}

    async def pairings_of(self, person: PersonId) -> Sequence[Pairing]:
        mine = [pairing for pairing in self.pairings.values() if person in (pairing.user_a, pairing.user_b)]
        return sorted(mine, key=lambda pairing: (pairing.started_at, pairing.id))

    async def anonymise(self, conversation: ConversationId, person: PersonId, card: Card) -> None:
        book = self._books.get(conversation)
        if book is not None:
            book.anonymise(person, card)

    async def forget_person(self, person: PersonId) -> None:
        self._blocks = {pair: at for pair, at in self._blocks.items() if person not in pair}
        self._notifications.forget(person)
        for marks in self._marks.values():
            marks.pop(person, None)
        for pairing in await self.pairings_of(person):
            a, b = ("" if user == person else user for user in (pairing.user_a, pairing.user_b))
            self.pairings[pairing.id] = attrs.evolve(pairing, user_a=a, user_b=b)

    # Retention

    async def conversations_from(self, after: ConversationId, limit: int) -> Sequence[ConversationId]:
        return [one for one in sorted(self._books) if one > after][:limit]

    async def blank_before(self, conversation: ConversationId, before: float) -> int:
        book = self._books.get(conversation)
        return 0 if book is None else book.blank_before(before)

    async def rooms_ended(self, before: float, limit: int) -> Sequence[ConversationId]:
        ends = [
            (event.at, one)
            for one, book in self._books.items()
            for event in book.events
            if isinstance(event, RoomEnded) and event.at < before
        ]
        return [one for _, one in sorted(ends)[:limit]]

    async def drop(self, conversation: ConversationId) -> None:
        self.forget(conversation)
        self._marks.pop(conversation, None)
        self._notifications.forget_conversation(conversation)

    async def forget_pairings(self, before: float) -> int:
        old = [one.id for one in self.pairings.values() if one.ended_at is not None and one.ended_at < before]
        for pairing in old:
            del self.pairings[pairing]
        return len(old)

    # The store itself

    async def check(self) -> None:
        return None

    async def close(self) -> None:
        return None


def _marked(
    messages: Iterable[Message], *, before: Cursor | None, after: Cursor | None, limit: int
) -> Sequence[Message]:
    ordered = sorted(messages, key=lambda message: message.cursor)
    if after is not None and before is None:
        return [message for message in ordered if message.cursor > after][:limit]
    return [message for message in ordered if before is None or message.cursor < before][-limit:]


def _lowered(text: str) -> str:
    """ASCII letters in lower case, as SQL compares them; other characters unchanged."""
    return text.translate(_LOWERED)
