"""P3's notifications: everything that concerns a person, on one connection, whatever the room.

First comes what no device was told yet; after that, what happens. The client has
nothing to say.
"""

from typing import Any

import attrs

from chat_core import (
    SERVER_ERROR,
    AnyNotification,
    Conversation,
    Event,
    Mentioned,
    Notification,
    NotificationKey,
    Personal,
    Refused,
)
from chat_web.dialects import typed_frames
from chat_web.dialects.intents import (
    Authenticated,
    Dialect,
    Disconnect,
    FetchNotifications,
    FinishedFrames,
    IntentResult,
    Intents,
    PendingNotifications,
    Send,
)
from chat_web.encoding import wire


@attrs.define
class ClientState:
    """Notifications that arrived while older ones were being read, and the keys of those."""

    early: list[AnyNotification] | None = attrs.field(factory=list)
    missed: frozenset[NotificationKey] = frozenset()


def _frames(event: Event, conversation: Conversation) -> tuple[bytes | None, bytes | None]:
    """It follows no conversation."""
    return None, None


class Notifications(Dialect):
    """The dialect of ``/ws/notifications``."""

    name = "notifications"
    encoder = FinishedFrames(_frames)

    def client_state(self) -> ClientState:
        return ClientState()

    def opened(self, client: ClientState, authenticated: Authenticated | None) -> Intents:
        return (FetchNotifications(),)

    def received(self, client: ClientState, text: str) -> Intents:
        return (typed_frames.not_understood("This socket takes no messages."),)

    def refused(self, text: str, error: Refused) -> Intents:
        return (typed_frames.unread(text, error),)

    def answered(self, client: ClientState, ref: Any, answer: IntentResult, *, now: float) -> Intents:
        if not isinstance(answer, PendingNotifications):
            return (Disconnect(*SERVER_ERROR),)
        early, client.early = client.early or [], None
        client.missed = frozenset(notification.key for notification in answer.notifications)
        live = (intent for notification in early for intent in self.pushed(client, notification, now=now))
        return *(_told(notification, now) for notification in answer.notifications), *live

    def pushed(self, client: ClientState, event: Personal, *, now: float) -> Intents:
        if not isinstance(event, Notification | Mentioned):
            return ()
        if client.early is not None:
            client.early.append(event)
            return ()
        if event.key in client.missed:  # it was among the older ones already
            return ()
        return (_told(event, now),)


def _told(notification: AnyNotification, now: float) -> Send:
    if isinstance(notification, Mentioned):
        return typed_frames.send("mention", **wire.mention(notification))
    return typed_frames.send(notification.kind, **wire.notification(notification, now=now))
