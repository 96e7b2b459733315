"""Accounts and sessions in the database of an ``SQLStore``, through its writer and readers."""

import json
from collections.abc import Sequence
from typing import Final, Literal, TypeVar

from chat_core.adapters.sql.database import Connection
from chat_core.adapters.sql.encryption.cipher import Cipher
from chat_core.adapters.sql.schema import account_statements as sql
from chat_core.adapters.sql.schema.event_rows import Row, to_json
from chat_core.adapters.sql.store import SQLStore
from chat_core.model.account import Account, Family, Session, Status
from chat_core.model.ids import PersonId
from chat_core.model.person import PersonKind
from chat_core.ports.accounts import AccountExists, EmailTaken, UsernameTaken
from chat_core.rules.accounts import email_key, username_key

T = TypeVar("T")

_Clash = Literal["id", "username", "email"]
_ERRORS: Final = {"id": AccountExists, "username": UsernameTaken, "email": EmailTaken}


class SQLAccounts:
    """``ports.Accounts`` alongside the conversations. Closed with the store."""

    def __init__(self, store: SQLStore) -> None:
        self._db = store.database
        self._cipher = store.cipher

    # Accounts

    async def add(self, account: Account, password: str) -> None:
        clash = await self._db.write(lambda db: _add(db, account, password, self._cipher))
        if clash is not None:
            raise _ERRORS[clash](account.username)

    async def by_id(self, person: PersonId) -> Account | None:
        return await self._account(sql.BY_ID, person)

    async def by_ids(self, people: Sequence[PersonId]) -> Sequence[Account]:
        async def found(db: Connection) -> Sequence[Account]:
            rows = [await db.row(sql.BY_ID, person) for person in dict.fromkeys(people)]
            return [_account(row, self._cipher) for row in rows if row is not None]

        return await self._db.read(found)

    async def by_username(self, username: str) -> Account | None:
        return await self._account(sql.BY_USERNAME, username_key(username))

    async def by_email(self, email: str) -> Account | None:
        for key in _email_keys(email, self._cipher):
            if (found := await self._account(sql.BY_EMAIL, key)) is not None:
                return found
        return None

    async def password_of(self, person: PersonId) -> str | None:
        row = await self._row(sql.PASSWORD_OF, person)
        return None if row is None else str(row[0])

    async def update(self, account: Account) -> bool:
        async def work(db: Connection) -> bool | None:
            if await _has_email(db, account, self._cipher):
                return None if await db.row(sql.ID_THERE, account.id) else False
            if await db.run(sql.UPDATE, account.id, *_profile_row(account, self._cipher)) == 1:
                return True
            return None if await db.row(sql.ID_THERE, account.id) else False

        done = await self._db.write(work)
        if done is None:
            raise EmailTaken(account.username)
        return done

    async def set_password(self, person: PersonId, password: str, *, keep_sid: str, at: float) -> None:
        async def work(db: Connection) -> None:
            if await db.run(sql.SET_PASSWORD, person, password) == 1:
                await db.run(sql.REVOKE_ALL, person, at, keep_sid)

        await self._db.write(work)

    async def seen(self, person: PersonId, at: float, status: Status | None = None) -> None:
        shown = None if status is None else status.value
        await self._db.write(lambda db: db.run(sql.SEEN, person, at, shown))

    async def page(self, *, after: str, limit: int, q: str) -> Sequence[Account]:
        part = q.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
        values = (username_key(after), f"%{part}%", limit)
        rows = await self._db.rows(sql.PAGE, *values)
        return [_account(row, self._cipher) for row in rows]

    # Erasure

    async def erase(self, person: PersonId, at: float) -> None:
        async def work(db: Connection) -> None:
            await db.run(sql.BEGIN_ERASURE, person, at)
            await db.run(sql.DROP_SESSIONS_OF, person)
            await db.run(sql.DROP_ACCOUNT, person)

        await self._db.write(work)

    async def unfinished_erasures(self) -> Sequence[PersonId]:
        rows = await self._db.rows(sql.ERASURES)
        return [person for (person,) in rows]

    async def erased(self, person: PersonId) -> None:
        await self._db.write(lambda db: db.run(sql.END_ERASURE, person))

    # Sessions

    async def open_session(self, session: Session, *, password: str | None = None) -> bool:
        async def work(db: Connection) -> bool:
            if await db.run(sql.OPEN_SESSION, *_session_row(session), password) != 1:
                return False
            await _put_token(db, session)
            return True

        return await self._db.write(work)

    async def session(self, sid: str) -> Session | None:
        return _session(await self._row(sql.SESSION, sid))

    async def session_by_token(self, token: str) -> Session | None:
        return _session(await self._row(sql.SESSION_BY_TOKEN, token))

    async def replace_session(self, before: Session, after: Session) -> bool:
        family = before.family
        if family is None:
            return False

        async def work(db: Connection) -> bool:
            known = (family.newest, family.is_used)
            if await db.run(sql.REPLACE_SESSION, after.sid, *_session_row(after)[6:], *known) != 1:
                return False
            await _put_token(db, after)
            return True

        return await self._db.write(work)

    async def sessions_of(self, person: PersonId) -> Sequence[Session]:
        rows = await self._db.rows(sql.SESSIONS_OF, person)
        return [session for row in rows if (session := _session(row)) is not None]

    async def revoke(self, sid: str, at: float) -> bool:
        return await self._db.write(lambda db: db.run(sql.REVOKE, sid, at)) > 0

    async def revoke_all(self, person: PersonId, at: float, *, keep_sid: str = "") -> None:
        await self._db.write(lambda db: db.run(sql.REVOKE_ALL, person, at, keep_sid))

    async def live(self, sids: Sequence[str], now: float) -> frozenset[str]:
        async def found(db: Connection) -> frozenset[str]:
            return frozenset([sid for sid in sids if await db.row(sql.LIVE, sid, now)])

        return await self._db.read(found)

    async def forget_sessions(self, before: float) -> int:
        return await self._db.write(lambda db: db.run(sql.FORGET_SESSIONS, before))

    async def _account(self, statement: str, value: str | None) -> Account | None:
        row = await self._row(statement, value)
        return None if row is None else _account(row, self._cipher)

    async def _row(self, statement: str, value: str | None) -> Row | None:
        rows = await self._db.rows(statement, value)
        return rows[0] if rows else None


