"""Notifications: the events of a conversation that concern one person, on all of their connections.

A partner learns who left. Nobody learns who declined to keep a timed room (the
reason says only that it ended).
"""

from collections.abc import Iterable, Iterator

from chat_core.model.conversation import Channel, Conversation, EndReason, Room
from chat_core.model.events import (
    ChannelChange,
    ChannelDeleted,
    ChannelsChanged,
    CountdownStarted,
    DecisionOpened,
    KeepAsked,
    LeaveReason,
    Logged,
    MemberJoined,
    MemberLeft,
    MessagePosted,
    Notification,
    NotificationKind,
    PartnerLeft,
    Personal,
    RoomEnded,
    RoomKept,
)
from chat_core.model.ids import PersonId
from chat_core.rules.mentions import mentions


def notifications(room: Room, event: Logged) -> Iterator[Personal]:
    """The notifications of ``event`` for the members of ``room`` (after the event), in member order."""
    match event:
        case CountdownStarted():
            yield from _to_all(room, event, NotificationKind.COUNTDOWN_STARTED)
        case KeepAsked(member=asker):
            for person in room.present():
                if person != asker:
                    yield Notification(
                        at=event.at,
                        to=person,
                        kind=NotificationKind.KEEP_REQUEST,
                        room=room,
                        sender=room.members[asker].card,
                    )
        case DecisionOpened():
            yield from _to_all(room, event, NotificationKind.DECISION)
        case RoomKept():
            yield from _to_all(room, event, NotificationKind.ROOM_KEPT)
        case MemberLeft(member=gone, reason=reason):
            yield from _partner_left(room, gone, reason, event.at)
        case RoomEnded():
            if room.rules.countdown_s is None and room.reason is not EndReason.MEMBER_LEFT:
                # An open-ended room has no decision to hide: if it was ended, the partner has left.
                yield from _partner_left(room, event.by, LeaveReason.LEFT, event.at)
            yield from _to_all(room, event, NotificationKind.ROOM_ENDED)


def personal(state: Conversation, event: Logged) -> Iterable[Personal]:
    """The notifications of the event, mentions included. ``state`` is the conversation after it."""
    if type(event) is MessagePosted:  # first: it is the most frequent
        return mentions(state, (event,)) if "@" in event.message.content else ()
    return notifications(state, event) if isinstance(state, Room) else ()


def found(room: Room, at: float) -> tuple[Notification, ...]:
    """The notifications for the members of a new room of a lobby."""
    return tuple(
        Notification(at=at, to=person, kind=NotificationKind.MATCH_FOUND, room=room)
        for person in room.present()
    )


def channel_changes(before: Channel, after: Channel, events: Iterable[Logged]) -> Iterator[ChannelsChanged]:
    """Whose channels these events changed, in their order. They led from ``before`` to ``after``."""
    members = dict.fromkeys(before.present())
    for event in events:
        match event:
            case MemberJoined(member=person):
                members[person] = None
                yield _changed(event, person, ChannelChange.JOINED, after)
            case MemberLeft(member=person):
                members.pop(person, None)
                yield _changed(event, person, ChannelChange.LEFT, after)
            case ChannelDeleted():
                for person in members:
                    yield _changed(event, person, ChannelChange.DELETED, after)


def _changed(event: Logged, person: PersonId, change: ChannelChange, channel: Channel) -> ChannelsChanged:
    return ChannelsChanged(at=event.at, by=event.by, to=person, change=change, channel=channel)


def _partner_left(room: Room, gone: str | None, reason: LeaveReason, at: float) -> Iterator[Personal]:
    for person in room.present():
        if person != gone:
            yield PartnerLeft(at=at, to=person, lobby=room.lobby, room=room.id, reason=reason)


def _to_all(room: Room, event: Logged, kind: NotificationKind) -> Iterator[Personal]:
    """For the present members, and for the person who has just left."""
    for person, member in room.members.items():
        if not member.left or person == event.by:
            yield Notification(at=event.at, to=person, kind=kind, room=room)
