"""Events: facts, in the past tense. An event cannot be refused.

    Event
    +-- Logged         has a position (``seq``) in a conversation's log
    |   +-- MessagePosted, MessageEdited, MessageDeleted, ReactionAdded, ReactionRemoved
    |   +-- DataPublished
    |   +-- MemberJoined, MemberLeft, OwnerChanged, RoleChanged, ChannelDeleted
    |   +-- RoomEvent: CountdownStarted, KeepAsked, KeepDeclined, DecisionOpened, RoomKept, RoomEnded
    +-- Ephemeral      about a conversation, pushed once, never stored: PersonTyped, ReadMarked,
    |                  PresenceChanged
    +-- Personal       for one person, on all of their connections: Matched, Waiting,
                       PartnerLeft, ChannelsChanged, Notification, Mentioned; StatusChanged on request

``by`` is the real id of the person who caused the event: it selects the connections
that get the sender's own copy, and is never shown.
"""

import enum
from typing import Final, TypeAlias

from chat_core.model.account import Status
from chat_core.model.conversation import Channel, EndReason, Role, Room, RoomOutcome, RoomState
from chat_core.model.ids import ConversationId, LobbyName, MessageId, PersonId
from chat_core.model.message import Message
from chat_core.model.person import Card
from chat_core.model.values import value


@value(kw_only=True)
class Event:
    at: float
    by: PersonId | None = None


@value(kw_only=True)
class Logged(Event):
    conversation: ConversationId
    seq: int


# Messages


@value(kw_only=True)
class MessagePosted(Logged):
    message: Message


@value(kw_only=True)
class MessageEdited(Logged):
    message_id: MessageId
    content: str


@value(kw_only=True)
class MessageDeleted(Logged):
    message_id: MessageId
    person: Card


@value(kw_only=True)
class ReactionAdded(Logged):
    message_id: MessageId
    emoji: str
    person: Card


@value(kw_only=True)
class ReactionRemoved(Logged):
    message_id: MessageId
    emoji: str
    person: Card


@value(kw_only=True)
class DataPublished(Logged):
    """JSON that is not a message; only if channels are open to all."""

    data: str


# Members


class LeaveReason(enum.StrEnum):
    LEFT = "left"
    DISCONNECTED = "disconnected"
    REMOVED = "removed"


@value(kw_only=True)
class MemberJoined(Logged):
    member: PersonId
    person: Card


@value(kw_only=True)
class MemberLeft(Logged):
    member: PersonId
    person: Card
    reason: LeaveReason = LeaveReason.LEFT


@value(kw_only=True)
class OwnerChanged(Logged):
    owner: PersonId
    person: Card


@value(kw_only=True)
class RoleChanged(Logged):
    member: PersonId
    person: Card
    role: Role


@value(kw_only=True)
class ChannelDeleted(Logged):
    pass


# The lifecycle of a room


@value(kw_only=True)
class RoomEvent(Logged):
    """A step of a room's lifecycle, with the room's state after it."""

    state: RoomState
    outcome: RoomOutcome | None = None
    deadline: float | None = None
    reason: EndReason | None = None


@value(kw_only=True)
class CountdownStarted(RoomEvent):
    pass


@value(kw_only=True)
class KeepAsked(RoomEvent):
    member: PersonId


@value(kw_only=True)
class KeepDeclined(RoomEvent):
    member: PersonId


@value(kw_only=True)
class DecisionOpened(RoomEvent):
    pass


@value(kw_only=True)
class RoomKept(RoomEvent):
    pass


@value(kw_only=True)
class RoomEnded(RoomEvent):
    pass


# Ephemeral


@value(kw_only=True)
class Ephemeral(Event):
    conversation: ConversationId
    person: Card


@value(kw_only=True)
class PersonTyped(Ephemeral):
    is_typing: bool


@value(kw_only=True)
class ReadMarked(Ephemeral):
    seq: int


class PresenceStatus(enum.StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"


@value(kw_only=True)
class PresenceChanged(Ephemeral):
    status: PresenceStatus


# For one person


@value(kw_only=True)
class Personal(Event):
    to: PersonId


@value(kw_only=True)
class Matched(Personal):
    """A lobby made a room. ``room`` is its id, ``snapshot`` its first state."""

    lobby: LobbyName
    room: ConversationId
    snapshot: Room


@value(kw_only=True)
class Waiting(Personal):
    """The person is in a queue. ``position`` counts from 1."""

    lobby: LobbyName
    position: int
    since: float


@value(kw_only=True)
class PartnerLeft(Personal):
    lobby: LobbyName
    room: ConversationId
    reason: LeaveReason


class ChannelChange(enum.StrEnum):
    JOINED = "joined"
    LEFT = "left"
    DELETED = "deleted"


@value(kw_only=True)
class ChannelsChanged(Personal):
    """The person joined or left a channel. ``channel`` is the state after that."""

    change: ChannelChange
    channel: Channel


@value(kw_only=True)
class StatusChanged(Personal):
    """The status of a person who shares a channel has changed; ``last_seen`` is the time."""

    person: Card
    status: Status
    last_seen: float


class NotificationKind(enum.StrEnum):
    MATCH_FOUND = "match_found"
    INVITED = "invited"
    COUNTDOWN_STARTED = "countdown_started"
    KEEP_REQUEST = "keep_request"
    DECISION = "decision"
    ROOM_KEPT = "room_kept"
    ROOM_ENDED = "room_ended"


@value(kw_only=True)
class Notification(Personal):
    """An event that concerns the person, in any conversation."""

    kind: NotificationKind
    room: Room
    sender: Card | None = None

    @property
    def key(self) -> "NotificationKey":
        """The key among the person's notifications: the room, the seq and the kind."""
        return self.room.id, self.room.head, self.kind


@value(kw_only=True)
class Mentioned(Personal):
    """A message of a persistent conversation mentions the person, as ``@name``."""

    conversation: ConversationId
    message_seq: int
    sender: Card

    @property
    def key(self) -> "NotificationKey":
        return self.conversation, self.message_seq, MENTION


MENTION: Final = "mention"
NotificationKey: TypeAlias = tuple[ConversationId, int, str]
AnyNotification: TypeAlias = Notification | Mentioned
"""A notification for one person, kept until a device received it."""
