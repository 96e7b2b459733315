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
    shows_notifications: bool  # what it receives counts as delivered

    @property
    def is_open(self) -> bool: ...

    sid: str

    def is_following(self, conversation: ConversationId) -> bool:
        """Whether it follows this conversation."""

    @property
    def follows(self) -> Sequence[ConversationId]:
        """Everything that it follows, oldest first."""

    def push(self, event: Personal) -> None:
        """Hand on what concerns the person."""

    def end(self, code: int, reason: str) -> None:
        """Close this connection permanently."""


@attrs.define(eq=False)
class OnlinePerson:
    """A person who is here, or was within the grace.

    ``heard`` is how far the person had heard each conversation when the last
    connection went, as long as no other has taken its place.
    """

    person: Person
    presence: Presence = attrs.field(factory=Presence)
    connections: dict[PersonalListener, None] = attrs.field(factory=dict)
    last_positions: dict[ConversationId, Position] = attrs.field(factory=dict)
    ephemeral_rooms: dict[ConversationId, None] = attrs.field(factory=dict)  # open rooms of retention none
    shown: Status = Status.OFFLINE  # the status that was broadcast last
    blocked: frozenset[PersonId] | None = None  # None: not read yet
    block_changes: int = 0  # since the person came
    met: dict[PersonId, PersonId] = attrs.field(factory=dict)  # who is behind a pseudonym, the latest last
    messages: Bucket | None = None
    searches: Bucket | None = None

    def is_following(
        self, conversation: ConversationId, *, apart_from: "PersonalListener | None" = None
    ) -> bool:
        """Whether a connection (of the others) follows it, or one did that may still come back."""
        if conversation in self.last_positions:
            return True
        return any(
            connection is not apart_from and connection.is_following(conversation)
            for connection in self.connections
        )

    def followed(self) -> Sequence[ConversationId]:
        """Everything that ``is_following``, each once."""
        live = (conversation for connection in self.connections for conversation in connection.follows)
        return tuple(dict.fromkeys((*live, *self.last_positions)))

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
    """Everybody who is online. ``subscribe`` registers callbacks for the end of a grace."""

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
        self._gone: list[Callable[[OnlinePerson], None]] = []
        self._back: list[Callable[[OnlinePerson], None]] = []
        self._online: dict[PersonId, OnlinePerson] = {}

    def subscribe(
        self, *, gone: Callable[[OnlinePerson], None], back: Callable[[OnlinePerson], None]
    ) -> None:
        """When a grace is over, ``gone`` is called for those who did not come back, ``back`` for the rest.

        In the order of the subscriptions.
        """
        self._gone.append(gone)
        self._back.append(back)

    def __iter__(self) -> Iterator[OnlinePerson]:
        return iter(tuple(self._online.values()))

    def get(self, person: PersonId) -> OnlinePerson | None:
        return self._online.get(person)

    def is_here(self, person: PersonId) -> bool:
        """True for who is connected or may still come back."""
        online = self._online.get(person)
        return online is not None and online.presence.state is not PresenceState.ABSENT

    def online(self, person: Person) -> OnlinePerson:
        """The record of a person, created if missing: a person may ask without a connection."""
        online = self._online.get(person.id)
        if online is None:
            if len(self._online) >= VISITORS_MAX:
                self._forget_visitors()
            online = self._online[person.id] = OnlinePerson(person)
        return online

    def enter(self, person: Person, connection: PersonalListener, *, may_return: bool) -> OnlinePerson:
        """One more connection of the person. Above the limit it is turned away (3504)."""
        online = self.online(person)
        if len(online.connections) >= CONNECTIONS_PER_PERSON_MAX:
            raise Disconnected(*TOO_MANY_CONNECTIONS)
        online.connections[connection] = None
        online.presence = presence_rules.connected(online.presence, may_return=may_return)
        return online  # the alarm of the grace stays: not everything may have been followed again by then

    def leave(self, online: OnlinePerson, connection: PersonalListener) -> None:
        """One connection fewer. After the last one the grace begins, or the person is gone at once."""
        if connection not in online.connections:
            return
        del online.connections[connection]
        online.presence = presence_rules.dropped(
            online.presence, now=self._clock.now(), grace_s=self._resume_s
        )
        until = online.presence.until
        if until is None:
            return
        if online.presence.may_return and self._resume_s > 0:
            self._alarms.set(("gone", online.person.id), until, lambda: self._check_gone(online))
        else:
            self._check_gone(online)

    def visit(self, person: Person) -> None:
        """The person asks without a connection, and counts as here for a while."""
        online = self.online(person)
        online.presence = presence_rules.visited(online.presence, now=self._clock.now(), for_s=VISIT_S)
        if online.presence.until is not None:
            key = ("gone", person.id)
            self._alarms.set(key, online.presence.until, lambda: self._check_gone(online))

    def push(self, event: Personal) -> None:
        """Hand the event to all of its person's connections."""
        online = self._online.get(event.to)
        if online is None:
            return
        for connection in tuple(online.connections):
            if connection in online.connections:  # telling one may have ended another
                connection.push(event)

    def take_message(self, person: Person) -> None:
        """Count one message; refuse it when the person is too fast."""
        if self._messages is not None:
            online = self.online(person)
            online.messages = online.messages or Bucket(self._messages)
            self._take(online.messages, "Too fast.")

    def take_search(self, person: Person) -> None:
        """Count one search or skip; refuse it when the person is too fast."""
        online = self.online(person)
        if self._searches is not None:
            online.searches = online.searches or Bucket(self._searches)
            self._take(online.searches, "Too many searches.")

    def renamed(self, person: Person) -> None:
        """Updates the person's names, or makes a guest a user."""
        online = self._online.get(person.id)
        if online is not None:
            online.person = attrs.evolve(person, partition=online.person.partition)
            for connection in online.connections:
                connection.person = online.person

    def ephemeral_rooms(self, person: PersonId) -> Sequence[ConversationId]:
        """The person's open ephemeral rooms."""
        online = self._online.get(person)
        return () if online is None else tuple(online.ephemeral_rooms)

    def connections(self) -> Sequence[PersonalListener]:
        return [connection for online in self for connection in online.connections]

    def _take(self, bucket: Bucket, words: str) -> None:
        wait = bucket.take(self._clock.now())
        if wait > 0:
            seconds = max(1, round(wait + 0.5))
            raise Refused("too_many", f"{words} Try again in {seconds} s.", retry_after_s=wait)

    def _check_gone(self, online: OnlinePerson) -> None:
        if not presence_rules.is_gone(online.presence, now=self._clock.now()):
            if online.connections:
                for back in self._back:
                    back(online)
            return
        if self._online.get(online.person.id) is online:
            del self._online[online.person.id]
        online.presence = Presence()
        for gone in self._gone:
            gone(online)

    def _forget_visitors(self) -> None:
        """Forget who only asked over HTTP and owes nothing any more."""
        now = self._clock.now()
        for person, online in list(self._online.items()):
            buckets = [bucket for bucket in (online.messages, online.searches) if bucket is not None]
            if online.presence.state is PresenceState.ABSENT and all(b.is_full(now) for b in buckets):
                del self._online[person]
