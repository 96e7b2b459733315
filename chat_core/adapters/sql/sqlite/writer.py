"""The one writer of a SQLite file: a thread, and a commit that many share.

    append ─┐
    append ─┼─> queue ─> group ─> begin, batch, commit ─> one wake-up answers all
    write  ─┘                       |
                                    +-- conflict: each change alone, in a savepoint

A group is the requests that arrived during the last commit, so no request waits for
a timer. No caller is answered before COMMIT has returned.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeAlias, TypeVar

from chat_core.adapters.sql.database import Connection, Question
from chat_core.adapters.sql.operations.batch import Batch, batch
from chat_core.adapters.sql.operations.conflicts import reason
from chat_core.adapters.sql.schema import statements as sql
from chat_core.adapters.sql.schema.event_rows import Row
from chat_core.adapters.sql.sqlite.connection import at_once, connect, positional
from chat_core.adapters.sql.sqlite.fts_index import WordIndex
from chat_core.adapters.sql.sqlite.replies import Decision, answer
from chat_core.model.errors import ChatError, InvariantBroken, Unavailable
from chat_core.ports import Change

GROUP_MAX: Final = 100  # changes per commit
ROWS_AT_ONCE: Final = 64  # per statement; a power of two

T = TypeVar("T")
_Ask: TypeAlias = tuple["asyncio.Future[Any]", Change | Question[Any]]


# Errors caused by a row. Any other error of SQLite is the file's.
_ROW_ERRORS: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
)


class _InTheWay(Exception):
    """Another write came first: the whole batch must be rolled back."""


class Writer:
    """Writes changes and queries in the order of the calls, from its own thread.

    After a failure of the file (I/O, full, locked) the whole group gets
    ``Unavailable``, and the file is reopened for the next one: after a failed sync
    the old handle may regard unwritten pages as written.
    """

    def __init__(self, path: Path, *, synchronous: str) -> None:
        self.commits = 0  # with a write, since the start
        self._path = path
        self._synchronous = synchronous
        self._asks: SimpleQueue[_Ask | None] = SimpleQueue()
        self._db: sqlite3.Connection | None = None
        self._truncates = False
        self._index = WordIndex()
        self._thread = threading.Thread(target=self._live, name="parley-sqlite-writer", daemon=True)
        self._thread.start()

    def append(self, change: Change) -> "asyncio.Future[None]":
        """Writes a change. Cancelling the future does not stop it."""
        return self._ask(change)

    def write(self, work: Question[T]) -> "asyncio.Future[T]":
        """Runs ``work`` inside a group's transaction: all of its writes are committed, or none."""
        return self._ask(work)

    def truncate(self) -> "asyncio.Future[None]":
        """Checkpoints and truncates the write-ahead log, so that no old page is left in it.

        Done when the future is done, unless readers block it for long: then at a later checkpoint.
        """

        async def soon(_: Connection) -> None:
            self._truncates = True

        return self._ask(soon)

    def finish(self) -> None:
        """Finishes the earlier requests, checkpoints the log, closes the file, ends the thread.

        Later requests get ``Unavailable``.
        """
        self._asks.put(None)

    def join(self) -> None:
        """Blocks until the thread has ended."""
        self._thread.join()

    def _ask(self, what: Change | Question[Any]) -> "asyncio.Future[Any]":
        future = asyncio.get_running_loop().create_future()
        self._asks.put((future, what))
        return future

    # In the thread

    def _live(self) -> None:
        last = False
        while not last:
            group, last = self._take()
            if group:
                answers = self._commit(group)
                self._truncate()
                answer(answers)
                if self._db is not None:
                    self._index.wrote(self._db, len(group))
        self._close(checkpoint=True)
        answer((future, None, Unavailable("The store is closed.")) for future, _ in self._left())

    def _take(self) -> tuple[list[_Ask], bool]:
        """Waits for a first request, and takes all others that have arrived. True: no more will come."""
        group: list[_Ask] = []
        ask = self._first()
        while ask is not None:
            group.append(ask)
            if len(group) == GROUP_MAX:
                return group, False
            try:
                ask = self._asks.get_nowait()
            except Empty:
                return group, False
        return group, True

    def _first(self) -> _Ask | None:
        """Waits for a request; maintains the full-text index meanwhile."""
        while self._db is not None and self._asks.empty():
            wait_s = self._index.wait_s(self._db)
            if wait_s is None:
                break
            try:
                return self._asks.get(timeout=wait_s)
            except Empty:
                self._index.step(self._db)
        return self._asks.get()

    def _left(self) -> list[_Ask]:
        asks = []
        while not self._asks.empty():
            if (ask := self._asks.get()) is not None:
                asks.append(ask)
        return asks

    def _commit(self, group: Sequence[_Ask]) -> Sequence[Decision]:
        try:
            if self._db is None:
                self._db = connect(self._path, synchronous=self._synchronous)
            self._db.execute("begin immediate")
            answers = _all(self._db, group)
            self._db.execute("commit")
        except sqlite3.Error as error:
            self._close()
            words = f"The store could not be written: {error}"
            return [(future, None, Unavailable(words)) for future, _ in group]
        except Exception as error:  # a bug: no caller may wait forever
            self._close()
            return [(future, None, InvariantBroken(f"The store: {error!r}")) for future, _ in group]
        self.commits += 1
        return answers

    def _truncate(self) -> None:
        if self._truncates and self._db is not None:
            self._truncates = False
            self._index.forget(self._db)
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("pragma wal_checkpoint(truncate)")

    def _close(self, *, checkpoint: bool = False) -> None:
        db, self._db = self._db, None
        if db is None:
            return
        try:
            if checkpoint:
                self._index.forget(db)
                db.execute("pragma wal_checkpoint(truncate)")
        except sqlite3.Error:
            pass  # the log is read at the next start
        finally:
            db.close()