# Inside a transaction


async def _add(db: Connection, account: Account, password: str, cipher: Cipher) -> _Clash | None:
    email, email_unique, display_name, display, bio, interests, language, year, avatar, shows = _profile_row(
        account, cipher
    )
    names = (account.id, account.username, username_key(account.username), email, email_unique, password)
    profile = (account.created_at, display_name, display, bio, interests, language, year, avatar)
    row = (*names, *profile, account.status.value, account.last_seen, shows)
    is_taken = await _has_email(db, account, cipher)
    if not is_taken and await db.run(sql.ADD, *row) == 1:
        return None
    if await db.row(sql.ID_THERE, account.id):
        return "id"
    there = await db.row(sql.USERNAME_THERE, username_key(account.username))
    return "username" if there else "email"


async def _has_email(db: Connection, account: Account, cipher: Cipher) -> bool:
    """Whether another account has the address, under any of the keys."""
    for key in _email_keys(account.email, cipher):
        row = await db.row(sql.BY_EMAIL, key)
        if row is not None and row[0] != account.id:
            return True
    return False


async def _put_token(db: Connection, session: Session) -> None:
    if session.family is not None:
        await db.run(sql.PUT_TOKEN, session.family.newest, session.sid)


# Values <-> rows


def _email_keys(email: str, cipher: Cipher) -> Sequence[str]:
    """The keys that an address may be stored under, the current one first; empty without an address."""
    key = email_key(email)
    if not key:
        return ()
    # A key without @ could be somebody's hash, and is not an address stored before hashes were used.
    return [one for one in cipher.hashes(key) if one != key or "@" in key or cipher.key_id is None]


def _profile_row(account: Account, cipher: Cipher) -> Row:
    """The profile columns of a user, in the order of ``UPDATE``."""
    return (
        cipher.seal(account.email, account.id),
        next(iter(_email_keys(account.email, cipher)), None),
        account.display_name,
        account.display_name.lower(),
        account.bio,
        to_json(account.interests),
        account.language,
        account.birth_year,
        account.avatar_url,
        account.shows_read_marks,
    )


def _account(row: Row, cipher: Cipher) -> Account:
    id_, username, email, created_at, display_name, bio, interests, language, year = row[:9]
    avatar_url, status, last_seen, shows_read_marks = row[9:]
    return Account(
        id=id_,
        username=username,
        email=cipher.open(email, id_),
        created_at=created_at,
        display_name=display_name,
        bio=bio,
        interests=tuple(json.loads(interests)),
        language=language,
        birth_year=year,
        avatar_url=avatar_url,
        status=Status(status),
        last_seen=last_seen,
        shows_read_marks=bool(shows_read_marks),
    )


def _session_row(session: Session) -> Row:
    family = session.family
    tokens: Row = (None, None, None, None, None)
    if family is not None:
        tokens = (family.newest, family.until, family.is_used, family.before, family.before_until)
    who = (session.sid, session.person, session.kind.value, session.name)
    return (*who, session.created_at, session.ends_at, session.revoked_at, *tokens)


def _session(row: Row | None) -> Session | None:
    if row is None:
        return None
    sid, person, kind, name, created_at, ends_at, revoked_at, token, until, used, before, before_until = row
    family = None
    if token is not None:
        family = Family(
            newest=token, until=until, is_used=bool(used), before=before, before_until=before_until
        )
    return Session(
        sid=sid,
        person=person,
        kind=PersonKind(kind),
        name=name,
        created_at=created_at,
        ends_at=ends_at,
        revoked_at=revoked_at,
        family=family,
    )
