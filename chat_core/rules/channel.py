"""The channel: who may join, leave, own and delete it.

A public channel is open to every account; its owner cannot leave without
transferring it. Its moderators, appointed by the owner, may add and remove
members. The default channels have no owner. Not here: messages, and whether a
name is free (the store decides that).
"""

import re
from typing import Final, assert_never

import attrs

from chat_core.model.commands import (
    AddMember,
    ChannelCommand,
    CreateChannel,
    DeleteChannel,
    JoinChannel,
    LeaveChannel,
    PublishData,
    RemoveMember,
    SetRole,
)
from chat_core.model.conversation import Channel, Member, Role
from chat_core.model.errors import InvariantBroken, Refused
from chat_core.model.events import (
    ChannelDeleted,
    DataPublished,
    LeaveReason,
    Logged,
    MemberJoined,
    MemberLeft,
    MessagePosted,
    OwnerChanged,
    RoleChanged,
)
from chat_core.model.ids import PersonId
from chat_core.model.limits import (
    CHANNEL_DESCRIPTION_LENGTH_MAX,
    CHANNEL_NAME_LENGTH_MAX,
    DATA_LENGTH_MAX,
    MEMBERS_PER_CHANNEL_MAX,
    OPEN_NAME_LENGTH_MAX,
)
from chat_core.model.person import Person

_NAME: Final = re.compile(rf"[a-z0-9_-]{{1,{CHANNEL_NAME_LENGTH_MAX}}}")


def check(command: CreateChannel, *, any_name: bool = False) -> None:
    """Refuses an invalid name or description of a channel."""
    if any_name:
        if not 1 <= len(command.name) <= OPEN_NAME_LENGTH_MAX:
            words = f"A channel's name has 1 to {OPEN_NAME_LENGTH_MAX} characters."
            raise Refused("invalid", words, fields={"name": words})
    elif not _NAME.fullmatch(command.name):
        words = f"A channel's name is 1 to {CHANNEL_NAME_LENGTH_MAX} of a-z, 0-9, _ and -."
        raise Refused("invalid", words, fields={"name": words})
    if len(command.description) > CHANNEL_DESCRIPTION_LENGTH_MAX:
        words = f"A description has at most {CHANNEL_DESCRIPTION_LENGTH_MAX} characters."
        raise Refused("invalid", words, fields={"description": words})


def opening(channel: Channel, *, by: Person | None, now: float) -> tuple[Logged, ...]:
    """The first events of a new channel: its owner joins it."""
    return () if by is None else (_joined(channel, by, by, now),)


def decide(
    channel: Channel, command: ChannelCommand | PublishData, *, by: Person, now: float
) -> tuple[Logged, ...]:
    """Decides the events of a command by ``by`` at ``now``. Refuses what is not allowed."""
    member = channel.member(by.id)
    if channel.deleted or (channel.private and member is None):
        raise unknown()
    match command:
        case JoinChannel():
            return () if member is not None else (_joins(channel, by, by, now),)
        case LeaveChannel(new_owner=new_owner):
            return () if member is None else _leave(channel, by, new_owner, now)
        case DeleteChannel():
            if channel.owner != by.id:
                raise Refused("not_owner", "Only the owner can delete a channel.")
            return (ChannelDeleted(conversation=channel.id, seq=channel.head + 1, at=now, by=by.id),)
        case AddMember(person=person):
            _check_moderates(member)
            return () if channel.member(person.id) is not None else (_joins(channel, person, by, now),)
        case RemoveMember(member=gone):
            return (_removed(channel, gone, by, now),)
        case SetRole():
            return _role(channel, command, by, now)
        case PublishData(data=data):
            if len(data) > DATA_LENGTH_MAX:
                raise Refused("too_large", f"At most {DATA_LENGTH_MAX} characters can be published.")
            seq = channel.head + 1
            return (DataPublished(conversation=channel.id, seq=seq, at=now, by=by.id, data=data),)
        case _:
            assert_never(command)


def evolve(channel: Channel, event: Logged) -> Channel:
    """The channel after the event."""
    if event.seq != channel.head + 1:
        raise InvariantBroken(f"seq {event.seq} after {channel.head} in {channel.id}")
    match event:
        case MessagePosted():
            return channel.advanced(event.seq)
        case MemberJoined(member=person, person=card):
            role = Role.OWNER if channel.owner == person else Role.MEMBER
            member = Member(card=card, role=role, joined_at=event.at)
            return attrs.evolve(channel, head=event.seq, members={**channel.members, person: member})
        case MemberLeft(member=person):
            rest = {other: member for other, member in channel.members.items() if other != person}
            return attrs.evolve(channel, head=event.seq, members=rest)
        case OwnerChanged(owner=owner):
            return _handed_over(channel, owner, event.seq)
        case RoleChanged(member=person, role=role):
            changed = attrs.evolve(channel.members[person], role=role)
            return attrs.evolve(channel, head=event.seq, members={**channel.members, person: changed})
        case ChannelDeleted():
            return attrs.evolve(channel, head=event.seq, deleted=True, members={})
        case _:
            return channel.advanced(event.seq)


