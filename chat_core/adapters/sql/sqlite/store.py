"""The store in a SQLite file: standard library only, one process or several on one machine.

Writes go through the one ``writer``, reads through separate ``readers``.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from chat_core.adapters.sql.database import Question
from chat_core.adapters.sql.encryption.cipher import Cipher
from chat_core.adapters.sql.key_check import begun
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
    """Open the store in the file at ``path``, made and migrated where need be.

    Folders that are made get mode 0700, the file and its log 0600. ``relaxed``
    does not wait for the disk: a power cut may take what was acknowledged last
    (a crash of the process may not). Raises ``Unavailable`` with a sentence for
    people where the file cannot be opened or was written by a newer version.

    With ``keys`` texts are kept encrypted: the first seals, all of them open.
    ``WrongKeys`` where one is missing that the file was written with.
    """
    cipher = Cipher(keys)
    await asyncio.to_thread(prepare, Path(path))
    store = SQLiteStore(Path(path), durable=durability == "full", cipher=cipher)
    return await begun(store)


class SQLiteStore(SQLStore):
    """``ports.Store`` in a file that is there and up to date (see ``open_sqlite``)."""

    def __init__(self, path: Path, *, durable: bool, cipher: Cipher | None = None) -> None:
        self._file = SQLiteFile(path, durable=durable)
        super().__init__(self._file, cipher)

    @property
    def commits(self) -> int:
        """The number of committed transactions since start; one contains up to 100 changes."""
        return self._file.commits


class SQLiteFile:
    """``Database`` in a file. A call that is cancelled goes on in its thread; nobody else is touched."""

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
        await self._writer.truncate()  # the pages of before must not stay in the log

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
