"""After a commit, besides broadcasting: alarms, places in lobbies, notifications, pairing records."""

from collections.abc import Sequence
from typing import Final

from chat_core.engine.conversations.channels import Channels
from chat_core.engine.conversations.commit import Commit
from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.delivery.hub import Hub
from chat_core.engine.delivery.notifications import Notifications
from chat_core.engine.lobby.lobbies import Lobbies
from chat_core.engine.lobby.pairing_records import PairingRecords
from chat_core.engine.presence.people import People
from chat_core.engine.runtime.alarms import Alarms
from chat_core.model.commands import Tick
from chat_core.model.conversation import Channel, Persistence, Room, RoomState
from chat_core.model.events import (
    AnyNotification,
    Logged,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
)
from chat_core.model.ids import ConversationId
from chat_core.model.limits import EPHEMERAL_KEPT_S
from chat_core.ports import Clock
from chat_core.rules.notifications import channel_changes

_MESSAGES: Final = frozenset({MessagePosted, MessageEdited, MessageDeleted, ReactionAdded, ReactionRemoved})
"""Events that change nothing of a room but its head: nothing follows from them."""


class AfterCommit:
    """Called once for each turn with events, after they were broadcast."""

    def __init__(
        self,
        *,
        clock: Clock,
        alarms: Alarms,
        people: People,
        hub: Hub,
        lobbies: Lobbies,
        channels: Channels,
        conversations: Conversations,
        pairing_records: PairingRecords,
        notifications: Notifications,
    ) -> None:
        self._clock = clock
        self._alarms = alarms
        self._people = people
        self._hub = hub
        self._lobbies = lobbies
        self._channels = channels
        self._conversations = conversations
        self._pairing_records = pairing_records
        self._notifications = notifications

    def __call__(self, commit: Commit) -> None:
        before, after, events = commit.before, commit.after, commit.events
        if isinstance(before, Channel) and isinstance(after, Channel):
            self._tell(commit)
            self._channel_changed(before, after, events)
        elif isinstance(before, Room) and isinstance(after, Room):
            if not events or not _MESSAGES.issuperset(map(type, events)):  # seldom
                self._room_changed(before, after, events)
            self._tell(commit)

    def _tell(self, commit: Commit) -> None:
        for event in commit.personal:
            if isinstance(event, AnyNotification):
                self._notifications.notify(event)
            else:
                self._people.push(event)

    def _room_changed(self, before: Room, after: Room, events: Sequence[Logged]) -> None:
        if after.persistence is Persistence.EPHEMERAL:
            self._ephemeral_room_changed(before, after)
        if after.deadline != before.deadline:
            self.set_alarm(after)
        self._lobbies.room_changed(before, after, events)

    def _channel_changed(self, before: Channel, after: Channel, events: Sequence[Logged]) -> None:
        if after.deleted:
            self._channels.forget(after)
        if after.members is not before.members:
            for changed in channel_changes(before, after, events):
                self._people.push(changed)

    def set_alarm(self, room: Room) -> None:
        """Look at the room again when it asks to be looked at."""
        if room.deadline is None:
            self._alarms.cancel(("deadline", room.id))
        else:
            self._alarms.set(("deadline", room.id), room.deadline, lambda: self._tick(room.id))

    def _tick(self, room: ConversationId) -> None:
        self._conversations.ask_with_retry(room, Tick(room=room), None)

    def _ephemeral_room_changed(self, before: Room, after: Room) -> None:
        """Tracks the open ephemeral rooms: no store does."""
        if after.state is RoomState.ENDED and before.state is not RoomState.ENDED:
            self._pairing_records.close(after.id, after.ended_at or self._clock.now())
            when = self._clock.now() + EPHEMERAL_KEPT_S
            self._alarms.set(("forget", after.id), when, lambda: self._forget(after.id))
        for person in after.members:
            online = self._people.get(person)
            if online is None:
                continue
            for other, member in after.members.items():
                if other != person:
                    online.meets(member.card.id, other)
            if after.state is RoomState.ENDED or after.member(person) is None:
                online.ephemeral_rooms.pop(after.id, None)
            else:
                online.ephemeral_rooms[after.id] = None

    def _forget(self, room: ConversationId) -> None:
        """The log of a room of retention none is gone: nothing more can come of it."""
        self._conversations.forget(room)
        self._hub.drop(room)
