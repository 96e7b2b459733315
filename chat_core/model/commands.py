"""Commands: the requests of a person, in the imperative.

A command does not contain its sender: the connection knows them. Parley itself sends
``Tick``, ``Close`` and ``Purge``.
"""

from typing import TypeAlias

from chat_core.model.conversation import EndReason, Role
from chat_core.model.ids import ConversationId, LobbyName, MessageId, PersonId
from chat_core.model.person import Person
from chat_core.model.values import value

# Lobbies


@value(kw_only=True)
class Search:
    """Enter a lobby's queue.

    ``again`` keeps the old rank of a person whose partner left; it has no effect
    for others.
    """

    lobby: LobbyName
    interests: tuple[str, ...] = ()
    again: bool = False


@value(kw_only=True)
class CancelSearch:
    lobby: LobbyName


@value(kw_only=True)
class Skip:
    """Leave the room and search again in the lobby that made it, at the end of the queue."""

    room: ConversationId


# Rooms


@value(kw_only=True)
class OpenRoom:
    """Opens a room with a person; returns their common room if one has not ended."""

    other: Person


@value(kw_only=True)
class Start:
    room: ConversationId


@value(kw_only=True)
class Keep:
    """Say keep. ``in_answer``: only if another member has asked for it."""

    room: ConversationId
    in_answer: bool = False


@value(kw_only=True)
class Decline:
    """Answer "not yet" to an early keep: the countdown goes on."""

    room: ConversationId


@value(kw_only=True)
class End:
    room: ConversationId


@value(kw_only=True)
class Leave:
    """Leave a room. ``disconnected``: the person lost their connections and did not choose to leave."""

    room: ConversationId
    disconnected: bool = False


@value(kw_only=True)
class Close:
    """Parley itself ends a room: a member blocked another, or a moderator closed it."""

    room: ConversationId
    reason: EndReason


@value(kw_only=True)
class Tick:
    """Apply due transitions. Has no effect if nothing is due, so it is idempotent."""

    room: ConversationId


# Channels


@value(kw_only=True)
class CreateChannel:
    name: str
    description: str = ""
    private: bool = False


@value(kw_only=True)
class JoinChannel:
    name: str


@value(kw_only=True)
class LeaveChannel:
    name: str
    new_owner: PersonId | None = None


@value(kw_only=True)
class DeleteChannel:
    name: str


@value(kw_only=True)
class AddMember:
    """Add a person to a channel, public or private: for its owner and moderators."""

    name: str
    person: Person


@value(kw_only=True)
class RemoveMember:
    """Remove a member from a channel: for its owner and moderators."""

    name: str
    member: PersonId


@value(kw_only=True)
class SetRole:
    """Make a member a moderator, or a moderator a plain member: for the owner."""

    name: str
    member: PersonId
    role: Role


# Messages


@value(kw_only=True)
class Post:
    conversation: ConversationId
    content: str
    client_id: str | None = None
    reply_to: MessageId | None = None
    attachments: tuple[str, ...] = ()


@value(kw_only=True)
class PublishData:
    """Append JSON to a channel's log unchanged. Only if channels are open to all (development)."""

    conversation: ConversationId
    data: str


@value(kw_only=True)
class Edit:
    message: MessageId
    content: str


@value(kw_only=True)
class Delete:
    message: MessageId


@value(kw_only=True)
class Purge:
    """Parley itself deletes a message, for example when it erases the author."""

    message: MessageId


@value(kw_only=True)
class React:
    message: MessageId
    emoji: str


@value(kw_only=True)
class Unreact:
    message: MessageId
    emoji: str


@value(kw_only=True)
class MarkRead:
    """Everything up to ``seq`` has been read. A read mark never moves back."""

    conversation: ConversationId
    seq: int


@value(kw_only=True)
class Type:
    """The person is typing, or has stopped. Broadcast to followers, never stored."""

    conversation: ConversationId
    is_typing: bool = True


# People


@value(kw_only=True)
class Block:
    """Never be paired with this person again, both ways; a common room ends.

    ``user`` is the id on the person's card; in an anonymous room, that of the pseudonym.
    """

    user: PersonId


@value(kw_only=True)
class Unblock:
    user: PersonId


RoomCommand: TypeAlias = Start | Keep | Decline | End | Leave | Close | Tick
ChannelCommand: TypeAlias = JoinChannel | LeaveChannel | DeleteChannel | AddMember | RemoveMember | SetRole
MessageCommand: TypeAlias = Post | Edit | Delete | React | Unreact
LobbyCommand: TypeAlias = Search | CancelSearch | Skip
ConversationCommand: TypeAlias = RoomCommand | ChannelCommand | MessageCommand | Purge | PublishData
Command: TypeAlias = (
    ConversationCommand | CreateChannel | OpenRoom | LobbyCommand | MarkRead | Type | Block | Unblock
)
