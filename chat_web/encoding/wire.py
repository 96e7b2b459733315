"""The JSON form of values, the same in every dialect and route: CONTRACTS, sections 4 and 5."""

import functools
from datetime import UTC, datetime
from typing import Any

import attrs

from chat_core import (
    Account,
    Card,
    Channel,
    Conversation,
    Mentioned,
    Message,
    Notification,
    Person,
    PersonId,
    Profile,
    Room,
    RoomEvent,
    RoomState,
)


@functools.lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@functools.lru_cache(maxsize=64)  # an event and its message have the same time
def stamp(at: float) -> str:
    """RFC 3339 in UTC with milliseconds."""
    seconds, milliseconds = divmod(round(at * 1000), 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


def stamp_or_none(at: float | None) -> str | None:
    return None if at is None else stamp(at)


def person(card: Card | Person) -> dict[str, Any]:
    return {"id": card.id, "username": card.username, "display_name": card.display_name}


_person = person  # for functions with a parameter of that name


def message(message: Message, conversation: Conversation | None = None) -> dict[str, Any]:
    """C4.1. ``conversation`` adds the name of a channel."""
    reactions = message.reactions
    shown: dict[str, Any] = {
        "id": message.id,
        "seq": message.seq,
        "conversation": message.conversation,
        "author": person(message.author),
        "content": message.content,
        "reply_to": message.reply_to,
        "attachments": list(message.attachments),
        "reactions": {emoji: list(people) for emoji, people in reactions.items()} if reactions else {},
        "created_at": stamp(message.created_at),
        "edited_at": stamp_or_none(message.edited_at),
        "deleted": message.deleted,
    }
    name = getattr(conversation, "name", None)
    if name is not None:
        shown["channel"] = name
    return shown


def room(room: Room, *, now: float, me: PersonId | None = None) -> dict[str, Any]:
    """Section 5. ``me`` adds the id of the caller's own card, which is a pseudonym in an anonymous room."""
    shown: dict[str, Any] = {
        "id": room.id,
        "members": [person(member.card) for member in room.members.values()],
        "state": room.state,
        "outcome": room.outcome,
        "deadline": stamp_or_none(room.deadline),
        "server_time": stamp(now),
        "remaining": remaining(room.deadline, now),
        "created_at": stamp(room.created_at),
        "ended_at": stamp_or_none(room.ended_at),
        "reason": room.reason,
    }
    if me is not None and (member := room.members.get(me)) is not None:
        shown["me"] = {"id": member.card.id}
        shown["lobby"] = room.lobby
        shown["epoch"] = room.epoch
        answer = room.answers.get(me)
        if answer is not None:
            shown["you"] = answer
            shown["waiting_for"] = room.waiting_for()
    return shown


def room_after(event: RoomEvent, conversation: Conversation, *, now: float) -> dict[str, Any]:
    """The room as it was right after the event, without later changes."""
    if not isinstance(conversation, Room):
        raise TypeError("a room's event in a channel")
    then = attrs.evolve(
        conversation,
        state=event.state,
        outcome=event.outcome,
        deadline=event.deadline,
        reason=event.reason,
        ended_at=event.at if event.state is RoomState.ENDED else None,
    )
    return room(then, now=now)


def notification(notification: Notification, *, now: float) -> dict[str, Any]:
    """P3.2, except the kind. The room is as it was then; its remaining time is current."""
    shown = {
        "room_id": notification.room.id,
        "room": room(notification.room, now=now, me=notification.to),
        "at": stamp(notification.at),
    }
    return shown if notification.sender is None else {**shown, "from": person(notification.sender)}


def mention(mention: Mentioned) -> dict[str, Any]:
    """P3.2, except the kind."""
    return {"room_id": mention.conversation, "from": person(mention.sender), "at": stamp(mention.at)}


def channel(channel: Channel) -> dict[str, Any]:
    """Section 4. Members' names are in the order in which they joined."""
    owner = None if channel.owner is None else channel.members.get(channel.owner)
    return {
        "id": channel.id,
        "name": channel.name,
        "description": channel.description,
        "owner": None if owner is None else person(owner.card),
        "members": [member.card.username for member in channel.members.values()],
        "member_count": len(channel.members),
        "created_at": stamp(channel.created_at),
        "private": channel.private,
    }


def me(person: Person, account: Account | None) -> dict[str, Any]:
    """The person who signed in; a guest has no e-mail address."""
    shown = {**_person(person), "kind": person.kind}
    if account is not None:
        shown |= {"email": account.email or None, "created_at": stamp(account.created_at)}
    return shown


def account(person: Person, account: Account | None) -> dict[str, Any]:
    """The caller's own account and profile."""
    told = account or Account(
        id=person.id, username=person.username, display_name=person.display_name, email="", created_at=0.0
    )
    return {
        **_person(person),
        "kind": person.kind,
        "email": told.email or None,
        "bio": told.bio,
        "interests": told.interests,
        "language": told.language,
        "birth_year": told.birth_year,
        "avatar_url": told.avatar_url,
        "status": told.status,
        "last_seen": stamp_or_none(told.last_seen),
        "shows_read_marks": told.shows_read_marks,
        "created_at": None if account is None else stamp(told.created_at),
    }


def listed(profile: Profile) -> dict[str, Any]:
    """A user in a list."""
    return {
        "id": profile.id,
        "username": profile.username,
        "display_name": profile.display_name,
        "status": profile.status,
        "last_seen": stamp_or_none(profile.last_seen),
    }


def profile(profile: Profile) -> dict[str, Any]:
    """The public profile of a user, without status and last seen."""
    return {
        "id": profile.id,
        "username": profile.username,
        "display_name": profile.display_name,
        "bio": profile.bio,
        "interests": profile.interests,
        "language": profile.language,
        "avatar_url": profile.avatar_url,
    }


def remaining(deadline: float | None, now: float) -> float | None:
    """Seconds to the deadline, one decimal, never below zero."""
    return None if deadline is None else round(max(0.0, deadline - now), 1)
