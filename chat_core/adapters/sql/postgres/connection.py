"""A connection to PostgreSQL: its options, its failures, its schema."""

import ssl
from collections.abc import Mapping, Sequence
from functools import cache
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import asyncpg
import attrs

from chat_core.adapters.sql.schema import migrations
from chat_core.adapters.sql.schema.event_rows import Row
from chat_core.adapters.sql.schema.rows import terms_text
from chat_core.adapters.sql.schema.search_terms import FILL, HAS_TERMS, HAS_TERMS_IN_POSTGRESQL, UNFILLED
from chat_core.model.errors import Unavailable

MIGRATE_S: Final = 600.0  # per statement of a step, and to wait for another migrating process
STATEMENTS_KEPT: Final = 256  # prepared, per connection
ROWS_FILLED: Final = 1000  # per statement
MIGRATING: Final = 0x7061726C6579  # the advisory lock of the process that changes the schema

FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""The exceptions that asyncpg raises, including timeouts and refused connections."""

_ROW_ERRORS: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.exceptions._base.DataError,
)
_READ_ONLY: Final = (asyncpg.ReadOnlySQLTransactionError,)


@attrs.frozen(kw_only=True)
class Patience:
    """Timeouts for a server that does not answer, in seconds.

    ``connect_s``: to open a connection; ``answer_s``: for the answer to a statement,
    after which its connection is abandoned.
    """

    connect_s: float = 5.0
    answer_s: float = 10.0


PATIENCE: Final = Patience()


class PostgresConnection:
    """``Connection`` over the network."""

    def __init__(self, db: asyncpg.Connection) -> None:
        self._db = db

    async def rows(self, statement: str, *values: Any) -> Sequence[Row]:
        found: Sequence[Row] = await self._db.fetch(dialect(statement), *map(_bound, values))
        return found

    async def row(self, statement: str, *values: Any) -> Row | None:
        found: Row | None = await self._db.fetchrow(dialect(statement), *map(_bound, values))
        return found

    async def run(self, statement: str, *values: Any) -> int:
        status: str = await self._db.execute(dialect(statement), *values)
        return int(status.rpartition(" ")[2])  # "UPDATE 3", "INSERT 0 1"


@cache
def dialect(statement: str) -> str:
    """PostgreSQL's form of a portable statement: ``like`` in SQLite ignores the case of ASCII letters."""
    return statement.replace(HAS_TERMS, HAS_TERMS_IN_POSTGRESQL).replace(" like ", " ilike ")


def _bound(value: Any) -> Any:
    """A value to search for. No text of PostgreSQL contains a NUL, so a search for one finds nothing."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) and "\0" in value else value


def options(url: str, *, durable: bool, patience: Patience = PATIENCE) -> dict[str, Any]:
    """Connection options. Without ``sslmode``, a remote server needs a valid TLS certificate."""
    return {
        "dsn": url,
        "timeout": patience.connect_s,
        "command_timeout": patience.answer_s,
        "statement_cache_size": STATEMENTS_KEPT,
        "server_settings": _session(patience, durable=durable),
        **({"ssl": ssl.create_default_context()} if _needs_tls(url) else {}),
    }


def _session(patience: Patience, *, durable: bool) -> Mapping[str, str]:
    return {
        "application_name": "parley",
        "synchronous_commit": "on" if durable else "off",
        # The maximum time that a stalled process keeps its locks.
        "idle_in_transaction_session_timeout": f"{patience.answer_s * 1000:.0f}ms",
        "jit": "off",
    }


def _needs_tls(url: str) -> bool:
    parts = urlsplit(url)
    given = parse_qs(parts.query)
    if "sslmode" in given:
        return False  # asyncpg applies it
    hosts = [part.rpartition("@")[2] for part in parts.netloc.split(",")]
    names = [_host(host) for host in (*hosts, *given.get("host", []))]
    return any(name and not name.startswith("/") and not _is_loopback(name) for name in names)


def _host(address: str) -> str:
    return address[1:].partition("]")[0] if address.startswith("[") else address.partition(":")[0]


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.rstrip(".").lower() == "localhost"


def is_of_row(error: BaseException) -> bool:
    """Whether a row caused the error; any other error is the database's."""
    return isinstance(error, _ROW_ERRORS)


