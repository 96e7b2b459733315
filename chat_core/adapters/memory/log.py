"""Logs of events in memory: every conversation with its messages in their current state."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from chat_core.adapters.memory.book import Book
from chat_core.model.conversation import Channel, Conversation
from chat_core.model.events import (
    Logged,
    MemberJoined,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
)
from chat_core.model.ids import ConversationId, MessageId, PersonId
from chat_core.model.message import Message
from chat_core.ports import Change, ClientIdTaken, NameTaken, Stale


def joined(event: Logged, person: PersonId) -> bool:
    return isinstance(event, MemberJoined) and event.member == person


class MemoryLog:
    """``ports.Log`` in memory. All events are kept unless ``events_max`` limits them."""

    def __init__(self, *, events_max: int | None = None) -> None:
        self._books: dict[ConversationId, Book] = {}
        self._homes: dict[MessageId, ConversationId] = {}
        self._names: dict[str, ConversationId] = {}
        self._events_max = events_max

    async def append(self, change: Change) -> None:
        self._append(change)

    def _append(self, change: Change) -> None:
        after = change.after
        book = self._books.get(after.id)
        self._check(change, book)
        if book is None:
            book = self._books[after.id] = Book(state=after)
            if isinstance(after, Channel):
                self._names[after.name] = after.id
        book.state = after
        for event in change.events:
            if (posted := book.write(event)) is not None:
                self._homes[posted] = after.id
            elif isinstance(event, MessageDeleted):
                self._blank(book, event.message_id)
        if isinstance(after, Channel) and after.deleted:
            self._names.pop(after.name, None)
        if self._events_max is not None:
            while len(book.events) > self._events_max:
                if (gone := book.forget_oldest()) is not None:
                    del self._homes[gone]

    async def load(self, conversation: ConversationId) -> Conversation | None:
        book = self._books.get(conversation)
        return None if book is None else book.state

    async def after(self, conversation: ConversationId, seq: int, limit: int) -> Sequence[Logged]:
        book = self._books.get(conversation)
        if book is None or not book.events:
            return ()
        start = max(0, seq + 1 - book.events[0].seq)
        return tuple(book.as_now(event) for event in book.events[start : start + limit])

    async def messages(
        self, conversation: ConversationId, *, before: int | None, after: int | None, limit: int
    ) -> Sequence[Message]:
        book = self._books.get(conversation)
        if book is None:
            return ()
        messages = tuple(book.messages.values())
        if after is not None and before is None:
            start = bisect_right(book.seqs, after)
            return messages[start : start + limit]
        end = len(messages) if before is None else bisect_left(book.seqs, before)
        return messages[max(0, end - limit) : end]

    async def message(self, message: MessageId) -> Message | None:
        home = self._homes.get(message)
        return None if home is None else self._books[home].messages[message]

    async def posted(
        self, conversation: ConversationId, pairs: Sequence[tuple[PersonId, str]]
    ) -> Mapping[tuple[PersonId, str], Message]:
        book = self._books.get(conversation)
        if book is None:
            return {}
        return {pair: book.messages[book.posted[pair]] for pair in pairs if pair in book.posted}

    def forget(self, conversation: ConversationId) -> None:
        """Deletes the conversation, its events and its messages."""
        book = self._books.pop(conversation, None)
        for message in book.messages if book is not None else ():
            self._homes.pop(message, None)
        if book is not None and isinstance(book.state, Channel) and not book.state.deleted:
            self._names.pop(book.state.name, None)

    def states(self) -> Sequence[Conversation]:
        """The current state of every conversation, by id."""
        return [self._books[conversation].state for conversation in sorted(self._books)]

    def _check(self, change: Change, book: Book | None) -> None:
        after = change.after
        if (None if book is None else book.state.head) != change.expected:
            raise Stale(f"{after.id} is not at {change.expected}")
        if book is None:
            if isinstance(after, Channel) and after.name in self._names:
                raise NameTaken(after.name)
            return
        if not book.posted:  # no post here has a client_id
            return
        taken = [
            (event.message.by, event.message.client_id)
            for event in change.events
            if isinstance(event, MessagePosted)
            and event.message.client_id is not None
            and (event.message.by, event.message.client_id) in book.posted
        ]
        if taken:
            raise ClientIdTaken(*taken)

    def _blank(self, book: Book, message: MessageId) -> None:
        """Removes the text of a deleted message from its older events too."""
        for index, event in enumerate(book.events):
            if (isinstance(event, MessagePosted) and event.message.id == message) or (
                isinstance(event, MessageEdited) and event.message_id == message
            ):
                book.events[index] = book.as_now(event)
