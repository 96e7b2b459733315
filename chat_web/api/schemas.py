"""Schemas of responses for ``/openapi.json``. ``encoding.wire`` builds the responses; tests compare them."""

from typing import Literal

import attrs

from chat_core import EndReason, PersonKind, RoomOutcome, RoomState, Status


@attrs.frozen
class Person:
    id: str
    username: str
    display_name: str


@attrs.frozen
class Channel:
    id: str
    name: str
    description: str
    owner: Person | None
    members: list[str]
    member_count: int
    created_at: str
    private: bool


@attrs.frozen
class Channels:
    items: list[Channel]
    next: str | None


@attrs.frozen
class Message:
    """A message; one in a room has no ``channel``."""

    id: str
    seq: int
    conversation: str
    author: Person
    content: str
    reply_to: str | None
    attachments: list[str]
    reactions: dict[str, list[str]]
    created_at: str
    edited_at: str | None
    deleted: bool
    channel: str = ""


@attrs.frozen
class Messages:
    items: list[Message]
    next: str | None
    previous: str | None


@attrs.frozen
class Found:
    items: list[Message]
    next: str | None


@attrs.frozen
class Reactions:
    reactions: dict[str, list[str]]


@attrs.frozen
class Me:
    id: str


@attrs.frozen
class Room:
    """A room; ``you`` and ``waiting_for`` are present once the caller has answered."""

    id: str
    members: list[Person]
    state: RoomState
    outcome: RoomOutcome | None
    deadline: str | None
    server_time: str
    remaining: float | None
    created_at: str
    ended_at: str | None
    reason: EndReason | None
    me: Me
    lobby: str
    epoch: str
    you: Literal["keep", "declined"] = "keep"
    waiting_for: int = 0


@attrs.frozen
class Waiting:
    status: Literal["waiting"]
    position: int
    since: str | None


@attrs.frozen
class Queue:
    """The caller's place in a queue; ``position`` and ``since`` are present while the caller waits."""

    status: Literal["waiting", "idle"]
    position: int = 1
    since: str | None = None


@attrs.frozen
class OpenRoom:
    """A conversation as P4 lists it; ``name`` is null for a room, ``state`` for a channel."""

    id: str
    name: str | None
    kind: Literal["channel", "room"]
    state: RoomState | None
    member_count: int
    created_at: str


@attrs.frozen
class Problem:
    """An error: a stable code, a sentence for people, and whether to retry."""

    code: str
    message: str
    retry: bool
    fields: dict[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Health:
    status: str
    database: str
    backplane: str
    connections: int
    version: str


@attrs.frozen
class Registered:
    id: str
    username: str
    email: str
    created_at: str


@attrs.frozen
class Myself:
    """The person who signed in; a guest has neither ``email`` nor ``created_at``."""

    id: str
    username: str
    display_name: str
    kind: PersonKind
    email: str | None = None
    created_at: str = ""


@attrs.frozen
class SignedIn:
    access_token: str
    token_type: Literal["bearer"]
    expires_in: int
    refresh_token: str | None
    user: Myself


@attrs.frozen
class Account:
    """The caller's own account. Fields that a guest cannot have are null or empty."""

    id: str
    username: str
    display_name: str
    kind: PersonKind
    email: str | None
    bio: str
    interests: list[str]
    language: str
    birth_year: int | None
    avatar_url: str
    status: Status
    last_seen: str | None
    shows_read_marks: bool
    created_at: str | None


@attrs.frozen
class StatusShown:
    status: Status
    last_seen: str | None


@attrs.frozen
class ListedUser:
    """A user in a list. An invisible user has the status ``offline``."""

    id: str
    username: str
    display_name: str
    status: Status
    last_seen: str | None


@attrs.frozen
class Users:
    items: list[ListedUser]
    next: str | None


@attrs.frozen
class PublicProfile:
    id: str
    username: str
    display_name: str
    bio: str
    interests: list[str]
    language: str
    avatar_url: str
    status: Status
    last_seen: str | None


@attrs.frozen
class Profile:
    """A profile as P4 knows it."""

    id: str
    username: str
    display_name: str
    bio: str
    interests: list[str]
    language: str
    avatar_url: str
