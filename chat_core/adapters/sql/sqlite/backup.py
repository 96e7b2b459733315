"""Backup and restore of a SQLite file: a backup is possible while the file is in use."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from chat_core.adapters.sql.schema import migrations
from chat_core.adapters.sql.sqlite.connection import FILE_MODE, prepare
from chat_core.model.errors import Unavailable


def backup(path: Path, copy: Path) -> None:
    """Copies a snapshot of the file to ``copy``, which must not exist. Blocks; others may write meanwhile.

    Once the copy has its name, it is complete and on the disk. Raises
    ``Unavailable`` with a sentence for people.
    """
    if not path.exists():
        raise Unavailable(f"Database not found: {path}.")
    with _words(path, copy), _new(copy) as draft:
        _copy(path, draft)


def restore(copy: Path, path: Path) -> None:
    """Restores a copy to a path without a database, and brings its schema up to date. Blocks.

    Raises ``Unavailable`` for a file that is damaged, from a newer version, or not a
    Parley database; leaves no file behind.
    """
    if not copy.exists():
        raise Unavailable(f"File not found: {copy}.")
    with _words(copy, path), _new(path) as draft:
        _copy(copy, draft)
        _check(draft, copy)
    prepare(path)


@contextmanager
def _new(path: Path) -> Iterator[Path]:
    """A draft file that is renamed to ``path`` at the end, unless it exists or an error occurs."""
    if path.exists():
        raise Unavailable(f"{path} already exists and is not overwritten.")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE))
    try:
        yield draft
        _sync(draft)
        os.link(draft, path)  # unlike a rename, it never replaces
    finally:
        draft.unlink(missing_ok=True)
    _sync(path.parent)


def _copy(path: Path, draft: Path) -> None:
    with (
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(draft)) as target,
    ):
        source.backup(target)
        target.execute("pragma journal_mode=DELETE")  # the one file contains everything


def _check(draft: Path, copy: Path) -> None:
    with closing(sqlite3.connect(draft)) as db:
        if db.execute("pragma integrity_check").fetchone() != ("ok",):
            raise Unavailable(f"{copy} is damaged.")
        if not db.execute("select 1 from sqlite_master where name = 'schema_migrations'").fetchone():
            raise Unavailable(f"{copy} is not a Parley database.")
        migrations.missing((row[0] for row in db.execute(migrations.DONE)), database=str(copy))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _words(source: Path, target: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise Unavailable(f"{source} cannot be copied to {target}: {error}") from error
