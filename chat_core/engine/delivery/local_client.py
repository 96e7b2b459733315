"""A local client: the connection for programs that embed Parley. Events arrive as objects, in order.

It follows all of its person's rooms and channels by itself. What nobody reads
is kept up to ``OUTBOX_BYTES_MAX``; above it the client is *slow* and ends (3008).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Final, Protocol, Self, TypeVar

from chat_core.engine.delivery.connection import Connection, Sink
from chat_core.engine.delivery.hub import Encoder
from chat_core.engine.disconnects import CLOSED, NOT_OPEN, SLOW
from chat_core.engine.results import InitialState, Position, Recovery, Result, result_of
from chat_core.model.commands import Command
from chat_core.model.conversation import Conversation
from chat_core.model.errors import Disconnected, Refused
from chat_core.model.events import Event, MessageEdited, MessagePosted, Personal
from chat_core.model.ids import ConversationId
from chat_core.model.limits import EVENT_OVERHEAD_BYTES, OUTBOX_BYTES_MAX
from chat_core.model.person import Person

E = TypeVar("E", bound=Event)
F = TypeVar("F")


class Host(Protocol):
    """The chat, as far as a local client needs it."""

    def attach(
        self,
        person: Person,
        encoder: Encoder[F],
        sink: Sink[F],
        *,
        may_return: bool = True,
        autofollow: Callable[[Conversation], bool] | None = None,
        sid: str = "",
    ) -> Connection[F]:
        """A connection of the person. Raises ``Disconnected``."""

    async def initial_state(self, person: Person) -> InitialState:
        """The rooms and channels that the person is in."""

    async def do(self, person: Person, command: Command) -> Result:
        """Ask, and wait for the result. Raises ``Refused`` or ``Unavailable``."""


class EventsAsTheyAre:
    """The encoder of local clients: an event is its own frame."""

    def encode(self, event: Event, conversation: Conversation) -> tuple[tuple[Event, ...], tuple[Event, ...]]:
        frame = (event,)
        return frame, frame

    def join(self, frames: Sequence[tuple[Event, ...]]) -> tuple[Event, ...]:
        return tuple(event for frame in frames for event in frame)


_ENCODER: Final = EventsAsTheyAre()


class LocalClient:
    """``async with chat.connect(person) as client``. Also usable with ``open`` and ``close``."""

    def __init__(self, host: Host, person: Person) -> None:
        self.person = person
        self._host = host
        self._connection: Connection[tuple[Event, ...]] | None = None
        self._unread: deque[Event] = deque()
        self._unread_bytes = 0
        self._arrived = asyncio.Event()
        self._ended: Disconnected | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def open(self) -> None:
        """Connect, and follow every room and channel that the person has."""
        self._connection = self._host.attach(self.person, _ENCODER, self, autofollow=_everything)
        self._connection.shows_notifications = True
        try:
            initial_state = await self._host.initial_state(self.person)
            for conversation in (*initial_state.rooms, *initial_state.channels):
                with suppress(Refused):  # it is over meanwhile, or there are too many
                    await self.follow(conversation.id)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave; the person may come back within the grace. What is unread is lost. Idempotent."""
        if self._connection is not None:
            self._connection.close()
        self._end(Disconnected(*CLOSED))

    async def do(self, command: Command) -> Result:
        """Ask, and wait for the result. Raises ``Refused``, ``Unavailable`` or ``Disconnected``."""
        if self._ended is not None:
            raise self._ended
        return await self._host.do(self.person, command)

    async def next(self, kind: type[E]) -> E:
        """The next event of this kind; those before it that are of other kinds are passed over.

        Waits for it. Raises ``Disconnected`` once the client has ended. Cancelling
        loses nothing but what was passed over.
        """
        while True:
            while self._unread:
                event = self._unread.popleft()
                self._unread_bytes -= _size(event)
                if isinstance(event, kind):
                    return event
            if self._ended is not None:
                raise self._ended
            self._arrived.clear()
            await self._arrived.wait()

    def unread(self) -> tuple[Event, ...]:
        """Everything that has come and was not read, oldest first; afterwards it is read."""
        events = tuple(self._unread)
        self._unread.clear()
        self._unread_bytes = 0
        return events

    async def follow(self, conversation: ConversationId, since: Position | None = None) -> Recovery:
        """Hear the conversation from here on; what came after ``since`` is in the answer, or nothing is."""
        if self._connection is None or self._ended is not None:
            raise self._ended or Disconnected(*NOT_OPEN)
        return await result_of(partial(self._connection.follow, conversation, since))

    # The sink of its connection

    def deliver(self, frames: tuple[Event, ...]) -> None:
        for event in frames:
            self._take(event)

    def push(self, event: Personal) -> None:
        self._take(event)

    def unsubscribed(self, conversation: ConversationId, *, recoverable: bool) -> None:
        """The person left, or the log has a hole: a later ``follow`` says what there is."""

    def end(self, code: int, reason: str) -> None:
        if self._connection is not None:
            self._connection.close()
        self._end(Disconnected(code, reason))

    def _take(self, event: Event) -> None:
        if self._ended is not None:
            return
        self._unread.append(event)
        self._unread_bytes += _size(event)
        self._arrived.set()
        if self._unread_bytes > OUTBOX_BYTES_MAX:
            self.end(*SLOW)

    def _end(self, why: Disconnected) -> None:
        if self._ended is None:
            self._ended = why
        self._arrived.set()


def _everything(conversation: Conversation) -> bool:
    return True


def _size(event: Event) -> int:
    match event:
        case MessagePosted(message=message):
            return EVENT_OVERHEAD_BYTES + len(message.content)
        case MessageEdited(content=content):
            return EVENT_OVERHEAD_BYTES + len(content)
        case _:
            return EVENT_OVERHEAD_BYTES
