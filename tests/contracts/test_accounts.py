"""Accounts in memory, in a SQLite file and in a PostgreSQL keep the contract of accounts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chat_core.adapters.memory.accounts import MemoryAccounts
from chat_core.adapters.sql.accounts import SQLAccounts
from chat_core.adapters.sql.postgres.store import open_postgres
from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.ports.accounts import Accounts
from chat_core.testing.contracts import AccountsContract
from tests.support.own_databases import OwnFolder, OwnSchemas


class TestMemoryAccounts(AccountsContract):
    @asynccontextmanager
    async def accounts(self) -> AsyncIterator[Accounts]:
        yield MemoryAccounts()


class TestSQLiteAccounts(OwnFolder, AccountsContract):
    @asynccontextmanager
    async def accounts(self) -> AsyncIterator[Accounts]:
        store = await open_sqlite(self.folder / "parley.db")
        try:
            yield SQLAccounts(store)
        finally:
            await store.close()


class TestPostgresAccounts(OwnSchemas, AccountsContract):
    @asynccontextmanager
    async def accounts(self) -> AsyncIterator[Accounts]:
        store = await open_postgres(self.cluster.schema())
        try:
            yield SQLAccounts(store)
        finally:
            await store.close()
