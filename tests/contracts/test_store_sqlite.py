"""The store in a SQLite file keeps the contract of stores."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.ports import Store
from chat_core.testing.contracts import StoreContract


class TestSQLiteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _in_a_folder_of_its_own(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.opened = 0

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        self.opened += 1
        store = await open_sqlite(self.folder / f"{self.opened}.db")
        try:
            yield store
        finally:
            await store.close()
