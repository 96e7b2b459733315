"""Accounts in memory: for tests and trials. Nothing survives the process."""

from collections.abc import Sequence

import attrs

from chat_core.model.account import Account, Session, Status
from chat_core.model.ids import PersonId
from chat_core.ports.accounts import AccountExists, EmailTaken, UsernameTaken
from chat_core.rules.accounts import email_key, username_key


class MemoryAccounts:
    """``ports.Accounts`` in memory."""

    def __init__(self) -> None:
        self._accounts: dict[PersonId, Account] = {}
        self._passwords: dict[PersonId, str] = {}
        self._usernames: dict[str, PersonId] = {}
        self._emails: dict[str, PersonId] = {}
        self._sessions: dict[str, Session] = {}
        self._tokens: dict[str, str] = {}  # hash -> sid
        self._erasures: dict[PersonId, float] = {}

    async def add(self, account: Account, password: str) -> None:
        if account.id in self._accounts:
            raise AccountExists(account.id)
        if username_key(account.username) in self._usernames:
            raise UsernameTaken(account.username)
        self._check_email(account)
        self._accounts[account.id] = account
        self._passwords[account.id] = password
        self._usernames[username_key(account.username)] = account.id
        self._index_email(account)

    async def by_id(self, person: PersonId) -> Account | None:
        return self._accounts.get(person)

    async def by_ids(self, people: Sequence[PersonId]) -> Sequence[Account]:
        return [self._accounts[person] for person in dict.fromkeys(people) if person in self._accounts]

    async def by_username(self, username: str) -> Account | None:
        return self._accounts.get(self._usernames.get(username_key(username), ""))

    async def by_email(self, email: str) -> Account | None:
        return self._accounts.get(self._emails.get(email_key(email), ""))

    async def password_of(self, person: PersonId) -> str | None:
        return self._passwords.get(person)

    async def update(self, account: Account) -> bool:
        known = self._accounts.get(account.id)
        if known is None:
            return False
        self._check_email(account)
        self._emails.pop(email_key(known.email), None)
        self._accounts[account.id] = attrs.evolve(
            account,
            username=known.username,
            created_at=known.created_at,
            status=known.status,
            last_seen=known.last_seen,
        )
        self._index_email(account)
        return True

    async def set_password(self, person: PersonId, password: str, *, keep_sid: str, at: float) -> None:
        if person in self._accounts:
            self._passwords[person] = password
            await self.revoke_all(person, at, keep_sid=keep_sid)

    async def seen(self, person: PersonId, at: float, status: Status | None = None) -> None:
        known = self._accounts.get(person)
        if known is not None:
            self._accounts[person] = attrs.evolve(known, last_seen=at, status=status or known.status)

    async def page(self, *, after: str, limit: int, q: str) -> Sequence[Account]:
        part = q.lower()
        found = [
            self._accounts[person]
            for key, person in sorted(self._usernames.items())
            if key > username_key(after)
            and (part in key or part in self._accounts[person].display_name.lower())
        ]
        return found[:limit]

    async def erase(self, person: PersonId, at: float) -> None:
        account = self._accounts.pop(person, None)
        if account is not None:
            del self._usernames[username_key(account.username)]
            self._emails.pop(email_key(account.email), None)
            del self._passwords[person]
        for session in await self.sessions_of(person):
            self._drop(session.sid)
        self._erasures.setdefault(person, at)

    async def unfinished_erasures(self) -> Sequence[PersonId]:
        return sorted(self._erasures, key=lambda person: (self._erasures[person], person))

    async def erased(self, person: PersonId) -> None:
        self._erasures.pop(person, None)

    async def open_session(self, session: Session, *, password: str | None = None) -> bool:
        if password is not None and self._passwords.get(session.person) != password:
            return False
        self._sessions[session.sid] = session
        self._remember_token(session)
        return True

    async def session(self, sid: str) -> Session | None:
        return self._sessions.get(sid)

    async def session_by_token(self, token: str) -> Session | None:
        return self._sessions.get(self._tokens.get(token, ""))

    async def replace_session(self, before: Session, after: Session) -> bool:
        if self._sessions.get(before.sid) != before:
            return False
        self._sessions[after.sid] = after
        self._remember_token(after)
        return True

    async def sessions_of(self, person: PersonId) -> Sequence[Session]:
        mine = [session for session in self._sessions.values() if session.person == person]
        return sorted(mine, key=lambda session: (session.created_at, session.sid))

    async def revoke(self, sid: str, at: float) -> bool:
        session = self._sessions.get(sid)
        if session is None or not session.is_live(at):
            return False
        self._sessions[sid] = attrs.evolve(session, revoked_at=at)
        return True

    async def revoke_all(self, person: PersonId, at: float, *, keep_sid: str = "") -> None:
        for session in await self.sessions_of(person):
            if session.sid != keep_sid:
                await self.revoke(session.sid, at)

    async def live(self, sids: Sequence[str], now: float) -> frozenset[str]:
        known = ((sid, self._sessions.get(sid)) for sid in sids)
        return frozenset(sid for sid, session in known if session is not None and session.is_live(now))

    async def forget_sessions(self, before: float) -> int:
        over = [session.sid for session in self._sessions.values() if session.ends_at < before]
        for sid in over:
            self._drop(sid)
        return len(over)

    def _check_email(self, account: Account) -> None:
        if self._emails.get(email_key(account.email), account.id) != account.id:
            raise EmailTaken(account.email)

    def _index_email(self, account: Account) -> None:
        if account.email:
            self._emails[email_key(account.email)] = account.id

    def _remember_token(self, session: Session) -> None:
        if session.family is not None:
            self._tokens[session.family.newest] = session.sid

    def _drop(self, sid: str) -> None:
        del self._sessions[sid]
        self._tokens = {token: owner for token, owner in self._tokens.items() if owner != sid}
