"""Accounts and sessions in the file of a ``SQLiteStore``: its one writer, its readers."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeVar

from chat_core.adapters.sql import account_statements as sql
from chat_core.adapters.sql.bodies import Row, to_json
from chat_core.adapters.sql.connection import run
from chat_core.adapters.sql.sqlite import SQLiteStore
from chat_core.ports.accounts import AccountExists, EmailTaken, UsernameTaken
from chat_core.rules.accounts import email_key, username_key
from chat_core.words.account import Account, Family, Login, Status
from chat_core.words.ids import PersonId
from chat_core.words.person import PersonKind

T = TypeVar("T")

_Clash = Literal["id", "username", "email"]
_ERRORS: Final = {"id": AccountExists, "username": UsernameTaken, "email": EmailTaken}


class SQLiteAccounts:
    """``ports.Accounts`` beside the conversations. Closed with the store."""

    def __init__(self, store: SQLiteStore) -> None:
        self._store = store

    # Accounts

    async def add(self, account: Account, password: str) -> None:
        clash = await self._write(lambda db: _add(db, account, password))
        if clash is not None:
            raise _ERRORS[clash](account.username)

    async def by_id(self, person: PersonId) -> Account | None:
        return await self._account(sql.BY_ID, person)

    async def by_ids(self, people: Sequence[PersonId]) -> Sequence[Account]:
        def found(db: sqlite3.Connection) -> Sequence[Account]:
            rows = (run(db, sql.BY_ID, (person,)).fetchone() for person in dict.fromkeys(people))
            return [_account(row) for row in rows if row is not None]

        return await self._store.read(found)

    async def by_username(self, username: str) -> Account | None:
        return await self._account(sql.BY_USERNAME, username_key(username))

    async def by_email(self, email: str) -> Account | None:
        return await self._account(sql.BY_EMAIL, email_key(email) or None)

    async def password_of(self, person: PersonId) -> str | None:
        row = await self._row(sql.PASSWORD_OF, person)
        return None if row is None else str(row[0])

    async def update(self, account: Account) -> bool:
        def work(db: sqlite3.Connection) -> bool | None:
            if run(db, sql.UPDATE, (account.id, *_told(account))).rowcount == 1:
                return True
            return None if run(db, sql.ID_THERE, (account.id,)).fetchone() else False

        done = await self._write(work)
        if done is None:
            raise EmailTaken(account.username)
        return done

    async def set_password(self, person: PersonId, password: str, *, keep_sid: str, at: float) -> None:
        def work(db: sqlite3.Connection) -> None:
            if run(db, sql.SET_PASSWORD, (person, password)).rowcount == 1:
                run(db, sql.REVOKE_ALL, (person, at, keep_sid))

        await self._write(work)

    async def seen(self, person: PersonId, at: float, status: Status | None = None) -> None:
        shown = None if status is None else status.value
        await self._write(lambda db: run(db, sql.SEEN, (person, at, shown)).rowcount)

    async def page(self, *, after: str, limit: int, q: str) -> Sequence[Account]:
        part = q.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
        values = (username_key(after), f"%{part}%", limit)
        rows = await self._store.read(lambda db: run(db, sql.PAGE, values).fetchall())
        return [_account(row) for row in rows]

    # Erasure

    async def erase(self, person: PersonId, at: float) -> None:
        def work(db: sqlite3.Connection) -> None:
            run(db, sql.BEGIN_ERASURE, (person, at))
            run(db, sql.DROP_LOGINS_OF, (person,))
            run(db, sql.DROP_ACCOUNT, (person,))

        await self._write(work)

    async def unfinished_erasures(self) -> Sequence[PersonId]:
        rows = await self._store.read(lambda db: run(db, sql.ERASURES).fetchall())
        return [person for (person,) in rows]

    async def erased(self, person: PersonId) -> None:
        await self._write(lambda db: run(db, sql.END_ERASURE, (person,)).rowcount)

    # Sessions

    async def open_login(self, login: Login, *, password: str | None = None) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            if run(db, sql.OPEN_LOGIN, (*_login_row(login), password)).rowcount != 1:
                return False
            _put_token(db, login)
            return True

        return await self._write(work)

    async def login(self, sid: str) -> Login | None:
        return _login(await self._row(sql.LOGIN, sid))

    async def login_by_token(self, token: str) -> Login | None:
        return _login(await self._row(sql.LOGIN_BY_TOKEN, token))

    async def replace_login(self, before: Login, after: Login) -> bool:
        family = before.family
        if family is None:
            return False

        def work(db: sqlite3.Connection) -> bool:
            known = (family.newest, family.is_used)
            if run(db, sql.REPLACE_LOGIN, (after.sid, *_login_row(after)[6:], *known)).rowcount != 1:
                return False
            _put_token(db, after)
            return True

        return await self._write(work)

    async def logins_of(self, person: PersonId) -> Sequence[Login]:
        rows = await self._store.read(lambda db: run(db, sql.LOGINS_OF, (person,)).fetchall())
        return [login for row in rows if (login := _login(row)) is not None]

    async def revoke(self, sid: str, at: float) -> bool:
        return await self._write(lambda db: run(db, sql.REVOKE, (sid, at)).rowcount) > 0

    async def revoke_all(self, person: PersonId, at: float, *, keep_sid: str = "") -> None:
        await self._write(lambda db: run(db, sql.REVOKE_ALL, (person, at, keep_sid)).rowcount)

    async def live(self, sids: Sequence[str], now: float) -> frozenset[str]:
        def found(db: sqlite3.Connection) -> frozenset[str]:
            return frozenset(sid for sid in sids if run(db, sql.LIVE, (sid, now)).fetchone())

        return await self._store.read(found)

    async def forget_logins(self, before: float) -> int:
        return await self._write(lambda db: run(db, sql.FORGET_LOGINS, (before,)).rowcount)

    async def _account(self, statement: str, value: str | None) -> Account | None:
        row = await self._row(statement, value)
        return None if row is None else _account(row)

    async def _row(self, statement: str, value: str | None) -> Row | None:
        return await self._store.read(lambda db: run(db, statement, (value,)).fetchone())

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._store.write(work)


# In the writer's thread


def _add(db: sqlite3.Connection, account: Account, password: str) -> _Clash | None:
    email, email_unique, display_name, display, bio, interests, language, year, avatar, shows = _told(account)
    names = (account.id, account.username, username_key(account.username), email, email_unique, password)
    told = (account.created_at, display_name, display, bio, interests, language, year, avatar)
    row = (*names, *told, account.status.value, account.last_seen, shows)
    if run(db, sql.ADD, row).rowcount == 1:
        return None
    if run(db, sql.ID_THERE, (account.id,)).fetchone():
        return "id"
    there = run(db, sql.USERNAME_THERE, (username_key(account.username),)).fetchone()
    return "username" if there else "email"


def _put_token(db: sqlite3.Connection, login: Login) -> None:
    if login.family is not None:
        run(db, sql.PUT_TOKEN, (login.family.newest, login.sid))


# Values <-> rows


def _told(account: Account) -> Row:
    """What a user tells about itself, in the order of ``UPDATE``."""
    return (
        account.email,
        email_key(account.email) or None,
        account.display_name,
        account.display_name.lower(),
        account.bio,
        to_json(account.interests),
        account.language,
        account.birth_year,
        account.avatar_url,
        account.shows_read_marks,
    )


def _account(row: Row) -> Account:
    id_, username, email, created_at, display_name, bio, interests, language, year = row[:9]
    avatar_url, status, last_seen, shows_read_marks = row[9:]
    return Account(
        id=id_,
        username=username,
        email=email,
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


def _login_row(login: Login) -> Row:
    family = login.family
    tokens: Row = (None, None, None, None, None)
    if family is not None:
        tokens = (family.newest, family.until, family.is_used, family.before, family.before_until)
    who = (login.sid, login.person, login.kind.value, login.name)
    return (*who, login.created_at, login.ends_at, login.revoked_at, *tokens)


def _login(row: Row | None) -> Login | None:
    if row is None:
        return None
    sid, person, kind, name, created_at, ends_at, revoked_at, token, until, used, before, before_until = row
    family = None
    if token is not None:
        family = Family(
            newest=token, until=until, is_used=bool(used), before=before, before_until=before_until
        )
    return Login(
        sid=sid,
        person=person,
        kind=PersonKind(kind),
        name=name,
        created_at=created_at,
        ends_at=ends_at,
        revoked_at=revoked_at,
        family=family,
    )
