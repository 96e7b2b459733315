"""A connection to SQLite: the file and its permissions, pragmas and schema.

WAL mode, so that readers and the writer do not wait for one another. Only the thread
that opened a connection uses it.
"""

import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from chat_core.adapters.sql.database import Question
from chat_core.adapters.sql.schema import migrations
from chat_core.adapters.sql.schema.event_rows import Row
from chat_core.adapters.sql.schema.rows import terms_text
from chat_core.model.errors import InvariantBroken, Unavailable

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
BUSY_S: Final = 5.0  # to wait for a lock of another process
RETRY_S: Final = 0.02
STATEMENTS_KEPT: Final = 256  # compiled, per connection
CHECKPOINT_PAGES: Final = 4000  # of 4 KiB: a write-ahead log of this size is checkpointed
CACHE_KIB: Final = 16 * 1024  # of pages, per connection
WAL_BYTES_KEPT: Final = 64 * 1024 * 1024  # a larger log is truncated when it next restarts

T = TypeVar("T")

_PRAGMAS: Final = (
    "foreign_keys=ON",
    "secure_delete=ON",
    f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    f"journal_size_limit={WAL_BYTES_KEPT}",
    "temp_store=MEMORY",
    f"cache_size=-{CACHE_KIB}",
)


def prepare(path: Path, *, create: bool = True, dry_run: bool = False) -> Mapping[str, str]:
    """Brings the file's schema up to date; returns name -> SQL of the missing steps. Blocks; idempotent.

    ``create`` makes a missing file. Only the owner has access to new folders and to
    the file, even an existing one; an existing folder is not changed. ``dry_run``
    changes nothing. Concurrent processes are safe. Raises ``Unavailable`` with a
    sentence for people.
    """
    try:
        if not path.exists():
            if dry_run:
                return migrations.described(migrations.known(), sqlite=True)
            if not create:
                raise Unavailable(f"Database not found: {path}.")
        _make_file(path)
        db = connect(path, synchronous="FULL")
        try:
            if dry_run:
                return migrations.described(_missing(db, path), sqlite=True)
            _use_wal(db)
            return migrations.described(_migrate(db, path), sqlite=True)
        finally:
            db.close()
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"The database {path} cannot be opened: {error}") from error


def examine(path: Path) -> Sequence[Row]:
    """Raises ``Unavailable`` if ``prepare`` would, as far as a check without changes can find out. Blocks.

    Returns the keys that the file was written with, for ``key_check.check``.
    """
    try:
        if not path.exists():
            folder = next(parent for parent in path.absolute().parents if parent.exists())
            if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
                raise OSError(f"no file can be created in {folder}")
            return []
        with open(path, "r+b"):
            pass
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
        try:
            done = [row[0] for row in db.execute(migrations.DONE)] if _is_ours(db) else []
            missing = migrations.missing(done, database=str(path))
            if any(step.version == migrations.MESSAGE_KEYS for step in missing):
                return []
            return db.execute(migrations.KEYS).fetchall()
        finally:
            db.close()
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"The database {path} cannot be opened: {error}") from error


def _is_ours(db: sqlite3.Connection) -> bool:
    """Whether the file has Parley's table of migrations; raises if it is not a database."""
    found = "select 1 from sqlite_master where type = 'table' and name = 'schema_migrations'"
    return db.execute(found).fetchone() is not None


def connect(path: Path, *, synchronous: str, readonly: bool = False) -> sqlite3.Connection:
    """Opens the existing file; does not create a missing one."""
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        cached_statements=STATEMENTS_KEPT,
    )
    try:
        for pragma in (*_PRAGMAS, f"synchronous={synchronous}"):
            db.execute(f"pragma {pragma}")
        if readonly:
            db.execute("pragma query_only=ON")
    except BaseException:
        db.close()
        raise
    return db


class SQLiteConnection:
    """``Connection`` to a file: its methods never wait, so a query runs to its end ``at_once``."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    async def rows(self, statement: str, *values: Any) -> Sequence[Row]:
        return self._db.execute(positional(statement), values).fetchall()

    async def row(self, statement: str, *values: Any) -> Row | None:
        row: Row | None = self._db.execute(positional(statement), values).fetchone()
        return row

    async def run(self, statement: str, *values: Any) -> int:
        return self._db.execute(positional(statement), values).rowcount


def at_once(db: sqlite3.Connection, question: Question[T]) -> T:
    """Runs the query in this thread."""
    asked = question(SQLiteConnection(db)).__await__()
    try:
        next(asked)
    except StopIteration as end:
        answer: T = end.value
        return answer
    raise InvariantBroken("a query to a file waited for something else")


@cache
def positional(statement: str) -> str:
    """The statement with ``?n`` for ``$n``: SQLite takes ``$n`` for a name, and looks names up one by one."""
    return statement.replace("$", "?")


def _make_file(path: Path) -> None:
    for folder in reversed(path.absolute().parents):
        if not folder.exists():
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    # SQLite gives the -wal and -shm files the mode of this file.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        os.fchmod(descriptor, FILE_MODE)
    finally:
        os.close(descriptor)


def _use_wal(db: sqlite3.Connection) -> None:
    # SQLite does not wait for the lock of this change: two processes that start together would fail.
    patience = time.monotonic() + BUSY_S
    while True:
        try:
            mode = db.execute("pragma journal_mode=WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            time.sleep(RETRY_S)
        else:
            if mode != "wal":
                raise sqlite3.OperationalError(f"its file system does not support a write-ahead log ({mode})")
            return


def _missing(db: sqlite3.Connection, path: Path) -> Sequence[migrations.Migration]:
    there = db.execute("select 1 from sqlite_master where name = 'schema_migrations'").fetchone()
    done = [row[0] for row in db.execute(migrations.DONE)] if there else []
    return migrations.missing(done, database=str(path))


def _migrate(db: sqlite3.Connection, path: Path) -> Sequence[migrations.Migration]:
    db.create_function("terms_of", 1, terms_text, deterministic=True)
    db.execute("begin immediate")
    try:
        db.execute(migrations.TABLE)
        steps = _missing(db, path)
        for step in steps:
            for statement in step.statements(sqlite=True):
                db.execute(statement)
            db.execute(positional(migrations.RECORD), (step.version, step.name))
        db.execute("commit")
    except BaseException:
        db.rollback()
        raise
    return steps
