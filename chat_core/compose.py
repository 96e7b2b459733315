"""Composition: builds a ``Chat`` from a ``Config``. The only file that imports both engine and adapters."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING, Final, Literal

import attrs

from chat_core.adapters.clock import Ids, SystemClock
from chat_core.adapters.memory.accounts import MemoryAccounts
from chat_core.adapters.memory.backplane import InProcessBackplane
from chat_core.adapters.memory.store import MemoryStore
from chat_core.adapters.passwords import BcryptPasswords
from chat_core.engine.accounts.service import enrol
from chat_core.engine.assemble import assemble
from chat_core.engine.chat import Chat
from chat_core.engine.dependencies import AccountDependencies, Dependencies
from chat_core.model.account import Account
from chat_core.model.conversation import Persistence, RoomRules
from chat_core.model.errors import Unavailable
from chat_core.ports import Backplane, Clock, Policy, Store, Tokens
from chat_core.ports.accounts import Accounts, Passwords
from chat_core.rules import accounts as rules
from chat_core.rules.lobby import LobbyRules, Matcher
from chat_core.rules.matching import MATCHERS, first_come
from chat_core.rules.password_attempts import Guesses
from chat_core.rules.rate import Rate

if TYPE_CHECKING:
    from chat_core.adapters.sql.store import SQLStore

ANONYMOUS: Final = "anonymous"
TIMED: Final = "timed"


@attrs.frozen(kw_only=True)
class Config:
    """Configuration of a chat. Times in seconds.

    ``database``: None keeps everything in memory, a path is an SQLite file, a
    ``postgresql://`` URL a PostgreSQL 15 or newer.
    ``matcher``: the timed lobby's matcher, or its name. ``rate_limits=False`` turns
    off rate limits, not limits of size and memory. ``open_channels``: anyone may
    publish any JSON in public channels (development). ``texts_kept_s``: older
    messages are replaced by tombstones; None keeps them permanently.
    ``message_keys``: secrets of at least 32 bytes; texts and e-mail addresses are
    stored encrypted. The first key encrypts, all decrypt, and search is off.
    """

    database: Path | str | None = None
    is_durable: bool = True
    message_keys: tuple[bytes, ...] = attrs.field(default=(), repr=False)
    default_channels: tuple[str, ...] = ()
    countdown_s: float = 300.0
    notification_s: float = 30.0
    resume_s: float = 10.0
    rematch_after_s: float = 5.0
    matcher: str | Matcher = "first_come"
    guests_may_post: bool = False
    open_channels: bool = False
    texts_kept_s: float | None = None
    login_creates_account: bool = False
    refresh_s: float = 14 * 86400.0
    messages_per_second: float = 2.0
    messages_burst: float = 20.0
    searches_per_minute: float = 30.0
    searches_burst: float = 10.0
    rate_limits: bool = True
    flush_s: float = 0.003
    policy: Policy | None = None


async def open_chat(
    config: Config | None = None,
    *,
    clock: Clock | None = None,
    store: Store | None = None,
    backplane: Backplane | None = None,
    rng: random.Random | None = None,
    accounts: Accounts | None = None,
    passwords: Passwords | None = None,
    tokens: Tokens | None = None,
) -> Chat:
    """A running chat. Call ``await chat.stop()`` when it is no longer needed.

    Without arguments: in memory, with the system's clock, and with tokens that
    only this process can verify. ``store`` and ``accounts`` take precedence over
    ``config.database``. Raises ``Unavailable`` if the store does not answer.
    """
    config = config or Config()
    clock = clock or SystemClock()
    rng = rng or random.SystemRandom()
    if store is None and config.database is not None:
        store, kept = await _opened(config.database, config)
        accounts = accounts or kept
    messages, searches = _rates(config)
    dependencies = Dependencies(
        clock=clock,
        store=store or MemoryStore(),
        backplane=backplane or InProcessBackplane(clock),
        rng=rng,
        new_id=Ids(clock.now, rng),
        lobbies=lobbies(config),
        matchers=_matchers(config),
        rooms_by_hand=_timed(config),
        messages=messages,
        searches=searches,
        resume_s=config.resume_s,
        flush_s=config.flush_s,
        guests_may_post=config.guests_may_post,
        open_channels=config.open_channels,
        texts_kept_s=config.texts_kept_s,
        policy=config.policy,
        accounts=AccountDependencies(
            accounts=accounts or MemoryAccounts(),
            passwords=passwords or BcryptPasswords(),
            tokens=cache(_own_tokens) if tokens is None else lambda: tokens,
            default_channels=config.default_channels,
            login_creates_account=config.login_creates_account,
            refresh_s=config.refresh_s,
            guesses=Guesses() if config.rate_limits else None,
        ),
    )
    chat = assemble(dependencies)
    await chat.start()
    for name in config.default_channels:
        await chat.channels.ensure(name)
    return chat


async def create_account(
    config: Config, username: str, password: str, *, email: str = "", passwords: Passwords | None = None
) -> Account:
    """Creates an account in ``config.database``, for operators; a server may be running on it.

    The user joins the default channels when they first sign in. Refuses ``invalid``
    with fields, ``username_taken`` and ``email_taken``. Raises ``Unavailable`` if the
    database cannot be opened, ``ValueError`` if the database is in memory.
    """
    if config.database is None:
        raise ValueError("no database is configured: the account would be lost at once")
    rules.check_new(username, email, password, needs_email=False)
    clock = SystemClock()
    account = Account(
        id=Ids(clock.now, random.SystemRandom())(),
        username=username,
        email=email.strip(),
        created_at=clock.now(),
        display_name=username,
    )
    store, accounts = await _opened(config.database, config)
    passwords = passwords or BcryptPasswords()
    try:
        await enrol(accounts, passwords, account, password)
    finally:
        passwords.close()
        await store.close()
    return account


async def check_database(database: Path | str, message_keys: Sequence[bytes] = ()) -> None:
    """Raises what ``open_chat`` would: ``Unavailable`` for this database, ``WrongKeys`` for these keys.

    Creates and changes nothing.
    """
    from chat_core.adapters.sql.encryption.cipher import Cipher
    from chat_core.adapters.sql.key_check import check

    if _is_postgres(database):
        from chat_core.adapters.sql.postgres import connection as postgres

        await postgres.prepare(str(database), dry_run=True)
        check(await postgres.keys(str(database)), Cipher(message_keys))
        return
    from chat_core.adapters.sql.sqlite.connection import examine

    check(await asyncio.to_thread(examine, Path(database)), Cipher(message_keys))


async def rotate_keys(config: Config, progress: Callable[[int, int], None]) -> int:
    """Encrypts ``config.database`` with the first of ``message_keys``; returns the number of rows written.

    ``progress`` gets the number of rows done and the total. Others may use the
    database meanwhile, with the same keys. A cancelled or killed rotation keeps its
    progress; the next call continues it. Raises ``WrongKeys``, ``Unavailable``,
    ``ValueError`` if the database is in memory.
    """
    if config.database is None:
        raise ValueError("no database is configured: there is nothing to encrypt")
    from chat_core.adapters.sql.key_rotation import rotate

    store, _ = await _opened(config.database, config)
    try:
        return await rotate(store, progress)
    finally:
        await store.close()


def open_tokens(
    *,
    secrets: Sequence[bytes] = (),
    pems: Sequence[bytes] = (),
    previous: Sequence[bytes] = (),
    accepted_until: float | None = None,
    user_token_s: float = 1800.0,
) -> Tokens:
    """Access tokens as JWT: ``pems`` (Ed25519) or ``secrets`` (HS256), of which the first signs.

    ``previous`` (either kind) verifies until ``accepted_until``. Raises
    ``ValueError`` for an invalid key.
    """
    from chat_core.adapters.tokens import Key, SignedTokens

    def key(text: bytes, until: float | None) -> Key:
        made = Key.from_pem if b"-----BEGIN" in text else Key.from_secret
        return made(text, accepted_until=until)

    ring = [
        *(key(text, None) for text in (*pems, *secrets)),
        *(key(text, accepted_until) for text in previous),
    ]
    return SignedTokens(ring, user_token_s=user_token_s)


def lobbies(config: Config) -> tuple[LobbyRules, LobbyRules]:
    """The two built-in lobbies."""
    return (
        LobbyRules(
            name=ANONYMOUS,
            persistence=Persistence.EPHEMERAL,
            room=RoomRules(countdown_s=None, notification_s=config.notification_s),
            rematch_after_s=config.rematch_after_s,
        ),
        LobbyRules(
            name=TIMED,
            persistence=Persistence.PERSISTENT,
            room=_timed(config),
            rematch_after_s=config.rematch_after_s,
        ),
    )


def _timed(config: Config) -> RoomRules:
    return RoomRules(countdown_s=config.countdown_s, notification_s=config.notification_s)


def _matchers(config: Config) -> Mapping[str, Matcher]:
    timed = MATCHERS[config.matcher] if isinstance(config.matcher, str) else config.matcher
    return {ANONYMOUS: first_come, TIMED: timed}


def _rates(config: Config) -> tuple[Rate | None, Rate | None]:
    """The rate limits of one person for messages and for searches."""
    if not config.rate_limits:
        return None, None
    return (
        Rate(per_second=config.messages_per_second, burst=config.messages_burst),
        Rate(per_second=config.searches_per_minute / 60, burst=config.searches_burst),
    )


def _own_tokens() -> Tokens:
    """Tokens of this process alone, signed with a random key."""
    return open_tokens(secrets=[token_bytes(48)])


async def _opened(database: Path | str, config: Config) -> "tuple[SQLStore, Accounts]":
    """The store and the accounts of a database, with the schema up to date."""
    from chat_core.adapters.sql.accounts import SQLAccounts  # a driver is imported only if it is used

    durability: Literal["full", "relaxed"] = "full" if config.is_durable else "relaxed"
    store: SQLStore
    if _is_postgres(database):
        from chat_core.adapters.sql.postgres.store import open_postgres

        store = await open_postgres(str(database), durability=durability, keys=config.message_keys)
    else:
        from chat_core.adapters.sql.sqlite.store import open_sqlite

        store = await open_sqlite(database, durability=durability, keys=config.message_keys)
    return store, SQLAccounts(store)


async def migrate(database: Path | str, *, create: bool = False, dry_run: bool = False) -> Mapping[str, str]:
    """Brings a database's schema up to date; returns name -> SQL of the missing steps. Idempotent.

    ``create`` makes a missing database, ``dry_run`` changes nothing. Concurrent
    processes are safe. Raises ``Unavailable`` with a sentence for people.
    """
    if _is_postgres(database):
        from chat_core.adapters.sql.postgres import connection as postgres

        return await postgres.prepare(str(database), create=create, dry_run=dry_run)
    from chat_core.adapters.sql.sqlite import connection as sqlite

    return await asyncio.to_thread(sqlite.prepare, Path(database), create=create, dry_run=dry_run)


async def backup(database: Path | str, copy: Path) -> None:
    """Copies a SQLite file, even one in use, to ``copy``, which must not exist.

    Raises ``Unavailable``, also for PostgreSQL: the sentence names PostgreSQL's own tool.
    """
    if _is_postgres(database):
        raise Unavailable(
            f"Back up PostgreSQL with its own tools: pg_dump --format=custom --file={copy} DATABASE_URL"
        )
    from chat_core.adapters.sql.sqlite import backup as files

    await asyncio.to_thread(files.backup, Path(database), copy)


async def restore(copy: Path, database: Path | str) -> None:
    """Restores a copy to a path without a database. Raises as ``backup``."""
    if _is_postgres(database):
        raise Unavailable(f"Restore PostgreSQL with its own tools: pg_restore --dbname=DATABASE_URL {copy}")
    from chat_core.adapters.sql.sqlite import backup as files

    await asyncio.to_thread(files.restore, copy, Path(database))


def _is_postgres(database: Path | str) -> bool:
    return isinstance(database, str) and database.startswith(("postgresql://", "postgres://"))
