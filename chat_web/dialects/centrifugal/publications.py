"""Publications of P5 (P5.3): an event as ``data`` with its ``type``."""

from typing import Any, Final

import msgspec

from chat_core import (
    Channel,
    ChannelDeleted,
    Conversation,
    DataPublished,
    Ephemeral,
    Event,
    InitialState,
    LeaveReason,
    Logged,
    Matched,
    MemberJoined,
    MemberLeft,
    Mentioned,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    Notification,
    OwnerChanged,
    PartnerLeft,
    Person,
    Personal,
    PersonTyped,
    PresenceChanged,
    PresenceStatus,
    ReactionAdded,
    ReactionRemoved,
    ReadMarked,
    RoleChanged,
    RoomEvent,
    Waiting,
)
from chat_web.encoding import wire

PAGE_MAX: Final = 300  # publications in one answer to ``history``

_REASONS: Final = {LeaveReason.LEFT: "skipped", LeaveReason.DISCONNECTED: "disconnected"}


def name_of(conversation: Conversation) -> str:
    """The subscription name of a conversation."""
    if isinstance(conversation, Channel):
        return f"channel:{conversation.name}"
    return f"room:{conversation.id}"


def publication(event: Event, conversation: Conversation, *, now: float) -> dict[str, Any] | None:
    """The publication of an event: with an offset where it has a seq; None for what has no place here."""
    if isinstance(event, MessagePosted):  # first: it comes most often
        message = wire.message(event.message, conversation)
        posted = {"seq": event.seq, "at": wire.stamp(event.at), "type": "message_posted", "message": message}
        return {"data": posted, "offset": event.seq}
    if isinstance(event, DataPublished):
        return {"data": msgspec.Raw(event.data.encode()), "offset": event.seq}
    if isinstance(event, Logged):
        data = {"seq": event.seq, "at": wire.stamp(event.at), **_logged(event, conversation, now)}
        return {"data": data, "offset": event.seq}
    match event:
        case PersonTyped(person=person, is_typing=is_typing):
            return {"data": {"type": "typing", "person": wire.person(person), "is_typing": is_typing}}
        case ReadMarked(person=person, seq=seq):
            return {"data": {"type": "read", "person": wire.person(person), "seq": seq}}
        case PresenceChanged(person=person, status=status):
            return {"data": {"type": "presence", "person": wire.person(person), "status": status}}
        case _:
            return None


def presence(event: Ephemeral) -> dict[str, Any] | None:
    """The protocol's own join or leave push for a change of presence."""
    if not isinstance(event, PresenceChanged):
        return None
    info = {"client": event.person.id, "user": event.person.id, "conn_info": wire.person(event.person)}
    return {"join" if event.status is PresenceStatus.ONLINE else "leave": {"info": info}}


def personal(event: Personal, *, now: float) -> dict[str, Any] | None:
    """The data of a publication on ``user:<id>``."""
    match event:
        case Matched(lobby=lobby, snapshot=room, to=me):
            return {"type": "matched", "lobby": lobby, "room": wire.room(room, now=now, me=me)}
        case Waiting(lobby=lobby, position=position, since=since):
            return {"type": "waiting", "lobby": lobby, "position": position, "since": wire.stamp(since)}
        case PartnerLeft(room=room_id, reason=reason):
            return {"type": "partner_left", "room_id": room_id, "reason": _REASONS[reason]}
        case Notification(kind=kind):
            return {"type": kind, **wire.notification(event, now=now)}
        case Mentioned():
            return {"type": "mention", **wire.mention(event)}
        case _:
            return None


def initial_state(person: Person, found: InitialState, *, now: float) -> dict[str, Any]:
    """The data of the answer to ``connect``."""
    waiting = None
    if found.waiting is not None:
        waiting = {
            "lobby": found.waiting.lobby,
            "position": found.waiting.position,
            "since": wire.stamp_or_none(found.waiting.since),
        }
    rooms = [wire.room(room, now=now, me=person.id) for room in found.rooms]
    return {"person": wire.person(person), "rooms": rooms, "waiting": waiting}


def _logged(event: Logged, conversation: Conversation, now: float) -> dict[str, Any]:
    match event:
        case MessageEdited(message_id=message_id, content=content):
            edited_at = wire.stamp(event.at)
            return {
                "type": "message_edited",
                "message_id": message_id,
                "content": content,
                "edited_at": edited_at,
            }
        case MessageDeleted(message_id=message_id, person=person):
            return {"type": "message_deleted", "message_id": message_id, "by": wire.person(person)}
        case ReactionAdded() | ReactionRemoved():
            return {
                "type": "reaction_added" if isinstance(event, ReactionAdded) else "reaction_removed",
                "message_id": event.message_id,
                "emoji": event.emoji,
                "person": wire.person(event.person),
            }
        case MemberJoined(person=person):
            return {"type": "member_joined", "person": wire.person(person)}
        case MemberLeft(person=person):
            return {"type": "member_left", "person": wire.person(person)}
        case OwnerChanged(person=person):
            return {"type": "owner_changed", "person": wire.person(person)}
        case RoleChanged(person=person, role=role):
            return {"type": "role_changed", "person": wire.person(person), "role": role}
        case ChannelDeleted():
            return {"type": "channel_deleted"}
        case RoomEvent():
            return {"type": "room_state", "room": wire.room_after(event, conversation, now=now)}
        case _:
            raise TypeError(f"{type(event).__name__} has no publication")


__all__ = ["PAGE_MAX", "initial_state", "name_of", "personal", "presence", "publication"]
