"""Notifications: delivered to every connection of a person, and kept until a device received them.

A notification of a persistent room is stored together with its event. It is deleted
soon after a connection that shows notifications received it: after a crash the newest
may come twice, and none is lost. Kept out: which there are (``rules.notifications``).
"""

from collections.abc import Sequence

from chat_core.engine.presence.people import People, PersonalListener
from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.conversation import Persistence
from chat_core.model.errors import ChatError
from chat_core.model.events import AnyNotification, Mentioned, NotificationKey
from chat_core.model.ids import PersonId
from chat_core.model.limits import RETRY_S
from chat_core.ports import Clock, Store


class Notifications:
    """Delivered notifications; ``_delivered`` are those that the store does not know of yet."""

    def __init__(self, *, store: Store, people: People, alarms: Alarms, clock: Clock, tasks: Tasks) -> None:
        self._store = store
        self._people = people
        self._alarms = alarms
        self._clock = clock
        self._tasks = tasks
        self._delivered: dict[PersonId, dict[NotificationKey, None]] = {}
        self._dropping = False

    def notify(self, notification: AnyNotification) -> None:
        """Hand it to all of its person's connections; a mention only where neither blocks the other."""
        if isinstance(notification, Mentioned):
            self._tasks.spawn(self._deliver_mention(notification))
        else:
            self._deliver(notification, is_kept=notification.room.persistence is Persistence.PERSISTENT)

    async def take(self, connection: PersonalListener) -> Sequence[AnyNotification]:
        """Pending notifications for this connection alone, oldest first; it shows notifications from now on.

        What is told meanwhile reaches it too, and may be among them: a key is a
        notification's own. Raises ``Unavailable``.
        """
        connection.shows_notifications = True
        person = connection.person.id
        kept = await self._store.notifications_of(person)
        delivered = self._delivered.get(person, {})
        missed = [notification for notification in kept if notification.key not in delivered]
        named = any(isinstance(notification, Mentioned) for notification in missed)
        blocked = await self._store.blocked_with(person) if named else frozenset()
        if not connection.is_open:
            return ()
        for notification in missed:
            self._was_delivered(notification)
        return [one for one in missed if not (isinstance(one, Mentioned) and one.sender.id in blocked)]

    async def finish(self) -> None:
        """Stores which notifications were delivered; gives up if the store does not answer."""
        await self._drop_all()

    async def _deliver_mention(self, mention: Mentioned) -> None:
        if self._people.get(mention.to) is None:
            return  # not here: kept
        try:
            blocked = await self._store.blocked_with(mention.to)
        except ChatError:
            return  # kept
        if mention.sender.id not in blocked:
            self._deliver(mention, is_kept=True)

    def _deliver(self, notification: AnyNotification, *, is_kept: bool) -> None:
        self._people.push(notification)
        online = self._people.get(notification.to)
        if online is None or not is_kept:
            return
        if any(connection.shows_notifications for connection in online.connections):
            self._was_delivered(notification)

    def _was_delivered(self, notification: AnyNotification) -> None:
        self._delivered.setdefault(notification.to, {})[notification.key] = None
        if not self._dropping:
            self._dropping = True
            self._tasks.spawn(self._drop_all())

    async def _drop_all(self) -> None:
        try:
            while self._delivered:
                person, keys = next((person, tuple(keys)) for person, keys in self._delivered.items())
                await self._store.drop_notifications(person, keys)
                rest = self._delivered[person]
                for key in keys:
                    rest.pop(key, None)
                if not rest:
                    del self._delivered[person]
        except ChatError:
            when = self._clock.now() + RETRY_S
            self._alarms.set(("notices", ""), when, lambda: self._tasks.spawn(self._drop_all()))
        finally:
            self._dropping = False
