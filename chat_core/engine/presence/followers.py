"""Attendance: who follows which conversation, counted by person, and who is to hear of it.

Others hear of a person's first follow and of the last one's end. A drop ends
nothing before the person's grace is over.
"""

from collections.abc import Callable, Mapping

from chat_core.engine.delivery.hub import Hub
from chat_core.engine.presence.people import Attendee
from chat_core.engine.results import Position
from chat_core.model.conversation import Conversation
from chat_core.model.events import PresenceChanged, PresenceStatus
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.person import Card, Person
from chat_core.ports import Clock


class Attendance:
    """Keeps ``Attendee.follows`` and ``Attendee.heard``, and tells the changes."""

    def __init__(self, clock: Clock, hub: Hub, peek: Callable[[ConversationId], Conversation | None]) -> None:
        self._clock = clock
        self._hub = hub
        self._peek = peek

    def at(self, conversation: Conversation) -> Mapping[PersonId, tuple[Card, int]]:
        """Who follows the conversation now: the person's card, and how many connections."""
        here: dict[PersonId, tuple[Card, int]] = {}
        for listener in self._hub.listeners(conversation.id):
            _, count = here.get(listener.person.id, (None, 0))
            here[listener.person.id] = (card_in(conversation, listener.person), count + 1)
        return here

    def followed(self, attendee: Attendee, state: Conversation) -> None:
        """One more connection of the person follows it; others hear of the first."""
        if attendee.heard.pop(state.id, None) is not None:
            return  # within the grace: it takes the place of the one that dropped
        count = attendee.follows.get(state.id, 0)
        attendee.follows[state.id] = count + 1
        if not count:
            self._tell(attendee.person, state, PresenceStatus.ONLINE)

    def unfollowed(self, attendee: Attendee, conversation: ConversationId) -> None:
        """One connection fewer follows it; others hear of the last."""
        count = attendee.follows.get(conversation, 0)
        if count > 1:
            attendee.follows[conversation] = count - 1
        elif count:
            del attendee.follows[conversation]
            self._tell_gone(attendee.person, conversation)

    def dropped(self, attendee: Attendee, heard: Mapping[ConversationId, Position]) -> None:
        """A connection has closed. While another is open it is as if its follows had ended."""
        if attendee.connections:
            for conversation in heard:
                self.unfollowed(attendee, conversation)
        else:
            attendee.heard.update(heard)

    def back(self, attendee: Attendee) -> None:
        """The person came back within the grace, but did not follow these again."""
        for conversation in tuple(attendee.heard):
            del attendee.heard[conversation]
            self.unfollowed(attendee, conversation)

    def gone(self, attendee: Attendee) -> None:
        """The person's grace is over."""
        for conversation in tuple(attendee.follows):
            self._tell_gone(attendee.person, conversation)
        attendee.follows.clear()

    def _tell_gone(self, person: Person, conversation: ConversationId) -> None:
        state = self._peek(conversation)
        if state is not None:
            self._tell(person, state, PresenceStatus.OFFLINE)

    def _tell(self, person: Person, state: Conversation, status: PresenceStatus) -> None:
        self._hub.pass_on(
            PresenceChanged(
                at=self._clock.now(),
                by=person.id,
                conversation=state.id,
                person=card_in(state, person),
                status=status,
            )
        )


def card_in(conversation: Conversation, person: Person) -> Card:
    """How the person is seen there: as the member that it is, else as itself."""
    member = conversation.members.get(person.id)
    return person.card if member is None else member.card
