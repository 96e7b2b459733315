"""The store in memory keeps the contract of stores."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chat_core.adapters.memory.store import MemoryStore
from chat_core.ports import Store
from chat_core.testing.contracts import StoreContract


class TestMemoryStore(StoreContract):
    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        store = MemoryStore()
        yield store
        await store.close()