def _all(db: sqlite3.Connection, group: Sequence[_Ask]) -> Sequence[Decision]:
    """Writes a group inside a transaction. Raises ``sqlite3.Error`` if the file fails."""
    changes = [(future, what) for future, what in group if isinstance(what, Change)]
    answers: list[Decision] = []
    if changes and _together(db, [change for _, change in changes]) is None:
        answers.extend((future, None, None) for future, _ in changes)
    else:  # one change cannot be written, the others can
        answers.extend((future, None, _alone(db, change)) for future, change in changes)
    for future, what in group:
        if not isinstance(what, Change):
            answers.append((future, *_try(db, what)))
    return answers


def _together(db: sqlite3.Connection, changes: Sequence[Change]) -> Exception | None:
    """Writes all of the changes; if one cannot be written, rolls back all and returns the error."""
    try:
        rows = batch(changes)
    except Exception as error:  # not valid rows
        return error
    db.execute("savepoint changes")
    try:
        _write(db, rows)
    except Exception as error:
        if _is_of_file(error):
            raise  # the whole transaction is rolled back
        db.execute("rollback to changes")
        db.execute("release changes")
        return error
    db.execute("release changes")
    return None


def _alone(db: sqlite3.Connection, change: Change) -> Exception | None:
    """Writes one change alone; returns its conflict or failure."""
    error = _together(db, (change,))
    if isinstance(error, _InTheWay):
        return at_once(db, lambda connection: reason(connection, change))
    if error is None or isinstance(error, ChatError):
        return error
    return InvariantBroken(f"{change.after.id} cannot be stored: {error!r}")


def _try(db: sqlite3.Connection, work: Question[Any]) -> tuple[object, Exception | None]:
    db.execute("savepoint work")
    try:
        result = at_once(db, work)
    except Exception as error:
        if _is_of_file(error):
            raise
        db.execute("rollback to work")
        db.execute("release work")
        return None, InvariantBroken(f"This cannot be stored: {error!r}")
    db.execute("release work")
    return result, None


def _is_of_file(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and not isinstance(error, _ROW_ERRORS)


def _write(db: sqlite3.Connection, rows: Batch) -> None:
    openings, heads = [row for row, _ in rows.openings], [head for _, head in rows.openings]
    if _many(db, sql.OPEN, sql.OPEN_ROW, openings) != len(openings):
        raise _InTheWay
    _many(db, sql.OPEN_HEADS, sql.OPEN_HEADS_ROW, heads)
    if _many(db, sql.MOVE_HEADS, sql.MOVE_HEADS_ROW, rows.heads) != len(rows.heads):
        raise _InTheWay
    for row in rows.states:
        db.execute(positional(sql.SET_STATE), row)
    _many(db, sql.INSERT_EVENTS, sql.INSERT_EVENTS_ROW, rows.events)
    messages = _many(db, sql.INSERT_MESSAGES, sql.INSERT_MESSAGES_ROW, rows.messages)
    if messages != len(rows.messages):
        raise _InTheWay
    for statement, values in rows.steps:
        db.execute(positional(statement), values)


def _many(db: sqlite3.Connection, statement: str, row: Sequence[str], rows: Sequence[Row]) -> int:
    """Writes rows in as few statements as possible; returns the number of rows affected.

    Each step of a statement releases the interpreter's lock, and under load getting
    it back is slow: a few long steps cost the threads less than many short ones.
    Counts are powers of two, to keep the number of compiled statements small.
    """
    touched = start = 0
    while (left := len(rows) - start) > 0:
        count = min(ROWS_AT_ONCE, 1 << (left.bit_length() - 1))
        values = [value for one in rows[start : start + count] for value in one]
        touched += db.execute(_text(statement, row, count), values).rowcount
        start += count
    return touched


@cache
def _text(statement: str, row: Sequence[str], count: int) -> str:
    return positional(sql.listed(statement, row, count))
