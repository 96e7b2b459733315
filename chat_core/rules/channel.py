"""The channel: who may join, leave, own and delete it.

A public channel is open to every account; its owner cannot leave without
handing it over. The default channels have no owner. Kept out: messages, and
the name's being free (the store's matter).
"""

import re
from typing import Final, assert_never

import attrs

from chat_core.words.commands import ChannelCommand, CreateChannel, DeleteChannel, JoinChannel, LeaveChannel
from chat_core.words.conversation import Channel, Member, Role
from chat_core.words.errors import InvariantBroken, Refused
from chat_core.words.events import (
    ChannelDeleted,
    Logged,
    MemberJoined,
    MemberLeft,
    MessagePosted,
    OwnerChanged,
)
from chat_core.words.ids import PersonId
from chat_core.words.limits import (
    CHANNEL_DESCRIPTION_LENGTH_MAX,
    CHANNEL_NAME_LENGTH_MAX,
    MEMBERS_PER_CHANNEL_MAX,
)
from chat_core.words.person import Person

_NAME: Final = re.compile(rf"[a-z0-9_-]{{1,{CHANNEL_NAME_LENGTH_MAX}}}")


def check(command: CreateChannel) -> None:
    """Refuse a name or a description that a channel cannot have."""
    if not _NAME.fullmatch(command.name):
        words = f"A channel's name is 1 to {CHANNEL_NAME_LENGTH_MAX} of a-z, 0-9, _ and -."
        raise Refused("invalid", words, fields={"name": words})
    if len(command.description) > CHANNEL_DESCRIPTION_LENGTH_MAX:
        words = f"A description has at most {CHANNEL_DESCRIPTION_LENGTH_MAX} characters."
        raise Refused("invalid", words, fields={"description": words})


def opening(channel: Channel, *, by: Person | None, now: float) -> tuple[Logged, ...]:
    """The first facts of a new channel: its owner joins it."""
    return () if by is None else (_joined(channel, by, now),)


def decide(channel: Channel, command: ChannelCommand, *, by: Person, now: float) -> tuple[Logged, ...]:
    """What happens when ``by`` asks for this at ``now``. Refuses what may not be."""
    member = channel.member(by.id)
    if channel.deleted or (channel.private and member is None):
        raise unknown()
    match command:
        case JoinChannel():
            if member is not None:
                return ()
            if len(channel.members) >= MEMBERS_PER_CHANNEL_MAX:
                raise Refused("wrong_state", "This channel is full.")
            return (_joined(channel, by, now),)
        case LeaveChannel(new_owner=new_owner):
            return () if member is None else _leave(channel, by, new_owner, now)
        case DeleteChannel():
            if channel.owner != by.id:
                raise Refused("not_owner", "Only the owner can delete a channel.")
            return (ChannelDeleted(conversation=channel.id, seq=channel.head + 1, at=now, by=by.id),)
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
        case ChannelDeleted():
            return attrs.evolve(channel, head=event.seq, deleted=True, members={})
        case _:
            return channel.advanced(event.seq)


def unknown() -> Refused:
    """The one answer for a channel that is missing, and for one that is none of the caller's business."""
    return Refused("unknown_channel", "There is no such channel.")


def _joined(channel: Channel, by: Person, now: float) -> MemberJoined:
    return MemberJoined(
        conversation=channel.id, seq=channel.head + 1, at=now, by=by.id, member=by.id, person=by.card
    )


def _leave(channel: Channel, by: Person, new_owner: PersonId | None, now: float) -> tuple[Logged, ...]:
    facts: tuple[Logged, ...] = ()
    if channel.owner == by.id:
        heir = None if new_owner is None or new_owner == by.id else channel.member(new_owner)
        if heir is None or new_owner is None:
            raise Refused("owner_must_stay", "Hand the channel over to a member first, or delete it.")
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
