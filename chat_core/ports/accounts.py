"""Ports of accounts: the store of accounts and sessions, and password hashing.

As in all of ``chat_core.ports``, adapters do not inherit, and one contract suite
(``chat_core.testing.contracts.accounts``) runs on every adapter.
"""

from collections.abc import Sequence
from typing import Protocol

from chat_core.model.account import Account, Session, Status
from chat_core.model.errors import ChatError
from chat_core.model.ids import PersonId


class UsernameTaken(ChatError):
    """Another account has this user name; case is ignored."""


class EmailTaken(ChatError):
    """Another account has this e-mail address."""


class AccountExists(ChatError):
    """This person has an account already."""


class Accounts(Protocol):
    """Accounts, and the sessions of users and guests.

    Every method is atomic; on return its effect is durable. ``Unavailable`` and
    cancelling leave the outcome unknown.
    """

    async def add(self, account: Account, password: str) -> None:
        """Creates an account, with the hash of its password. Any number may have no ``email``.

        Raises ``AccountExists``, ``UsernameTaken`` or ``EmailTaken``, checked in this order.
        """

    async def by_id(self, person: PersonId) -> Account | None:
        """The account of this person."""

    async def by_ids(self, people: Sequence[PersonId]) -> Sequence[Account]:
        """The accounts of these people, in any order; people without one are left out."""

    async def by_username(self, username: str) -> Account | None:
        """The account with this user name, ignoring case."""

    async def by_email(self, email: str) -> Account | None:
        """The account with this e-mail address, ignoring case. None for an empty address."""

    async def password_of(self, person: PersonId) -> str | None:
        """The hash of the person's password."""

    async def update(self, account: Account) -> bool:
        """Writes the profile and the e-mail address; False if the account no longer exists.

        Does not change ``status``, ``last_seen`` and the user name. Raises ``EmailTaken``.
        """

    async def set_password(self, person: PersonId, password: str, *, keep_sid: str, at: float) -> None:
        """Sets another password (its hash); revokes every live session of the person except ``keep_sid``."""

    async def seen(self, person: PersonId, at: float, status: Status | None = None) -> None:
        """Records that the user was online at ``at``; ``status``, if given, is their new status."""

    async def page(self, *, after: str, limit: int, q: str) -> Sequence[Account]:
        """Accounts after ``after``, ordered by user name, ignoring case.

        ``q``: a part of the user name or of the display name.
        """

    async def erase(self, person: PersonId, at: float) -> None:
        """Deletes the account and the sessions; the person is then in ``unfinished_erasures``."""

    async def unfinished_erasures(self) -> Sequence[PersonId]:
        """People whose data may still exist elsewhere, the oldest erasure first."""

    async def erased(self, person: PersonId) -> None:
        """Records that no data of the person remains. Idempotent."""

    async def open_session(self, session: Session, *, password: str | None = None) -> bool:
        """Stores a new session; False without storing it if ``password`` is not the account's hash."""

    async def session(self, sid: str) -> Session | None:
        """The current state of a session, even of a revoked one."""

    async def session_by_token(self, token: str) -> Session | None:
        """The session whose family contains this hash, or once contained it."""

    async def replace_session(self, before: Session, after: Session) -> bool:
        """Replaces the family or the revocation; False if the session is no longer as ``before``."""

    async def sessions_of(self, person: PersonId) -> Sequence[Session]:
        """Every session of the person, oldest first."""

    async def revoke(self, sid: str, at: float) -> bool:
        """Revokes a session; False if it had ended or never existed."""

    async def revoke_all(self, person: PersonId, at: float, *, keep_sid: str = "") -> None:
        """Revokes every session of the person except ``keep_sid``."""

    async def live(self, sids: Sequence[str], now: float) -> frozenset[str]:
        """The sessions among these that are neither revoked nor expired."""

    async def forget_sessions(self, before: float) -> int:
        """Deletes the sessions that expired earlier; returns how many."""


class Passwords(Protocol):
    """Password hashing: slow on purpose, never in the event loop, few at once.

    Cancelling removes a waiting call; a started one runs to its end.
    """

    async def hash(self, password: str) -> str:
        """A hash to store. Raises ``Unavailable`` if too many calls wait."""

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether the password matches the hash; for None, False after the same time. Raises as ``hash``."""

    def close(self) -> None:
        """Releases the threads. Idempotent."""
