"""Neighbours: who hears how a person is seen. Those who share a channel, each connection once.

Only connections that ask for it hear of it, about the channels that they follow.
"""

from collections.abc import Awaitable, Callable

from chat_core.engine.presence.people import Attendee, PersonalListener
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.account import Status
from chat_core.model.conversation import Channel, Conversation
from chat_core.model.errors import ChatError
from chat_core.model.events import NeighbourSeen
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.person import Person
from chat_core.ports import Clock


class Neighbours:
    """Watchers by conversation. ``status_of`` tells how others see a person now."""

    def __init__(
        self,
        *,
        clock: Clock,
        tasks: Tasks,
        peek: Callable[[ConversationId], Conversation | None],
        status_of: Callable[[Person], Awaitable[Status]],
    ) -> None:
        self._clock = clock
        self._tasks = tasks
        self._peek = peek
        self._status_of = status_of
        self._watchers: dict[ConversationId, dict[PersonalListener, None]] = {}

    def watch(self, watcher: PersonalListener, conversation: ConversationId) -> None:
        """Tell the watcher how the members of that channel are seen, once that changes. Twice is once."""
        self._watchers.setdefault(conversation, {})[watcher] = None

    def unwatch(self, watcher: PersonalListener, conversation: ConversationId) -> None:
        """Tell it no more. Harmless where it did not watch."""
        watchers = self._watchers.get(conversation)
        if watchers is not None:
            watchers.pop(watcher, None)
            if not watchers:
                del self._watchers[conversation]

    def look(self, attendee: Attendee) -> None:
        """The person came, has gone, or wants to be seen otherwise: told where that makes a difference."""
        self._tasks.begin(self._look(attendee, self._clock.now()))

    async def _look(self, attendee: Attendee, at: float) -> None:
        try:
            status = await self._status_of(attendee.person)
        except ChatError:
            return  # the next change tells
        if status is attendee.shown:
            return
        attendee.shown = status
        by, card = attendee.person.id, attendee.person.card
        for watcher in self._sharing(by):
            to = watcher.person.id
            watcher.tell(NeighbourSeen(at=at, by=by, to=to, person=card, status=status, last_seen=at))

    def _sharing(self, person: PersonId) -> dict[PersonalListener, None]:
        """The watchers of the channels in which the person is, each once."""
        found: dict[PersonalListener, None] = {}
        for conversation, watchers in self._watchers.items():
            state = self._peek(conversation)
            if isinstance(state, Channel) and state.member(person) is not None:
                found.update(watchers)
        return found
