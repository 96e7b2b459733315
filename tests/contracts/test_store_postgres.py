"""The store in PostgreSQL keeps the contract of stores."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chat_core.adapters.sql.postgres.store import open_postgres
from chat_core.ports import Store
from chat_core.testing.contracts import StoreContract
from tests.support.own_databases import OwnSchemas


class TestPostgresStore(OwnSchemas, StoreContract):
    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        store = await open_postgres(self.cluster.schema())
        try:
            yield store
        finally:
            await store.close()
