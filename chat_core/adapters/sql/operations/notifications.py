"""Notifications and their rows."""

import json
from collections.abc import Sequence

import attrs

from chat_core.adapters.sql.database import Connection
from chat_core.adapters.sql.schema import statements as sql
from chat_core.adapters.sql.schema.event_rows import Row
from chat_core.adapters.sql.schema.rows import conversations, own_fields, own_text
from chat_core.model.conversation import Conversation, Room
from chat_core.model.errors import InvariantBroken
from chat_core.model.events import (
    MENTION,
    AnyNotification,
    Mentioned,
    Notification,
    NotificationKey,
    NotificationKind,
)
from chat_core.model.ids import PersonId
from chat_core.model.limits import NOTIFICATIONS_KEPT_MAX


def steps(notifications: Sequence[AnyNotification]) -> list[tuple[str, Row]]:
    """The statements that write the notifications of one change; they keep the newest of each person."""
    written = [
        (sql.PUT_NOTICE, _row(notification, place)) for place, notification in enumerate(notifications)
    ]
    people = dict.fromkeys(notification.to for notification in notifications)
    return [*written, *((sql.DROP_OLD_NOTICES, (person, NOTIFICATIONS_KEPT_MAX)) for person in people)]


async def notifications_of(db: Connection, person: PersonId) -> Sequence[AnyNotification]:
    """The person's notifications, oldest first."""
    rows = await db.rows(sql.NOTIFICATIONS_OF, person)
    homes = {id_: next(conversations(await db.rows(sql.LOAD, id_))) for id_ in {row[0] for row in rows}}
    return [
        notification
        for row in rows
        if (notification := _notification(person, homes[row[0]], row)) is not None
    ]


async def drop_notifications(db: Connection, person: PersonId, keys: Sequence[NotificationKey]) -> None:
    for key in keys:
        await db.run(sql.DROP_NOTICE, person, *key)


def _row(notification: AnyNotification, place: int) -> Row:
    sender = None if notification.sender is None else notification.sender.id
    state = own_text(notification.room) if isinstance(notification, Notification) else ""
    return (notification.to, *notification.key, notification.at, place, sender, state)


def _notification(person: PersonId, home: Conversation, row: Row) -> AnyNotification | None:
    _, seq, kind, at, sender, state = row
    card = next((member.card for member in home.members.values() if member.card.id == sender), None)
    if kind == MENTION:
        if card is None:  # a sender who has left since can no longer be answered
            return None
        return Mentioned(at=at, by=card.id, to=person, conversation=home.id, message_seq=seq, sender=card)
    if not isinstance(home, Room):
        raise InvariantBroken(f"a notice of kind {kind} in the channel {home.id}")
    room = attrs.evolve(home, head=seq, **own_fields(json.loads(state)))
    return Notification(at=at, to=person, kind=NotificationKind(kind), room=room, sender=card)
