"""The store in PostgreSQL, 15 or newer, over asyncpg; several processes may share one database.

Writes go through the one ``writer``, reads through a separate pool.
"""

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Literal, TypeVar

import asyncpg

from chat_core.adapters.sql.database import Question
from chat_core.adapters.sql.encryption.cipher import Cipher
from chat_core.adapters.sql.key_check import with_checked_keys
from chat_core.adapters.sql.postgres.connection import (
    FAILURES,
    PATIENCE,
    Patience,
    PostgresConnection,
    options,
    prepare,
    unavailable,
)
from chat_core.adapters.sql.postgres.writer import Writer
from chat_core.adapters.sql.schema.event_rows import Row
from chat_core.adapters.sql.store import SQLStore
from chat_core.model.errors import ChatError, InvariantBroken, Unavailable
from chat_core.ports import Change

READERS: Final = 4  # connections, opened on demand

T = TypeVar("T")


async def open_postgres(
    url: str,
    *,
    durability: Literal["full", "relaxed"] = "full",
    patience: Patience = PATIENCE,
    keys: Sequence[bytes] = (),
) -> "PostgresStore":
    """Opens the store in the existing database of a ``postgresql://`` URL; migrates it if necessary.

    ``relaxed`` is ``synchronous_commit=off``: a crash of the server may lose the last
    acknowledged writes. Raises ``Unavailable`` with a sentence for people if the
    database cannot be opened or was written by a newer version.

    With ``keys``, texts are stored encrypted: the first seals, all open. Raises
    ``WrongKeys`` if a key that the database was written with is missing.
    """
    cipher = Cipher(keys)
    await prepare(url)
    store = PostgresStore(url, durable=durability == "full", patience=patience, cipher=cipher)
    return await with_checked_keys(store)


class PostgresStore(SQLStore):
    """``ports.Store`` in an existing, up-to-date database (see ``open_postgres``)."""

    def __init__(
        self, url: str, *, durable: bool, patience: Patience = PATIENCE, cipher: Cipher | None = None
    ) -> None:
        self._server = PostgresServer(url, durable=durable, patience=patience)
        super().__init__(self._server, cipher)

    @property
    def commits(self) -> int:
        """The number of committed transactions since start; one contains up to 100 changes."""
        return self._server.commits


class PostgresServer:
    """``Database`` over the network, for one event loop.

    A cancelled call continues in a separate task, so that no connection is left in
    the middle of an answer.
    """

    def __init__(self, url: str, *, durable: bool, patience: Patience = PATIENCE) -> None:
        self.durable = durable
        self._closed = False
        self._patience = patience
        self._options = options(url, durable=durable, patience=patience)
        self._pool: asyncpg.Pool | None = None
        self._asked: set[asyncio.Task[Any]] = set()
        # Two numbers unique to this process: they identify the transactions that must end.
        lock = secrets.randbits(31), secrets.randbits(31)
        self._writer = Writer(self._connect_writer, lock=lock)

    @property
    def commits(self) -> int:
        return self._writer.commits

    async def append(self, change: Change) -> None:
        self._check_open()
        await self._writer.ask(change)

    async def write(self, work: Question[T]) -> T:
        self._check_open()
        result: T = await self._writer.ask(work)
        return result

    async def read(self, question: Question[T]) -> T:
        return await self._detached(self._ask(question, at_one_moment=True))

    async def rows(self, statement: str, *values: Any) -> Sequence[Row]:
        return await self._detached(self._ask(lambda db: db.rows(statement, *values), at_one_moment=False))

    async def scrub(self) -> None:
        """Does nothing: the server's vacuum removes old rows, and it recycles its log itself."""

    async def close(self) -> None:
        """Finishes pending work and closes the connections. Idempotent. Cancelling does not stop it."""
        self._closed = True
        await asyncio.shield(asyncio.ensure_future(self._close()))

    async def _close(self) -> None:
        if self._asked:  # first: a reader may have to wait for the writer's connection
            await asyncio.wait(self._asked)
        await self._writer.close()
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), self._patience.answer_s)
            except FAILURES:
                pool.terminate()

    # Reading

    async def _detached(self, asking: Coroutine[Any, Any, T]) -> T:
        if self._closed:
            asking.close()
        self._check_open()
        task = asyncio.ensure_future(asking)
        self._asked.add(task)
        task.add_done_callback(self._answered)
        return await asyncio.shield(task)

    def _answered(self, task: "asyncio.Task[Any]") -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # marks the error as seen, even if nobody waits for it any more

    async def _ask(self, question: Question[T], *, at_one_moment: bool) -> T:
        await self._writer.settled()
        try:
            async with asyncio.timeout(self._patience.answer_s + self._patience.connect_s):
                pool = await self._reading()
                async with pool.acquire() as db:
                    if not at_one_moment:
                        return await question(PostgresConnection(db))
                    async with db.transaction(isolation="repeatable_read", readonly=True):
                        return await question(PostgresConnection(db))
        except ChatError:
            raise
        except FAILURES as error:
            raise unavailable("read", error) from error
        except Exception as error:  # a bug
            raise InvariantBroken(f"The store: {error!r}") from error

    async def _reading(self) -> asyncpg.Pool:
        if self._pool is None:
            self._pool = asyncpg.create_pool(
                **self._options,
                min_size=0,
                max_size=READERS,
                reset=_as_it_is,
                # A standby may lag behind acknowledged writes; a read-only server can still be read.
                target_session_attrs="primary",
            )
        return await self._pool  # no effect if it is ready

    async def _connect_writer(self) -> asyncpg.Connection:
        if self._pool is not None:
            await self._pool.expire_connections()  # another server may have replaced the first
        return await asyncpg.connect(**self._options, target_session_attrs="read-write")

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("The store is closed.")


async def _as_it_is(connection: Any) -> None:
    """Skips the reset of a session: readers leave no state in it, so the round trip is not needed."""
