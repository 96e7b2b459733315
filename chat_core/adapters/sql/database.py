"""A database, as the store sees it: the same questions for every driver.

A question is a coroutine function that takes a ``Connection``. On PostgreSQL it
waits for the network; on SQLite it runs to its end in a thread of its own.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from chat_core.adapters.sql.schema.event_rows import Row
from chat_core.ports import Change

T = TypeVar("T")


class Connection(Protocol):
    """A connection inside a transaction. ``values`` are the ``$n`` of the statement."""

    async def rows(self, statement: str, *values: Any) -> Sequence[Row]:
        """All that it finds."""

    async def row(self, statement: str, *values: Any) -> Row | None:
        """The first that it finds."""

    async def run(self, statement: str, *values: Any) -> int:
        """Execute what writes; how many rows it touched."""


Question: TypeAlias = Callable[[Connection], Awaitable[T]]


class Database(Protocol):
    """One database. Cancelling a call stops nothing; a failure of the database is ``Unavailable``."""

    durable: bool

    async def append(self, change: Change) -> None:
        """As ``ports.Log.append``."""

    async def write(self, work: Question[T]) -> T:
        """What ``work`` writes is committed wholly, or not at all."""

    async def read(self, question: Question[T]) -> T:
        """Ask; all of its statements see one moment."""

    async def rows(self, statement: str, *values: Any) -> Sequence[Row]:
        """Ask with a single statement."""

    async def scrub(self) -> None:
        """Leave no bytes of what was deleted lying about, as far as that is the driver's to do."""

    async def close(self) -> None:
        """Finish pending work. Idempotent."""