def unknown() -> Refused:
    """The same refusal for a channel that does not exist and for one that the caller may not see."""
    return Refused("unknown_channel", "Channel not found.")


def not_there() -> Refused:
    """The refusal for a named person who is not a member."""
    return Refused("unknown_user", "Member not found.")


def _joins(channel: Channel, person: Person, by: Person, now: float) -> MemberJoined:
    if len(channel.members) >= MEMBERS_PER_CHANNEL_MAX:
        raise Refused("wrong_state", "This channel is full.")
    return _joined(channel, person, by, now)


def _joined(channel: Channel, person: Person, by: Person, now: float) -> MemberJoined:
    return MemberJoined(
        conversation=channel.id, seq=channel.head + 1, at=now, by=by.id, member=person.id, person=person.card
    )


def _check_moderates(member: Member | None) -> None:
    if member is None or member.role is Role.MEMBER:
        raise Refused("not_owner", "Only the owner and moderators can do that.")


def _removed(channel: Channel, gone: PersonId, by: Person, now: float) -> MemberLeft:
    """A moderator may remove plain members; the owner may remove everybody else."""
    _check_moderates(channel.member(by.id))
    member = channel.member(gone)
    if member is None:
        raise not_there()
    if gone == channel.owner:
        if gone == by.id:
            raise Refused("owner_must_stay", "Transfer the channel to a member first, or delete it.")
        raise Refused("not_owner", "The owner cannot be removed.")
    if member.role is Role.MODERATOR and by.id not in (channel.owner, gone):
        raise Refused("not_owner", "Only the owner can remove a moderator.")
    return MemberLeft(
        conversation=channel.id,
        seq=channel.head + 1,
        at=now,
        by=by.id,
        member=gone,
        person=member.card,
        reason=LeaveReason.LEFT if gone == by.id else LeaveReason.REMOVED,
    )


def _role(channel: Channel, command: SetRole, by: Person, now: float) -> tuple[Logged, ...]:
    if channel.owner != by.id:
        raise Refused("not_owner", "Only the owner can appoint moderators.")
    if command.role is Role.OWNER:
        words = "A role is member or moderator. To transfer a channel, leave it and name the new owner."
        raise Refused("invalid", words, fields={"role": words})
    member = channel.member(command.member)
    if member is None:
        raise not_there()
    if command.member == channel.owner:
        raise Refused("owner_must_stay", "Transfer the channel to a member first.")
    if member.role is command.role:
        return ()
    return (
        RoleChanged(
            conversation=channel.id,
            seq=channel.head + 1,
            at=now,
            by=by.id,
            member=command.member,
            person=member.card,
            role=command.role,
        ),
    )


def _leave(channel: Channel, by: Person, new_owner: PersonId | None, now: float) -> tuple[Logged, ...]:
    facts: tuple[Logged, ...] = ()
    if channel.owner == by.id:
        heir = None if new_owner is None or new_owner == by.id else channel.member(new_owner)
        if heir is None or new_owner is None:
            raise Refused("owner_must_stay", "Transfer the channel to a member first, or delete it.")
        facts = (
            OwnerChanged(
                conversation=channel.id,
                seq=channel.head + 1,
                at=now,
                by=by.id,
                owner=new_owner,
                person=heir.card,
            ),
        )
    left = MemberLeft(
        conversation=channel.id,
        seq=channel.head + len(facts) + 1,
        at=now,
        by=by.id,
        member=by.id,
        person=by.card,
    )
    return (*facts, left)


def _handed_over(channel: Channel, owner: PersonId, seq: int) -> Channel:
    if owner not in channel.members:
        raise InvariantBroken(f"a stranger owns {channel.id}")
    members = dict(channel.members)
    if channel.owner in members:
        members[channel.owner] = attrs.evolve(members[channel.owner], role=Role.MEMBER)
    members[owner] = attrs.evolve(members[owner], role=Role.OWNER)
    return attrs.evolve(channel, head=seq, owner=owner, members=members)
