"""The one writer of PostgreSQL: a connection, and a commit that many share.

    append ─┐
    append ─┼─> group ─> one statement, its own transaction ─> all are answered
    write  ─┘              |
                           +-- conflict: each half separately

A group is the requests that arrived during the last commit. A group of appends is a
single statement: one round trip, and its own transaction. A change that needs more
statements is enclosed in begin and commit.

**In doubt.** A connection lost during a commit leaves the outcome open, also for
later requests: the server may commit a moment later. So the writer owns an advisory
lock. Every later request, also a read, waits until another connection has acquired
the lock: then the old transaction has ended.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from itertools import groupby
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg

from chat_core.adapters.sql.database import Question
from chat_core.adapters.sql.operations.batch import Batch, batch
from chat_core.adapters.sql.operations.conflicts import reason
from chat_core.adapters.sql.postgres.connection import (
    FAILURES,
    PATIENCE,
    PostgresConnection,
    dialect,
    is_of_row,
    is_read_only,
    unavailable,
)
from chat_core.adapters.sql.schema import statements as sql
from chat_core.adapters.sql.schema.event_rows import Row
from chat_core.model.errors import ChatError, InvariantBroken, Unavailable
from chat_core.ports import Change

GROUP_MAX: Final = 100  # changes per commit
TRIES_MAX: Final = 3  # per change, while transactions of other processes conflict

T = TypeVar("T")
_Db: TypeAlias = asyncpg.Connection
_Ask: TypeAlias = tuple["asyncio.Future[Any]", Change | Question[Any]]

# Another transaction was first; this one was rolled back and may be retried.
_RIVALRY: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)

_END_BEFORE: Final = """
select pg_terminate_backend(pid) from pg_locks
where locktype = 'advisory' and classid = $1 and objid = $2 and objsubid = 2 and pid <> pg_backend_pid()"""
_LOCK: Final = "select pg_advisory_lock($1, $2)"


class Writer:
    """Writes changes and queries in the order of the calls.

    ``connect`` opens a connection that can write. After a failure the whole group
    gets ``Unavailable``; the next group connects again.
    """

    def __init__(self, connect: Callable[[], Awaitable[_Db]], *, lock: tuple[int, int]) -> None:
        self.commits = 0  # with a write, since the start
        self.is_in_doubt = False
        self._connect = connect
        self._lock = lock
        self._connecting: asyncio.Future[_Db] | None = None
        self._asks: deque[_Ask] = deque()
        self._task: asyncio.Task[None] | None = None
        self._db: _Db | None = None

    def ask(self, what: Change | Question[Any]) -> "asyncio.Future[Any]":
        """Writes a change, or runs a query that writes. Cancelling the future does not stop it."""
        future = asyncio.get_running_loop().create_future()
        self._asks.append((future, what))
        if self._task is None:
            self._task = asyncio.create_task(self._live())
        return future

    async def settled(self) -> None:
        """Waits until a transaction on a lost connection can no longer be committed."""
        if self.is_in_doubt:
            await self._connected()

    async def close(self) -> None:
        """Finishes the earlier requests and closes the connection."""
        while self._task is not None:
            await asyncio.wait([self._task])
        if self._connecting is not None:
            await asyncio.wait([self._connecting])
        db, self._db = self._db, None
        if db is not None:
            try:
                await db.close(timeout=PATIENCE.answer_s)
            except FAILURES:
                db.terminate()

    # The task

    async def _live(self) -> None:
        try:
            while self._asks:
                group = [self._asks.popleft() for _ in range(min(GROUP_MAX, len(self._asks)))]
                try:
                    await self._commit(group)
                except Exception as error:  # a bug: no caller may wait forever
                    self._lose(self._db, None)
                    _answer(group, InvariantBroken(f"The store: {error!r}"))
        finally:
            self._task = None

    async def _commit(self, group: Sequence[_Ask]) -> None:
        try:
            db = await self._connected()
        except Unavailable as error:
            everybody = [*group, *self._asks]  # fail all at once, not each after its own try
            self._asks.clear()
            _answer(everybody, error)
            return
        try:
            results = await _all(db, [what for _, what in group])
        except FAILURES as error:
            if db.is_closed() or not (is_of_row(error) or isinstance(error, _RIVALRY)):
                self._lose(db, error)
                _answer(group, unavailable("written", error))
            else:
                await self._divided(db, group)
        except Exception:  # invalid rows or a bug: dividing the group shows whose
            if db.is_in_transaction():
                self._lose(db, None)
            await self._divided(db, group)
        else:
            self.commits += 1
            for (future, _), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)

    async def _divided(self, db: _Db, group: Sequence[_Ask]) -> None:
        """One request cannot be written: finds it, so that the others succeed."""
        if len(group) > 1:
            middle = len(group) // 2
            await self._commit(group[:middle])
            await self._commit(group[middle:])
            return
        (future, what) = group[0]
        result: object = None
        error: ChatError | None = None
        try:
            result = await _alone(await self._connected(), what)
        except FAILURES as failure:
            self._lose(self._db, failure)
            error = unavailable("written", failure)
        except ChatError as refusal:
            error = refusal
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def _lose(self, db: _Db | None, error: BaseException | None) -> None:
        """Abandons the connection: its current transaction may still be committed."""
        self.is_in_doubt = self.is_in_doubt or not (error is not None and is_read_only(error))
        if db is not None:
            db.terminate()
        self._db = None

    async def _connected(self) -> _Db:
        """The connection; if necessary a new one, which all callers wait for together."""
        if self._db is not None and not self._db.is_closed():
            return self._db
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._reconnect())
        return await asyncio.shield(self._connecting)

    async def _reconnect(self) -> _Db:
        db = None
        try:
            db = await self._connect()
            await db.execute(_END_BEFORE, *self._lock)
            await db.execute(_LOCK, *self._lock)
        except FAILURES as error:
            if db is not None:
                db.terminate()
            raise unavailable("written", error) from error
        finally:
            self._connecting = None
        self._db = db
        self.is_in_doubt = False
        return db


def _answer(asks: Sequence[_Ask], error: ChatError) -> None:
    for future, _ in asks:
        if not future.done():
            future.set_exception(error)


# Writing


async def _all(db: _Db, asks: Sequence[Change | Question[Any]]) -> Sequence[object]:
    """Writes the group in one transaction; returns each result. Writes nothing if one request fails."""
    changes = [ask for ask in asks if isinstance(ask, Change)]
    rows = batch(changes)
    if len(changes) == len(asks) and not rows.states and not rows.steps:
        await _append(db, rows)
        return [None] * len(asks)
    async with db.transaction():
        if changes:
            await _append(db, rows)
            await _steps(db, rows)
        connection = PostgresConnection(db)
        return [None if isinstance(ask, Change) else await ask(connection) for ask in asks]


async def _append(db: _Db, rows: Batch) -> None:
    """Inserts the rows of all tables in one statement. Raises ``asyncpg.DataError`` if a row was not written.

    Measured with 64 messages, in microseconds of server time per message: single inserts
    117, ``executemany`` 60, arrays 40, COPY 25. But COPY needs three more round trips: at
    64 messages they cost as much as it saves, and a single sender waits twice as long.
    """
    heads = [head for _, head in rows.openings]
    given = (
        [row for row, _ in rows.openings],
        heads,
        sorted(rows.heads),  # in a fixed order, to avoid deadlocks between processes
        rows.events,
        rows.messages,
    )
    there = tuple(bool(part) for part in given)
    if not any(there):
        return
    columns = [list(column) for part in given if part for column in zip(*part, strict=True)]
    await db.fetchval(appending(there), sum(map(len, given)), *columns)


_PARTS: Final = (
    (sql.OPEN, sql.OPEN_ROW),
    (sql.OPEN_HEADS, sql.OPEN_HEADS_ROW),
    (sql.MOVE_HEADS, sql.MOVE_HEADS_ROW),
    (sql.INSERT_EVENTS, sql.INSERT_EVENTS_ROW),
    (sql.INSERT_MESSAGES, sql.INSERT_MESSAGES_ROW),
)


@cache
def appending(there: tuple[bool, ...]) -> str:
    """One statement from the given ones. It fails, and writes nothing, unless it affected $1 rows."""
    named, first = [], 2
    for place, ((text, row), is_there) in enumerate(zip(_PARTS, there, strict=True)):
        if is_there:
            named.append((f"part{place}", sql.unnested(text, row, first)))
            first += len(row)
    parts = ", ".join(f"{name} as ({text} returning 1)" for name, text in named)
    touched = " + ".join(f"(select count(*) from {name})" for name, _ in named)  # noqa: S608
    return f"with {parts} select 1 / (case when {touched} = $1::bigint then 1 else 0 end)"


async def _steps(db: _Db, rows: Batch) -> None:
    """Runs the statements after the rows, in order; equal ones share one round trip."""
    steps: Sequence[tuple[str, Row]] = [*((sql.SET_STATE, row) for row in rows.states), *rows.steps]
    for statement, alike in groupby(steps, key=lambda step: step[0]):
        await db.executemany(dialect(statement), [values for _, values in alike])


async def _alone(db: _Db, what: Change | Question[Any]) -> object:
    """Writes one request alone; raises its conflict or failure."""
    for _ in range(TRIES_MAX):
        try:
            (result,) = await _all(db, [what])
        except FAILURES as error:
            if db.is_closed() or not (is_of_row(error) or isinstance(error, _RIVALRY)):
                raise
            if isinstance(error, _RIVALRY):
                continue
            if isinstance(what, Change):
                raise await reason(PostgresConnection(db), what) from error
            raise InvariantBroken(f"This cannot be stored: {error!r}") from error
        except ChatError:
            raise
        except Exception as error:
            raise InvariantBroken(f"This cannot be stored: {error!r}") from error
        else:
            return result
    raise Unavailable("Write conflict. Try again.")
