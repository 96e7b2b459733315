"""The store's interface to a database, the same for every driver.

A query is a coroutine function that takes a ``Connection``. On PostgreSQL it
waits for the network; on SQLite it runs to its end in a separate thread.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from chat_core.adapters.sql.schema.event_rows import Row
from chat_core.ports import Change

T = TypeVar("T")


class Connection(Protocol):
    """A connection inside a transaction. ``values`` are the ``$n`` of the statement."""

    async def rows(self, statement: str, *values: Any) -> Sequence[Row]:
        """All rows found."""

    async def row(self, statement: str, *values: Any) -> Row | None:
        """The first row found; None if there is none."""

    async def run(self, statement: str, *values: Any) -> int:
        """Executes a write; returns the number of rows affected."""


Question: TypeAlias = Callable[[Connection], Awaitable[T]]


class Database(Protocol):
    """One database. Cancelling a call does not stop it; a failure of the database raises ``Unavailable``."""

    durable: bool

    async def append(self, change: Change) -> None:
        """As ``ports.Log.append``."""

    async def write(self, work: Question[T]) -> T:
        """Commits all writes of ``work``, or none."""

    async def read(self, question: Question[T]) -> T:
        """Runs a query; all of its statements see one snapshot."""

    async def rows(self, statement: str, *values: Any) -> Sequence[Row]:
        """Runs a single statement."""

    async def scrub(self) -> None:
        """Removes the bytes of deleted data from the files, as far as the driver can."""

    async def close(self) -> None:
        """Finish pending work. Idempotent."""
