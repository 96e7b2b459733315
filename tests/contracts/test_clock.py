"""The system's clock and the one of tests keep the contract of clocks."""

import asyncio

from chat_core.adapters.clock import SystemClock
from chat_core.ports import Clock
from chat_core.testing.clock import FakeClock
from chat_core.testing.contracts import ClockContract


class TestSystemClock(ClockContract):
    async def clock(self) -> Clock:
        return SystemClock()

    async def wait(self, clock: Clock, seconds: float) -> None:
        until = clock.now() + seconds
        loop = asyncio.get_running_loop()
        passed = asyncio.Event()
        loop.call_later(seconds, passed.set)
        await passed.wait()
        await asyncio.sleep(max(0.0, until - clock.now()))  # the clock itself is what is tested


class TestFakeClock(ClockContract):
    async def clock(self) -> Clock:
        return FakeClock()

    async def wait(self, clock: Clock, seconds: float) -> None:
        assert isinstance(clock, FakeClock)
        await clock.advance(seconds)
