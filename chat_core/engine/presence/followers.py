"""Followers: notifies others when a person begins or ceases to follow a conversation.

Only a person's first connection that follows and the end of the last one are broadcast.
A drop changes nothing before the person's grace is over: until then it counts as if the
connection still followed (``OnlinePerson.last_positions``). Kept out: who follows what,
which is kept by the connections and the hub.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from chat_core.engine.presence.people import OnlinePerson, PersonalListener
from chat_core.engine.results import Position
from chat_core.model.conversation import Conversation
from chat_core.model.events import Ephemeral, PresenceChanged, PresenceStatus
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.person import Card, Person
from chat_core.ports import Clock


class Follower(Protocol):
    """A connection that follows a conversation."""

    @property
    def person(self) -> Person: ...


class Topics(Protocol):
    """The hub, as far as presence needs it."""

    def listeners(self, conversation: ConversationId) -> Sequence[Follower]:
        """The connections that follow the conversation."""

    def broadcast_ephemeral(self, event: Ephemeral) -> None:
        """Broadcast an ephemeral event to all of them."""


class Followers:
    """Keeps ``OnlinePerson.last_positions``, and broadcasts who comes and goes."""

    def __init__(
        self, clock: Clock, topics: Topics, peek: Callable[[ConversationId], Conversation | None]
    ) -> None:
        self._clock = clock
        self._topics = topics
        self._peek = peek

    def at(self, conversation: Conversation) -> Mapping[PersonId, tuple[Card, int]]:
        """The followers of the conversation now: each card, and the number of connections."""
        here: dict[PersonId, tuple[Card, int]] = {}
        for listener in self._topics.listeners(conversation.id):
            _, count = here.get(listener.person.id, (None, 0))
            here[listener.person.id] = (conversation.card_of(listener.person), count + 1)
        return here

    def followed(self, online: OnlinePerson, connection: PersonalListener, state: Conversation) -> None:
        """One more connection of the person follows it; notifies others of the first."""
        if online.last_positions.pop(state.id, None) is not None:
            return  # within the grace: it takes the place of the one that dropped
        if not online.is_following(state.id, apart_from=connection):
            self._broadcast(online.person, state, PresenceStatus.ONLINE)

    def unfollowed(self, online: OnlinePerson, conversation: ConversationId) -> None:
        """One connection fewer follows it; notifies others of the last."""
        if not online.is_following(conversation):
            self._broadcast_gone(online.person, conversation)

    def dropped(
        self,
        online: OnlinePerson,
        connection: PersonalListener,
        last_positions: Mapping[ConversationId, Position],
    ) -> None:
        """A connection closes; ``last_positions``: how far each was delivered.

        While another is open it is as if its follows had ended one by one.
        """
        if any(other is not connection for other in online.connections):
            for conversation in last_positions:
                self.unfollowed(online, conversation)
        else:
            online.last_positions.update(last_positions)

    def back(self, online: OnlinePerson) -> None:
        """The person came back within the grace, but did not follow these again."""
        self._broadcast_all_gone(online)

    def gone(self, online: OnlinePerson) -> None:
        """The person's grace is over."""
        self._broadcast_all_gone(online)

    def _broadcast_all_gone(self, online: OnlinePerson) -> None:
        for conversation in tuple(online.last_positions):
            del online.last_positions[conversation]
            self.unfollowed(online, conversation)

    def _broadcast_gone(self, person: Person, conversation: ConversationId) -> None:
        state = self._peek(conversation)
        if state is not None:
            self._broadcast(person, state, PresenceStatus.OFFLINE)

    def _broadcast(self, person: Person, state: Conversation, status: PresenceStatus) -> None:
        self._topics.broadcast_ephemeral(
            PresenceChanged(
                at=self._clock.now(),
                by=person.id,
                conversation=state.id,
                person=state.card_of(person),
                status=status,
            )
        )
