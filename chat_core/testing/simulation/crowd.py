"""The people of a simulation: what each knows, and the devices through which it sees.

A device checks everything that it is told against the truth (``Journal``). It
knows for each conversation how far it has heard: what comes next must be the
next event, or else it was told that it lost track.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, NoReturn, Protocol, TypeAlias

import attrs

from chat_core.engine.delivery.connection import Connection
from chat_core.engine.disconnects import TOO_MANY_CONNECTIONS
from chat_core.engine.results import Position, Recovery
from chat_core.model.conversation import Conversation, Persistence
from chat_core.model.errors import ChatError, Disconnected, InvariantBroken
from chat_core.model.events import (
    Ephemeral,
    Event,
    Logged,
    Matched,
    MessagePosted,
    Notification,
    NotificationKind,
    Personal,
    PresenceChanged,
    PresenceStatus,
)
from chat_core.model.ids import ConversationId, MessageId, PersonId
from chat_core.model.limits import EPHEMERAL_EVENTS_MAX, RECOVERY_EVENTS_MAX
from chat_core.model.person import Person
from chat_core.testing.simulation.faults import Faults
from chat_core.testing.simulation.invariants import Journal
from chat_core.testing.simulation.state import Node

Frames: TypeAlias = tuple[tuple[str, Event], ...]

UNREAD_MAX: Final = 12  # events; a device that hangs is slow above it
REMEMBERED: Final = 8  # messages and rooms that a person may come back to


class Witness(Protocol):
    """The world, as far as a device needs it: the truth, and where to report what differs from it."""

    @property
    def journal(self) -> Journal: ...

    @property
    def faults(self) -> Faults: ...

    def traced(self, *what: object) -> None:
        """Write down what happened."""

    def broke(self, why: str) -> NoReturn:
        """Stop the simulation: an invariant was broken."""


class OneForAll:
    """An encoder whose frames are alike for everybody."""

    def encode(self, event: Event, conversation: Conversation) -> tuple[Frames, Frames]:
        frame = (("any", event),)
        return frame, frame

    def join(self, frames: Sequence[Frames]) -> Frames:
        return tuple(one for frame in frames for one in frame)


class OwnCopy(OneForAll):
    """An encoder that gives the sender a copy of its own, and nobody anything of typing."""

    def encode(self, event: Event, conversation: Conversation) -> tuple[Frames, Frames]:
        return (("own", event),), (("others", event),)


ENCODERS: Final = (OneForAll(), OwnCopy())


@attrs.define
class View:
    """How far a device has heard a conversation; ``seq`` is None until the follow is answered."""

    epoch: str
    seq: int | None
    online: dict[PersonId, PresenceStatus] = attrs.field(factory=dict)


@attrs.define(eq=False)
class Somebody:
    """A person, and what it has reason to remember."""

    person: Person
    node: int
    devices: list["Device"] = attrs.field(factory=list)
    live: ConversationId = ""  # the room that goes on, as far as the person knows
    is_asked: bool = False  # whether to keep it
    rooms: list[ConversationId] = attrs.field(factory=list)
    channels: list[str] = attrs.field(factory=list)
    messages: list[MessageId] = attrs.field(factory=list)
    cards: list[PersonId] = attrs.field(factory=list)  # of others, as they were seen
    sent: list[tuple[ConversationId, str, str]] = attrs.field(factory=list)  # with their client_ids
    positions: dict[ConversationId, Position] = attrs.field(factory=dict)

    def remember(self, where: list[str], what: str) -> None:
        if what not in where:
            where.append(what)
            if len(where) > REMEMBERED:
                del where[0]


class Device:
    """One connection of somebody, and its view of what it follows. It is the sink."""

    def __init__(self, world: Witness, node: Node, owner: Somebody, rng: Random, *, may_return: bool) -> None:
        self.world = world
        self.node = node
        self.owner = owner
        self.views: dict[ConversationId, View] = {}
        self.hangs = rng.random() < 0.05
        self.unread = 0
        self._by_itself = rng.random() < 0.5
        encoder = ENCODERS[rng.random() < 0.5]
        self._has_own = isinstance(encoder, OwnCopy)
        self.connection: Connection[Frames] = node.chat.attach(
            owner.person,
            encoder,
            self,
            may_return=may_return,
            autofollow=(lambda _: True) if self._by_itself else None,
        )
        owner.devices.append(self)

    @property
    def is_open(self) -> bool:
        return self.connection.is_open and self.node.alive

    def drop(self) -> None:
        """The connection goes; the person remembers how far it had heard."""
        for conversation, view in self.views.items():
            if view.seq is not None:
                self.owner.positions[conversation] = Position(epoch=view.epoch, seq=view.seq)
        self.views.clear()
        if self in self.owner.devices:
            self.owner.devices.remove(self)
        if self.node.alive:
            self.connection.close()

    def follow(self, conversation: ConversationId, since: Position | None) -> None:
        """Hear it from here on, and what came after ``since``."""
        if conversation not in self.views:
            view = self.views[conversation] = View(epoch="", seq=None)
            self.connection.follow(conversation, since, self._ready(conversation, view, since))

    def unfollow(self, conversation: ConversationId) -> None:
        if conversation in self.connection.follows:
            self.connection.unfollow(conversation)
            view = self.views.pop(conversation, None)
            if view is not None and view.seq is not None:
                self.owner.positions[conversation] = Position(epoch=view.epoch, seq=view.seq)

    def _ready(
        self, conversation: ConversationId, view: View, since: Position | None
    ) -> Callable[[Recovery | ChatError], None]:
        def ready(recovery: Recovery | ChatError) -> None:
            if not self.is_open or self.views.get(conversation) is not view:
                return
            if isinstance(recovery, ChatError):
                del self.views[conversation]
                return
            self.world.traced("follow", conversation, recovery.offset, recovery.recovered)
            state = recovery.conversation
            if recovery.recovered and since is not None:
                self._recovered(recovery, since)
            elif since is not None and not self.world.faults.ever:
                self._should_have(recovery, since)
            view.epoch, view.seq = state.epoch, recovery.offset

        return ready

    def _recovered(self, recovery: Recovery, since: Position) -> None:
        seqs = [event.seq for event in recovery.events]
        if since.epoch != recovery.conversation.epoch or seqs != list(
            range(since.seq + 1, recovery.offset + 1)
        ):
            self.world.broke(f"promise 3: recovered {seqs} after {since} up to {recovery.offset}")
        for event in recovery.events:
            self._saw(event)

    def _should_have(self, recovery: Recovery, since: Position) -> None:
        """Within the limits, and with nothing failing, all must come back."""
        state = recovery.conversation
        most = EPHEMERAL_EVENTS_MAX if state.persistence is Persistence.EPHEMERAL else RECOVERY_EVENTS_MAX
        if since.epoch == state.epoch and 0 <= recovery.offset - since.seq <= most:
            if state.persistence is Persistence.EPHEMERAL and state.head - since.seq > most:
                return
            self.world.broke(f"promise 3: not recovered after {since} up to {recovery.offset}")

    # The sink

    def deliver(self, frames: Frames) -> None:
        if not self.node.alive:
            return
        if not self.connection.is_open:
            if self.views:
                self.world.broke("I-17: told to a closed connection")
            return
        for kind, event in frames:
            self._hear(kind, event)
        self._count(len(frames))

    def push(self, event: Personal) -> None:
        if not self.node.alive:
            return
        if event.to != self.owner.person.id:
            self.world.broke(f"told to {self.owner.person.id}: {event}")
        if not self.connection.is_open:
            self.world.broke(f"I-17: told to a closed connection: {event}")
        self.world.traced("tell", event)
        if isinstance(event, Matched):
            self.owner.remember(self.owner.rooms, event.room)
            self.owner.live = event.room
            for person, member in event.snapshot.members.items():
                if person != self.owner.person.id:
                    self.owner.remember(self.owner.cards, member.card.id)
            if event.room in self.connection.follows and event.room not in self.views:
                self.views[event.room] = View(epoch=event.snapshot.epoch, seq=event.snapshot.head)
        if isinstance(event, Notification) and event.room.id == self.owner.live:
            self.owner.is_asked = event.kind is NotificationKind.KEEP_REQUEST
            if event.kind is NotificationKind.ROOM_ENDED:
                self.owner.live = ""
        self._count(1)

    def unsubscribed(self, conversation: ConversationId, *, recoverable: bool) -> None:
        if self.node.alive:
            self.world.traced("lost", conversation)
            self.views.pop(conversation, None)

    def end(self, code: int, reason: str) -> None:
        self.drop()

    def _count(self, events: int) -> None:
        """A connection that hangs fills its outbox and is closed as slow: nothing is dropped silently."""
        if self.hangs:
            self.unread += events
            if self.unread > UNREAD_MAX:
                self.world.traced("slow", self.owner.person.id)
                self.drop()

    def _hear(self, kind: str, event: Event) -> None:
        if not self.connection.is_open:
            return  # what it heard just now was too much
        if not isinstance(event, Logged | Ephemeral):
            self.world.broke(f"a conversation told {event}")
        view = self.views.get(event.conversation)
        if self._has_own and (kind == "own") is not (event.by == self.owner.person.id):
            self.world.broke(f"the copy for {kind} of {event} went to {self.owner.person.id}")
        if view is None or view.seq is None:
            self.world.broke(f"I-6: {self.owner.person.id} does not follow and hears {event}")
        elif isinstance(event, Logged):
            if event.seq != view.seq + 1:
                self.world.broke(f"I-4: seq {event.seq} after {view.seq}: {event}")
            view.seq = event.seq
            self._saw(event)
        elif isinstance(event, PresenceChanged):
            if view.online.get(event.person.id) is event.status:
                self.world.broke(f"I-15: told twice: {event}")
            view.online[event.person.id] = event.status

    def _saw(self, event: Logged) -> None:
        try:
            self.world.journal.told(self.owner.person.id, event)
        except InvariantBroken as error:
            self.world.broke(str(error))
        self.world.traced("saw", self.owner.person.id, event)
        if isinstance(event, MessagePosted):
            self.owner.remember(self.owner.messages, event.message.id)


def turned_away(error: Disconnected) -> bool:
    """A connection above the limit of one person."""
    return error.code == TOO_MANY_CONNECTIONS.code
