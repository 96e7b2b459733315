"""The backplane of a single process keeps the contract of backplanes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chat_core.adapters.memory.backplane import InProcessBackplane
from chat_core.ports import Backplane
from chat_core.testing.clock import FakeClock
from chat_core.testing.contracts import BackplaneContract


class TestInProcessBackplane(BackplaneContract):
    @asynccontextmanager
    async def backplane(self, clock: FakeClock) -> AsyncIterator[Backplane]:
        backplane = InProcessBackplane(clock)
        yield backplane
        await backplane.close()
