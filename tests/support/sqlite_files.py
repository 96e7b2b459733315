"""A SQLite store for one test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chat_core.adapters.sql.sqlite.store import SQLiteStore, open_sqlite


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SQLiteStore]:
    store = await open_sqlite(path)
    try:
        yield store
    finally:
        await store.close()
