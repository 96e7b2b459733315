"""The log: combines the rules of rooms, channels and messages, by command and by kind."""

from collections.abc import Iterable
from typing import assert_never

from chat_core.model.commands import (
    AddMember,
    Close,
    ConversationCommand,
    Decline,
    Delete,
    DeleteChannel,
    Edit,
    End,
    JoinChannel,
    Keep,
    Leave,
    LeaveChannel,
    Post,
    PublishData,
    Purge,
    React,
    RemoveMember,
    SetRole,
    Start,
    Tick,
    Unreact,
)
from chat_core.model.conversation import Channel, Conversation, Room
from chat_core.model.errors import InvariantBroken, Refused
from chat_core.model.events import Logged
from chat_core.model.ids import MessageId
from chat_core.model.message import Message
from chat_core.model.person import Person
from chat_core.rules import channel as channels
from chat_core.rules import messages
from chat_core.rules import room as rooms


def decide(
    conversation: Conversation,
    command: ConversationCommand,
    *,
    by: Person | None,
    now: float,
    new_id: MessageId = "",
    target: Message | None = None,
    repeated: Message | None = None,
) -> tuple[Logged, ...]:
    """Decides the events of a command by ``by`` at ``now``; ``by`` is None for Parley itself.

    In a room, due transitions come first. A refusal changes nothing, so a due
    transition is then left to its alarm.
    """
    match command:
        case Post() | Edit() | Delete() | React() | Unreact():  # first: it is the most frequent
            if by is None:
                raise InvariantBroken("a message without an author")
            due: tuple[Logged, ...] = ()
            if isinstance(conversation, Room) and conversation.deadline is not None:
                due = rooms.decide(conversation, Tick(room=conversation.id), now=now)
                conversation = fold(conversation, due)
            said = messages.decide(
                conversation, command, by=by, now=now, new_id=new_id, target=target, repeated=repeated
            )
            return due + said if due else said
        case Purge():
            if by is not None:
                raise InvariantBroken("Purge asked by a person")
            return messages.purge(conversation, target, now=now)
        case Start() | Keep() | Decline() | End() | Leave() | Close() | Tick():
            if not isinstance(conversation, Room):
                raise rooms.unknown()
            return rooms.decide(conversation, command, by=None if by is None else by.id, now=now)
        case (
            JoinChannel()
            | LeaveChannel()
            | DeleteChannel()
            | AddMember()
            | RemoveMember()
            | SetRole()
            | PublishData()
        ):
            if not isinstance(conversation, Channel) or by is None:
                raise channels.unknown()
            return channels.decide(conversation, command, by=by, now=now)
        case _:
            assert_never(command)


def evolve(conversation: Conversation, event: Logged) -> Conversation:
    """The conversation after the event."""
    match conversation:
        case Room():
            return rooms.evolve(conversation, event)
        case Channel():
            return channels.evolve(conversation, event)
        case _:
            raise InvariantBroken(f"{type(conversation).__name__} is neither a room nor a channel")


def fold(conversation: Conversation, events: Iterable[Logged]) -> Conversation:
    """The conversation after all the events, in their order."""
    for event in events:
        conversation = evolve(conversation, event)
    return conversation


def unknown() -> Refused:
    """The same refusal for a conversation that does not exist and for one that the caller may not see."""
    return Refused("unknown_room", "Conversation not found.")
