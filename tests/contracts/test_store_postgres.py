"""The store in PostgreSQL keeps the contract of stores."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chat_core.adapters.sql.postgres.store import open_postgres
from chat_core.ports import Store
from chat_core.testing.contracts import StoreContract
from chat_core.testing.postgres import Cluster


class TestPostgresStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _in_schemas_of_its_own(self, postgres: Cluster) -> None:
        self.cluster = postgres

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        store = await open_postgres(self.cluster.schema())
        try:
            yield store
        finally:
            await store.close()
