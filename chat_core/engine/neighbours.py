"""Neighbours: who hears of a person's coming and going. Those who share a channel, each connection once.

Only connections that ask for it hear of it, about the channels that they follow.
"""

from collections.abc import Callable
from typing import Protocol

from chat_core.engine.people import Attendee, PersonalListener
from chat_core.ports import Clock
from chat_core.words.conversation import Channel, Conversation
from chat_core.words.events import NeighbourSeen, PresenceStatus
from chat_core.words.ids import ConversationId, PersonId
from chat_core.words.person import Person


class Watcher(PersonalListener, Protocol):
    """A connection that watches its neighbours."""

    @property
    def person(self) -> Person: ...


class Neighbours:
    """Watchers by conversation."""

    def __init__(self, clock: Clock, peek: Callable[[ConversationId], Conversation | None]) -> None:
        self._clock = clock
        self._peek = peek
        self._watchers: dict[ConversationId, dict[Watcher, None]] = {}

    def watch(self, watcher: Watcher, conversation: ConversationId) -> None:
        """Tell the watcher who comes and goes of that channel's members. Twice is once."""
        self._watchers.setdefault(conversation, {})[watcher] = None

    def unwatch(self, watcher: Watcher, conversation: ConversationId) -> None:
        """Tell it no more. Harmless where it did not watch."""
        watchers = self._watchers.get(conversation)
        if watchers is not None:
            watchers.pop(watcher, None)
            if not watchers:
                del self._watchers[conversation]

    def came(self, attendee: Attendee) -> None:
        """The person is here: told once until it has gone."""
        if not attendee.is_seen:
            attendee.is_seen = True
            self._tell(attendee.person, PresenceStatus.ONLINE)

    def gone(self, attendee: Attendee) -> None:
        """The person is here no more."""
        if attendee.is_seen:
            attendee.is_seen = False
            self._tell(attendee.person, PresenceStatus.OFFLINE)

    def _tell(self, person: Person, status: PresenceStatus) -> None:
        now = self._clock.now()
        for watcher in self._sharing(person.id):
            watcher.tell(
                NeighbourSeen(
                    at=now,
                    by=person.id,
                    to=watcher.person.id,
                    person=person.card,
                    status=status,
                    last_seen=now,
                )
            )

    def _sharing(self, person: PersonId) -> dict[Watcher, None]:
        """The watchers of the channels in which the person is, each once."""
        found: dict[Watcher, None] = {}
        for conversation, watchers in self._watchers.items():
            state = self._peek(conversation)
            if isinstance(state, Channel) and state.member(person) is not None:
                found.update(watchers)
        return found
