"""Undelivered notifications, in memory."""

from collections.abc import Callable, Iterable, Sequence

import attrs

from chat_core.model.conversation import Conversation
from chat_core.model.events import AnyNotification, Notification, NotificationKey
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.limits import NOTIFICATIONS_KEPT_MAX


class Notifications:
    """Each person's notifications by their key, oldest first."""

    def __init__(self) -> None:
        self._kept: dict[PersonId, dict[NotificationKey, AnyNotification]] = {}

    def keep(self, notifications: Iterable[AnyNotification]) -> None:
        """Adds these; keeps the newest of each person."""
        for notification in notifications:
            kept = self._kept.setdefault(notification.to, {})
            kept.setdefault(notification.key, notification)
            while len(kept) > NOTIFICATIONS_KEPT_MAX:
                del kept[next(iter(kept))]

    def of(
        self, person: PersonId, state_of: Callable[[ConversationId], Conversation]
    ) -> Sequence[AnyNotification]:
        """The person's notifications, with the current members."""
        found: list[AnyNotification] = []
        for (home, _, _), notification in self._kept.get(person, {}).items():
            members = state_of(home).members
            cards = {member.card.id: member.card for member in members.values()}
            card = None if notification.sender is None else cards.get(notification.sender.id)
            if isinstance(notification, Notification):
                room = attrs.evolve(notification.room, members=members)
                found.append(attrs.evolve(notification, room=room, sender=card))
            elif card is not None:
                found.append(attrs.evolve(notification, sender=card, by=card.id))
        return found

    def drop(self, person: PersonId, keys: Iterable[NotificationKey]) -> None:
        """Deletes these notifications after delivery."""
        for key in keys:
            self._kept.get(person, {}).pop(key, None)

    def forget(self, person: PersonId) -> None:
        """Deletes all notifications of the person."""
        self._kept.pop(person, None)

    def forget_conversation(self, conversation: ConversationId) -> None:
        """Deletes all notifications about the conversation."""
        for person, kept in self._kept.items():
            self.drop(person, [key for key in kept if key[0] == conversation])
