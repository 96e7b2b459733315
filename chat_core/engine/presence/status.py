"""Status updates: notifies the connections that share a channel with a person when their status changes.

Only connections that ask for it hear of it, about the channels that they follow.
"""

from collections.abc import Iterable
from typing import Protocol

from chat_core.engine.presence.people import OnlinePerson, People
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.account import Status
from chat_core.model.errors import ChatError
from chat_core.model.events import StatusChanged
from chat_core.model.ids import PersonId
from chat_core.model.person import Person, PersonKind
from chat_core.ports import Clock
from chat_core.ports.accounts import Accounts


class Watcher(Protocol):
    """A connection that receives status changes of others."""

    @property
    def person(self) -> Person: ...

    def push(self, event: StatusChanged) -> None:
        """Hand on what concerns its person."""


class Watchers(Protocol):
    """The hub, as far as a status needs it."""

    def watchers(self, person: PersonId) -> Iterable[Watcher]:
        """The connections that watch a channel in which the person is, each once."""


class StatusFeed:
    """Tells the watchers of a person's channels how the person is seen, once that changes."""

    def __init__(
        self, *, clock: Clock, tasks: Tasks, people: People, accounts: Accounts, topics: Watchers
    ) -> None:
        self._clock = clock
        self._tasks = tasks
        self._people = people
        self._accounts = accounts
        self._topics = topics

    def look(self, online: OnlinePerson) -> None:
        """Checks the person's status and broadcasts it if it changed."""
        self._tasks.begin(self._look(online, self._clock.now()))

    async def _look(self, online: OnlinePerson, at: float) -> None:
        try:
            status = await self._status_of(online.person)
        except ChatError:
            return  # the next change tells
        if status is online.shown:
            return
        online.shown = status
        by, card = online.person.id, online.person.card
        for watcher in self._topics.watchers(by):
            to = watcher.person.id
            watcher.push(StatusChanged(at=at, by=by, to=to, person=card, status=status, last_seen=at))

    async def _status_of(self, person: Person) -> Status:
        """How others see the person now. Raises ``Unavailable``."""
        if not self._people.is_here(person.id):
            return Status.OFFLINE
        account = await self._accounts.by_id(person.id) if person.kind is PersonKind.USER else None
        if account is None:
            return Status.ONLINE
        return account.profile(is_here=self._people.is_here(person.id), now=self._clock.now()).status
