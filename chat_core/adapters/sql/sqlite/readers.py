"""Reader threads alongside the writer: a page of history never waits for a commit."""

import asyncio
import sqlite3
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, TypeAlias, TypeVar

from chat_core.adapters.sql.database import Question
from chat_core.adapters.sql.sqlite.connection import at_once, connect
from chat_core.adapters.sql.sqlite.replies import answer
from chat_core.model.errors import ChatError, InvariantBroken, Unavailable

READERS: Final = 2

T = TypeVar("T")
_Ask: TypeAlias = tuple["asyncio.Future[Any]", Question[Any]]


class Readers:
    """A few threads, each with a read-only connection that sees committed data.

    A read sees one snapshot, even with several statements. After a failure its caller
    gets ``Unavailable`` and the file is reopened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._asks: SimpleQueue[_Ask | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._live, name=f"parley-sqlite-reader-{n}", daemon=True)
            for n in range(1, READERS + 1)
        ]
        for thread in self._threads:
            thread.start()

    def read(self, question: Question[T]) -> "asyncio.Future[T]":
        """Runs a query in a reader's thread. Cancelling the future does not stop it."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asks.put((future, question))
        return future

    def finish(self) -> None:
        """Answers the earlier requests, then ends the threads."""
        for _ in self._threads:
            self._asks.put(None)

    def join(self) -> None:
        """Blocks until the threads have ended."""
        for thread in self._threads:
            thread.join()

    def _live(self) -> None:
        db: sqlite3.Connection | None = None
        while (ask := self._asks.get()) is not None:
            future, question = ask
            try:
                if db is None:
                    db = connect(self._path, synchronous="FULL", readonly=True)
                result = _at_one_moment(db, question)
            except ChatError as error:
                answer([(future, None, error)])
            except sqlite3.Error as error:
                if db is not None:
                    db.close()
                    db = None
                answer([(future, None, Unavailable(f"The store could not be read: {error}"))])
            except Exception as error:  # a bug: no caller may wait forever
                answer([(future, None, InvariantBroken(f"The store: {error!r}"))])
            else:
                answer([(future, result, None)])
        if db is not None:
            db.close()


def _at_one_moment(db: sqlite3.Connection, question: Question[T]) -> T:
    db.execute("begin")
    try:
        return at_once(db, question)
    finally:
        db.rollback()
