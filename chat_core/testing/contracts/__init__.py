"""Contracts: what each port promises, as tests for whatever adapter. They need no pytest.

    class TestMyStore(StoreContract):
        @asynccontextmanager
        async def store(self):
            store = await open_my_store()
            yield store
            await store.close()

Every method named ``test_…`` is one sentence of the port's documentation; a
promise that is broken raises ``BrokenContract``. A runner has to await those
that are ``async`` (pytest-asyncio in its mode ``auto`` does).
"""

from chat_core.testing.contracts.accounts import AccountsContract
from chat_core.testing.contracts.backplane import BackplaneContract
from chat_core.testing.contracts.clock import ClockContract
from chat_core.testing.contracts.expect import BrokenContract
from chat_core.testing.contracts.log import LogContract
from chat_core.testing.contracts.matcher import MatcherContract
from chat_core.testing.contracts.store import StoreContract

__all__ = [
    "AccountsContract",
    "BackplaneContract",
    "BrokenContract",
    "ClockContract",
    "LogContract",
    "MatcherContract",
    "StoreContract",
]
