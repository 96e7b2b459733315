"""The store in a SQLite file keeps the contract of stores."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.ports import Store
from chat_core.testing.contracts import StoreContract
from tests.support.own_databases import OwnFolder


class TestSQLiteStore(OwnFolder, StoreContract):
    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        self.opened += 1
        store = await open_sqlite(self.folder / f"{self.opened}.db")
        try:
            yield store
        finally:
            await store.close()
