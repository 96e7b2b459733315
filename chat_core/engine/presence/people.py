"""People: who is here, with which connections, and what each may still ask for.

A person is here from the first connection until ``resume_s`` after the last.
Blocks and rates are the person's, not a connection's.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import attrs

from chat_core.engine.disconnects import TOO_MANY_CONNECTIONS
from chat_core.engine.results import Position
from chat_core.engine.runtime.alarms import Alarms
from chat_core.model.account import Status
from chat_core.model.errors import Disconnected, Refused
from chat_core.model.events import Personal
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.limits import CONNECTIONS_PER_PERSON_MAX, MET_MAX, VISIT_S, VISITORS_MAX
from chat_core.model.person import Person
from chat_core.ports import Clock
from chat_core.rules import presence as presence_rules
from chat_core.rules.presence import Presence, PresenceState
from chat_core.rules.rate import Bucket, Rate


class PersonalListener(Protocol):
    """A connection, as one person's events see it. Nothing here may wait or raise.

    ``sid`` is the session that let it in, empty where none did.
    """

    person: Person
    shows_notices: bool  # what it is told counts as told to the person

    @property
    def is_open(self) -> bool: ...

    sid: str

    def is_following(self, conversation: ConversationId) -> bool:
        """Whether it hears this conversation."""

    @property
    def follows(self) -> Sequence[ConversationId]:
        """Everything that it follows, oldest first."""

    def tell(self, event: Personal) -> None:
        """Hand on what concerns the person."""

    def end(self, code: int, reason: str) -> None:
        """Close this connection for good."""


@attrs.define(eq=False)
class Attendee:
    """A person who is here, or was within the grace.

    ``heard`` is how far the person had heard each conversation when the last
    connection went, as long as no other has taken its place.
    """

    person: Person
    presence: Presence = attrs.field(factory=Presence)
    connections: dict[PersonalListener, None] = attrs.field(factory=dict)
    heard: dict[ConversationId, Position] = attrs.field(factory=dict)
    passing_rooms: dict[ConversationId, None] = attrs.field(factory=dict)  # open rooms of retention none
    shown: Status = Status.OFFLINE  # how neighbours were told last that the person is seen
    blocked: frozenset[PersonId] | None = None  # None: not read yet
    block_changes: int = 0  # since the person came
    met: dict[PersonId, PersonId] = attrs.field(factory=dict)  # who is behind a pseudonym, the latest last
    messages: Bucket | None = None
    searches: Bucket | None = None

    def is_following(
        self, conversation: ConversationId, *, apart_from: "PersonalListener | None" = None
    ) -> bool:
        """Whether a connection (of the others) follows it, or one did that may still come back."""
        if conversation in self.heard:
            return True
        return any(
            connection is not apart_from and connection.is_following(conversation)
            for connection in self.connections
        )

    def followed(self) -> Sequence[ConversationId]:
        """Everything that ``is_following``, each once."""
        live = (conversation for connection in self.connections for conversation in connection.follows)
        return tuple(dict.fromkeys((*live, *self.heard)))

    def meets(self, card_id: PersonId, person: PersonId) -> None:
        """Remember who is behind a pseudonym: a block must find the person when the room is long over."""
        self.met[card_id] = person
        while len(self.met) > MET_MAX:
            del self.met[next(iter(self.met))]

    def block(self, person: PersonId) -> None:
        """The two are never to be paired from now on."""
        self.block_changes += 1
        if self.blocked is not None:
            self.blocked |= {person}

    def reread_blocks(self) -> None:
        """Whom the person blocks, or who blocks the person, is read again before it matters."""
        self.block_changes += 1
        self.blocked = None


class People:
    """Everybody who is here. When a grace is over, those hear of it who ``subscribe``."""

    def __init__(
        self,
        *,
        clock: Clock,
        alarms: Alarms,
        resume_s: float,
        messages: Rate | None,
        searches: Rate | None,
    ) -> None:
        self._clock = clock
        self._alarms = alarms
        self._resume_s = resume_s
        self._messages = messages
        self._searches = searches
        self._gone: list[Callable[[Attendee], None]] = []
        self._back: list[Callable[[Attendee], None]] = []
        self._attendees: dict[PersonId, Attendee] = {}

    def subscribe(self, *, gone: Callable[[Attendee], None], back: Callable[[Attendee], None]) -> None:
        """When a grace is over, ``gone`` is called for those who did not come back, ``back`` for the rest.

        In the order of the subscriptions.
        """
        self._gone.append(gone)
        self._back.append(back)

    def __iter__(self) -> Iterator[Attendee]:
        return iter(tuple(self._attendees.values()))

    def get(self, person: PersonId) -> Attendee | None:
        return self._attendees.get(person)

    def is_here(self, person: PersonId) -> bool:
        """True for who is connected or may still come back."""
        attendee = self._attendees.get(person)
        return attendee is not None and attendee.presence.state is not PresenceState.ABSENT

    def attendee(self, person: Person) -> Attendee:
        """The record of a person, made when there is none: somebody may ask without a connection."""
        attendee = self._attendees.get(person.id)
        if attendee is None:
            if len(self._attendees) >= VISITORS_MAX:
                self._forget_visitors()
            attendee = self._attendees[person.id] = Attendee(person)
        return attendee

    def enter(self, person: Person, connection: PersonalListener, *, may_return: bool) -> Attendee:
        """One more connection of the person. Above the limit it is turned away (3504)."""
        attendee = self.attendee(person)
        if len(attendee.connections) >= CONNECTIONS_PER_PERSON_MAX:
            raise Disconnected(*TOO_MANY_CONNECTIONS)
        attendee.connections[connection] = None
        attendee.presence = presence_rules.connected(attendee.presence, may_return=may_return)
        return attendee  # the alarm of the grace stays: not everything may have been followed again by then

    def leave(self, attendee: Attendee, connection: PersonalListener) -> None:
        """One connection fewer. After the last one the grace begins, or the person is gone at once."""
        if connection not in attendee.connections:
            return
        del attendee.connections[connection]
        attendee.presence = presence_rules.dropped(
            attendee.presence, now=self._clock.now(), grace_s=self._resume_s
        )
        until = attendee.presence.until
        if until is None:
            return
        if attendee.presence.may_return and self._resume_s > 0:
            self._alarms.set(("gone", attendee.person.id), until, lambda: self._check_gone(attendee))
        else:
            self._check_gone(attendee)

    def visit(self, person: Person) -> None:
        """The person asks without a connection, and counts as here for a while."""
        attendee = self.attendee(person)
        attendee.presence = presence_rules.visited(attendee.presence, now=self._clock.now(), for_s=VISIT_S)
        if attendee.presence.until is not None:
            key = ("gone", person.id)
            self._alarms.set(key, attendee.presence.until, lambda: self._check_gone(attendee))

    def tell(self, event: Personal) -> None:
        """Hand the event to all of its person's connections."""
        attendee = self._attendees.get(event.to)
        if attendee is None:
            return
        for connection in tuple(attendee.connections):
            if connection in attendee.connections:  # telling one may have ended another
                connection.tell(event)

    def take_message(self, person: Person) -> None:
        """Count one message; refuse it when the person is too fast."""
        if self._messages is not None:
            attendee = self.attendee(person)
            attendee.messages = attendee.messages or Bucket(self._messages)
            self._take(attendee.messages, "You are sending fast.")

    def take_search(self, person: Person) -> None:
        """Count one search or skip; refuse it when the person is too fast."""
        attendee = self.attendee(person)
        if self._searches is not None:
            attendee.searches = attendee.searches or Bucket(self._searches)
            self._take(attendee.searches, "You are searching fast.")

    def renamed(self, person: Person) -> None:
        """The person is called otherwise, or is a user from now on."""
        attendee = self._attendees.get(person.id)
        if attendee is not None:
            attendee.person = attrs.evolve(person, partition=attendee.person.partition)
            for connection in attendee.connections:
                connection.person = attendee.person

    def passing_rooms(self, person: PersonId) -> Sequence[ConversationId]:
        """The person's open rooms that nobody stores."""
        attendee = self._attendees.get(person)
        return () if attendee is None else tuple(attendee.passing_rooms)

    def connections(self) -> Sequence[PersonalListener]:
        return [connection for attendee in self for connection in attendee.connections]

    def _take(self, bucket: Bucket, words: str) -> None:
        wait = bucket.take(self._clock.now())
        if wait > 0:
            seconds = max(1, round(wait + 0.5))
            raise Refused("too_many", f"{words} Try again in {seconds} s.", retry_after_s=wait)

    def _check_gone(self, attendee: Attendee) -> None:
        if not presence_rules.is_gone(attendee.presence, now=self._clock.now()):
            if attendee.connections:
                for back in self._back:
                    back(attendee)
            return
        if self._attendees.get(attendee.person.id) is attendee:
            del self._attendees[attendee.person.id]
        attendee.presence = Presence()
        for gone in self._gone:
            gone(attendee)

    def _forget_visitors(self) -> None:
        """Forget who only asked over HTTP and owes nothing any more."""
        now = self._clock.now()
        for person, attendee in list(self._attendees.items()):
            buckets = [bucket for bucket in (attendee.messages, attendee.searches) if bucket is not None]
            if attendee.presence.state is PresenceState.ABSENT and all(b.is_full(now) for b in buckets):
                del self._attendees[person]
