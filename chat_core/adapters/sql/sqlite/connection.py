"""A connection to SQLite: the file with its modes, its pragmas, its schema.

WAL, so that readers and the writer do not wait for one another. A connection
is used by the thread that opened it alone.
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
BUSY_S: Final = 5.0  # how long a lock of another process is waited for
RETRY_S: Final = 0.02
STATEMENTS_KEPT: Final = 256  # compiled ones, for each connection
CHECKPOINT_PAGES: Final = 4000  # of 4 KiB: the write-ahead log is copied back when it has grown to these
CACHE_KIB: Final = 16 * 1024  # of pages, for each connection
WAL_BYTES_KEPT: Final = 64 * 1024 * 1024  # a log that has grown beyond is cut at its next start

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
    """Bring the file's schema up to date; name -> SQL of the steps that it lacked. Blocks; idempotent.

    With ``create`` a missing file is made. Folders that are made are for their
    owner alone, and so is the file, also one that was there; a folder that was
    there stays as it is. ``dry_run`` changes nothing. Two processes at once are
    safe. Raises ``Unavailable`` with a sentence for people.
    """
    try:
        if not path.exists():
            if dry_run:
                return migrations.told(migrations.known(), sqlite=True)
            if not create:
                raise Unavailable(f"Database not found: {path}.")
        _make_file(path)
        db = connect(path, synchronous="FULL")
        try:
            if dry_run:
                return migrations.told(_missing(db, path), sqlite=True)
            _use_wal(db)
            return migrations.told(_migrate(db, path), sqlite=True)
        finally:
            db.close()
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"The database {path} cannot be opened: {error}") from error


def examine(path: Path) -> Sequence[Row]:
    """Raise ``Unavailable`` where ``prepare`` would, as far as that shows without a change. Blocks.

    Returns the keys that it was written with, as ``keys.check`` takes them.
    """
    try:
        if not path.exists():
            folder = next(parent for parent in path.absolute().parents if parent.exists())
            if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
                raise OSError(f"nothing can be made in {folder}")
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
    """Whether migrations were counted here before; raises where it is no database at all."""
    found = "select 1 from sqlite_master where type = 'table' and name = 'schema_migrations'"
    return db.execute(found).fetchone() is not None


def connect(path: Path, *, synchronous: str, readonly: bool = False) -> sqlite3.Connection:
    """Open the file, which is there already: one that has gone is not made anew."""
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
    """``Connection`` to a file: nothing of it waits, so a question runs to its end ``at_once``."""

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
    """Ask the question in this thread."""
    asked = question(SQLiteConnection(db)).__await__()
    try:
        next(asked)
    except StopIteration as end:
        answer: T = end.value
        return answer
    raise InvariantBroken("a question to a file waited for something else")


@cache
def positional(statement: str) -> str:
    """``$n`` is a name to SQLite, and names are looked up one by one; ``?n`` is a place."""
    return statement.replace("$", "?")


def _make_file(path: Path) -> None:
    for folder in reversed(path.absolute().parents):
        if not folder.exists():
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    # SQLite gives the -wal and -shm beside it the file's own mode.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        os.fchmod(descriptor, FILE_MODE)
    finally:
        os.close(descriptor)


def _use_wal(db: sqlite3.Connection) -> None:
    # SQLite does not wait for the lock that this change needs: two who start at once would fail.
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
                raise sqlite3.OperationalError(f"its file system allows no write-ahead log ({mode})")
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
