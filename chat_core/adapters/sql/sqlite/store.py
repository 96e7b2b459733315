"""The store in a SQLite file: standard library only, one process or several on one machine.

Writes go through the one ``writer``, reads through separate ``readers``.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from chat_core.adapters.sql.database import Question
from chat_core.adapters.sql.encryption.cipher import Cipher
from chat_core.adapters.sql.key_check import with_checked_keys
from chat_core.adapters.sql.schema.event_rows import Row
from chat_core.adapters.sql.sqlite.connection import prepare
from chat_core.adapters.sql.sqlite.readers import Readers
from chat_core.adapters.sql.sqlite.writer import Writer
from chat_core.adapters.sql.store import SQLStore
from chat_core.model.errors import Unavailable
from chat_core.ports import Change

T = TypeVar("T")


async def open_sqlite(
    path: str | Path,
    *,
    durability: Literal["full", "relaxed"] = "full",
    keys: Sequence[bytes] = (),
) -> "SQLiteStore":
    """Opens the store in the file at ``path``; creates and migrates it if necessary.

    New folders get mode 0700, the file and its log 0600. ``relaxed`` does not wait
    for the disk: a power cut may lose the last acknowledged writes (a crash of the
    process cannot). Raises ``Unavailable`` with a sentence for people if the file
    cannot be opened or was written by a newer version.

    With ``keys``, texts are stored encrypted: the first seals, all open. Raises
    ``WrongKeys`` if a key that the file was written with is missing.
    """
    cipher = Cipher(keys)
    await asyncio.to_thread(prepare, Path(path))
    store = SQLiteStore(Path(path), durable=durability == "full", cipher=cipher)
    return await with_checked_keys(store)


class SQLiteStore(SQLStore):
    """``ports.Store`` in an existing, up-to-date file (see ``open_sqlite``)."""

    def __init__(self, path: Path, *, durable: bool, cipher: Cipher | None = None) -> None:
        self._file = SQLiteFile(path, durable=durable)
        super().__init__(self._file, cipher)

    @property
    def commits(self) -> int:
        """The number of committed transactions since start; one contains up to 100 changes."""
        return self._file.commits


class SQLiteFile:
    """``Database`` in a file. A cancelled call continues in its thread; other calls are not affected."""

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.durable = durable
        self._closed = False
        self._writer = Writer(path, synchronous="FULL" if durable else "NORMAL")
        self._readers = Readers(path)

    @property
    def commits(self) -> int:
        return self._writer.commits

    async def append(self, change: Change) -> None:
        self._check_open()
        await self._writer.append(change)

    async def write(self, work: Question[T]) -> T:
        self._check_open()
        return await self._writer.write(work)

    async def read(self, question: Question[T]) -> T:
        self._check_open()
        return await self._readers.read(question)

    async def rows(self, statement: str, *values: Any) -> Sequence[Row]:
        return await self.read(lambda db: db.rows(statement, *values))

    async def scrub(self) -> None:
        self._check_open()
        await self._writer.truncate()  # old pages must not stay in the log

    async def close(self) -> None:
        """Finishes pending work, checkpoints the log, closes the file. Idempotent.

        Cancelling it does not stop it.
        """
        if not self._closed:
            self._closed = True
            self._readers.finish()
            self._writer.finish()
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        self._readers.join()
        self._writer.join()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("The store is closed.")
