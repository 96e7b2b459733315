"""Accounts and sessions as values.

A user has an ``Account``; a guest has none. A ``Session`` is one signed-in session of
either. These values contain no password, and only the hash of a refresh token.
"""

import enum

import attrs

from chat_core.model.ids import PersonId
from chat_core.model.person import Person, PersonKind


class Status(enum.StrEnum):
    """The status that a user shows while online. ``OFFLINE`` makes them invisible."""

    ONLINE = "online"
    AWAY = "away"
    BUSY = "busy"
    OFFLINE = "offline"


@attrs.frozen(kw_only=True)
class Profile:
    """The public profile of a user. ``last_seen`` is None if they never signed in."""

    id: PersonId
    username: str
    display_name: str
    bio: str = ""
    interests: tuple[str, ...] = ()
    language: str = ""
    avatar_url: str = ""
    status: Status = Status.OFFLINE
    last_seen: float | None = None


@attrs.frozen(kw_only=True)
class Account:
    """An account. ``email`` is empty if none was required.

    ``status`` is the status that the user chose, whether or not they are online.
    """

    id: PersonId
    username: str
    email: str = attrs.field(repr=False)
    created_at: float
    display_name: str
    bio: str = attrs.field(default="", repr=False)
    interests: tuple[str, ...] = attrs.field(default=(), repr=False)
    language: str = ""
    birth_year: int | None = attrs.field(default=None, repr=False)
    avatar_url: str = ""
    status: Status = Status.ONLINE
    last_seen: float | None = None
    shows_read_marks: bool = True

    @property
    def person(self) -> Person:
        return Person(
            id=self.id, username=self.username, display_name=self.display_name, kind=PersonKind.USER
        )

    def profile(self, *, is_here: bool, now: float) -> Profile:
        """The public part. Others see a user without a connection as offline."""
        shown = self.status if is_here else Status.OFFLINE
        return Profile(
            id=self.id,
            username=self.username,
            display_name=self.display_name,
            bio=self.bio,
            interests=self.interests,
            language=self.language,
            avatar_url=self.avatar_url,
            status=shown,
            last_seen=self.last_seen if shown is Status.OFFLINE else now,
        )


@attrs.frozen(kw_only=True)
class ProfileChange:
    """A change of a profile; fields that are None stay as they are.

    A ``birth_year`` of 0 removes it. ``password`` needs ``current_password``.
    """

    display_name: str | None = None
    bio: str | None = None
    interests: tuple[str, ...] | None = None
    language: str | None = None
    birth_year: int | None = None
    avatar_url: str | None = None
    shows_read_marks: bool | None = None
    email: str | None = attrs.field(default=None, repr=False)
    password: str | None = attrs.field(default=None, repr=False)
    current_password: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class Family:
    """The refresh tokens of one session, by hash: the newest, and the previous one while it is valid.

    ``is_used``: the newest token's access token has been seen, so the client has
    received that response; ``before`` is None from then on.
    """

    newest: str
    until: float
    is_used: bool = True
    before: str | None = None
    before_until: float = 0.0


@attrs.frozen(kw_only=True)
class Session:
    """One session of a person who signed in. ``ends_at`` is absolute: refreshing does not move it.

    ``name`` is the name of a guest; the names of a user are in the account.
    ``family`` is None for a session that cannot be refreshed.
    """

    sid: str
    person: PersonId
    kind: PersonKind
    name: str
    created_at: float
    ends_at: float
    revoked_at: float | None = None
    family: Family | None = attrs.field(default=None, repr=False)

    def is_live(self, now: float) -> bool:
        return self.revoked_at is None and now < self.ends_at


@attrs.frozen(kw_only=True)
class TokenPair:
    """The result of signing in and refreshing. ``account`` is None for a guest."""

    person: Person
    account: Account | None
    sid: str
    access_token: str = attrs.field(repr=False)
    expires_in_s: float
    refresh_token: str | None = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class ProfilePage:
    """A page of users, by name. ``next`` is the start of the following page, None at the end."""

    items: tuple[Profile, ...]
    next: str | None = None
