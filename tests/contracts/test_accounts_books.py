"""Accounts in memory and in a SQLite file keep the contract of accounts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chat_core.adapters.memory_accounts import MemoryAccounts
from chat_core.adapters.sql.accounts import SQLiteAccounts
from chat_core.adapters.sql.sqlite import open_sqlite
from chat_core.ports.accounts import Accounts
from chat_core.testing.contracts import AccountsContract


class TestMemoryAccounts(AccountsContract):
    @asynccontextmanager
    async def accounts(self) -> AsyncIterator[Accounts]:
        yield MemoryAccounts()


class TestSQLiteAccounts(AccountsContract):
    @pytest.fixture(autouse=True)
    def _in_a_folder_of_its_own(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    @asynccontextmanager
    async def accounts(self) -> AsyncIterator[Accounts]:
        store = await open_sqlite(self.folder / "parley.db")
        try:
            yield SQLiteAccounts(store)
        finally:
            await store.close()