def is_read_only(error: BaseException) -> bool:
    """Whether the server is read-only: another one may have replaced it."""
    return isinstance(error, _READ_ONLY)


def unavailable(doing: str, error: BaseException) -> Unavailable:
    """The description of a failure, without address, statement or values."""
    if isinstance(error, asyncpg.PostgresError):
        return Unavailable(f"The store could not be {doing}: PostgreSQL says {type(error).__name__}")
    if isinstance(error, TimeoutError):
        return Unavailable(f"The store could not be {doing}: PostgreSQL did not answer in time")
    return Unavailable(f"The store could not be {doing}: no connection to PostgreSQL")


async def prepare(url: str, *, create: bool = False, dry_run: bool = False) -> Mapping[str, str]:
    """Brings the schema up to date; returns name -> SQL of the missing steps. Idempotent.

    ``create`` makes a missing database, ``dry_run`` changes nothing. Concurrent
    processes are safe. Raises ``Unavailable`` with a sentence for people.
    """
    name = urlsplit(url).path.lstrip("/")
    try:
        try:
            db = await _open(url)
        except asyncpg.InvalidCatalogNameError:
            if dry_run:
                return migrations.described(migrations.known(), sqlite=False)
            if not create:
                raise
            await _create(url, name)
            db = await _open(url)
        try:
            if dry_run:
                return migrations.described(await _missing(db, name), sqlite=False)
            async with db.transaction():
                return migrations.described(await _migrate(db, name), sqlite=False)
        finally:
            await db.close(timeout=PATIENCE.connect_s)
    except (*FAILURES, ValueError) as error:
        raise Unavailable(f"The database cannot be opened: {_words(error)}") from error


async def keys(url: str) -> Sequence[Row]:
    """The keys that the database was written with, for ``key_check.check``. Changes nothing."""
    try:
        db = await _open(url)
        try:
            there = await db.fetchval("select to_regclass('message_keys')")
            return await db.fetch(migrations.KEYS) if there else []
        finally:
            await db.close(timeout=PATIENCE.connect_s)
    except asyncpg.InvalidCatalogNameError:
        return []
    except (*FAILURES, ValueError) as error:
        raise Unavailable(f"The database cannot be opened: {_words(error)}") from error


async def _open(url: str, **instead: Any) -> asyncpg.Connection:
    given = {**options(url, durable=True), "command_timeout": MIGRATE_S, **instead}
    return await asyncpg.connect(**given, target_session_attrs="read-write")


async def _create(url: str, name: str) -> None:
    """Creates the database, from the default one; another process may create it first."""
    db = await _open(url, database="postgres")
    try:
        quoted = name.replace('"', '""')
        await db.execute(f"create database \"{quoted}\" template template0 encoding 'UTF8'")
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        pass
    finally:
        await db.close(timeout=PATIENCE.connect_s)


async def _missing(db: asyncpg.Connection, name: str) -> Sequence[migrations.Migration]:
    there = await db.fetchval("select to_regclass('schema_migrations')")
    done = [row[0] for row in await db.fetch(migrations.DONE)] if there else []
    return migrations.missing(done, database=f"PostgreSQL {name}")


async def _migrate(db: asyncpg.Connection, name: str) -> Sequence[migrations.Migration]:
    await db.execute("select pg_advisory_xact_lock($1)", MIGRATING)
    await db.execute(migrations.TABLE)
    steps = await _missing(db, name)
    for step in steps:
        for statement in step.statements(sqlite=False):
            await db.execute(statement)
        if step.version == migrations.TERMS:
            await _fill_terms(db)
        await db.execute(migrations.RECORD, step.version, step.name)
    return steps


async def _fill_terms(db: asyncpg.Connection) -> None:
    """Makes existing messages searchable; SQLite has a function for that."""
    last = ""
    while rows := await db.fetch(UNFILLED, last, ROWS_FILLED):
        last = rows[-1][0]
        await db.execute(FILL, [id_ for id_, _ in rows], [terms_text(content) for _, content in rows])


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "PostgreSQL did not answer in time"
    return str(error) or type(error).__name__
