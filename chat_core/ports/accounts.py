"""Ports of accounts: where they and their sessions are kept, and how passwords are hashed.

As for all of ``chat_core.ports``: adapters do not inherit, and one contract suite
(``chat_core.testing.contracts.accounts``) runs against every one.
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

    Every method happens wholly or not at all, and on return it is there for
    good. ``Unavailable`` and cancelling leave unknown whether it happened.
    """

    async def add(self, account: Account, password: str) -> None:
        """Make an account, with the hash of its password. Any number may have no ``email``.

        Raises ``AccountExists``, ``UsernameTaken`` or ``EmailTaken``, looked for in this order.
        """

    async def by_id(self, person: PersonId) -> Account | None:
        """The account of this person."""

    async def by_ids(self, people: Sequence[PersonId]) -> Sequence[Account]:
        """The accounts of these people, in any order; people without one are left out."""

    async def by_username(self, username: str) -> Account | None:
        """The account of this user name, without regard to case."""

    async def by_email(self, email: str) -> Account | None:
        """The account of this e-mail address, without regard to case. Nobody has the empty one."""

    async def password_of(self, person: PersonId) -> str | None:
        """The hash of the person's password."""

    async def update(self, account: Account) -> bool:
        """Write what a user tells about itself; False where there is no such account any more.

        ``status``, ``last_seen`` and names to sign in with stay. Raises ``EmailTaken``.
        """

    async def set_password(self, person: PersonId, password: str, *, keep_sid: str, at: float) -> None:
        """Another password (its hash); every live login of the person but ``keep_sid`` is revoked."""

    async def seen(self, person: PersonId, at: float, status: Status | None = None) -> None:
        """The user was here just now; ``status``, if given, is what it shows from now on."""

    async def page(self, *, after: str, limit: int, q: str) -> Sequence[Account]:
        """Accounts by user name, without regard to case, those after ``after`` alone.

        ``q`` is a part of the user name or of the display name.
        """

    async def erase(self, person: PersonId, at: float) -> None:
        """The account and the logins are gone; the person stays among ``unfinished_erasures``."""

    async def unfinished_erasures(self) -> Sequence[PersonId]:
        """Those of whom something may still stand elsewhere, the oldest first."""

    async def erased(self, person: PersonId) -> None:
        """No data of the person remains. Idempotent."""

    async def open_session(self, session: Session, *, password: str | None = None) -> bool:
        """Write down a new session; False, and nothing, where ``password`` is not the account's hash."""

    async def session(self, sid: str) -> Session | None:
        """A session as it is now, a revoked one too."""

    async def session_by_token(self, token: str) -> Session | None:
        """The session to whose family this hash belongs, or ever belonged."""

    async def replace_session(self, before: Session, after: Session) -> bool:
        """Write another family, or the end; False where the session is not as ``before`` any more."""

    async def sessions_of(self, person: PersonId) -> Sequence[Session]:
        """Every session of the person, the oldest first."""

    async def revoke(self, sid: str, at: float) -> bool:
        """End a session; False where it was over, or never was."""

    async def revoke_all(self, person: PersonId, at: float, *, keep_sid: str = "") -> None:
        """End every session of the person except ``keep_sid``."""

    async def live(self, sids: Sequence[str], now: float) -> frozenset[str]:
        """Those of these sessions that are neither revoked nor at their end."""

    async def forget_sessions(self, before: float) -> int:
        """Drop the sessions that came to their end before; returns how many."""


class Passwords(Protocol):
    """Hashes of passwords: slow on purpose, never in the event loop, few at once.

    Cancelling frees the place of one that waits; one that has begun runs on.
    """

    async def hash(self, password: str) -> str:
        """A hash to keep. Raises ``Unavailable`` when too many wait."""

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether it is the password of the hash; for None, False after the same time. Raises as ``hash``."""

    def close(self) -> None:
        """Let go of the threads. Idempotent."""
