"""The contract of ``ports.Clock``."""

import abc
from typing import Final

from chat_core.ports import Clock
from chat_core.testing.contracts.expect import equal, true

SOON_S: Final = 0.02


class ClockContract(abc.ABC):
    """Subclass it with ``clock`` and ``wait``."""

    @abc.abstractmethod
    async def clock(self) -> Clock:
        """A clock, inside a running event loop."""

    @abc.abstractmethod
    async def wait(self, clock: Clock, seconds: float) -> None:
        """Let at least so much time pass, and what falls due happen."""

    async def test_now_never_goes_back(self) -> None:
        clock = await self.clock()
        seen = [clock.now() for _ in range(1000)]
        await self.wait(clock, SOON_S)
        seen.append(clock.now())
        equal(seen, sorted(seen))
        true(seen[-1] >= seen[0] + SOON_S, "time passes")

    async def test_now_is_seconds_since_1970(self) -> None:
        clock = await self.clock()
        true(1_600_000_000 < clock.now() < 10_000_000_000, f"{clock.now()} is a wall clock's time")

    async def test_an_alarm_rings_once_its_time_has_come_and_not_before(self) -> None:
        clock = await self.clock()
        rung: list[float] = []
        when = clock.now() + SOON_S
        clock.call_at(when, lambda: rung.append(clock.now()))
        await self.wait(clock, 0.0)
        equal(rung if clock.now() < when else [], [], "too early")
        await self.wait(clock, 3 * SOON_S)
        equal(len(rung), 1, "rings")
        true(rung[0] >= when, f"{when - rung[0]} s too early")

    async def test_alarms_ring_in_the_order_of_their_times(self) -> None:
        clock = await self.clock()
        rung: list[int] = []
        start = clock.now()
        for n in (3, 1, 2, 0):
            clock.call_at(start + SOON_S * (1 + n / 2), lambda n=n: rung.append(n))  # type: ignore[misc]
        await self.wait(clock, 5 * SOON_S)
        equal(rung, [0, 1, 2, 3])

    async def test_a_time_that_has_passed_means_soon_but_not_before_call_at_returns(self) -> None:
        clock = await self.clock()
        rung: list[str] = []
        for when in (clock.now(), clock.now() - 1000.0, 0.0):
            before = len(rung)
            clock.call_at(when, lambda: rung.append("rung"))
            equal(len(rung), before, "called before call_at returned")
        await self.wait(clock, SOON_S)
        equal(len(rung), 3)

    async def test_a_cancelled_alarm_does_not_ring_and_cancelling_is_harmless_twice_and_afterwards(
        self,
    ) -> None:
        clock = await self.clock()
        rung: list[str] = []
        never = clock.call_at(clock.now() + SOON_S, lambda: rung.append("never"))
        once = clock.call_at(clock.now() + SOON_S, lambda: rung.append("once"))
        never.cancel()
        never.cancel()
        await self.wait(clock, 3 * SOON_S)
        once.cancel()
        once.cancel()
        equal(rung, ["once"])

    async def test_an_alarm_may_set_the_next(self) -> None:
        clock = await self.clock()
        rung: list[float] = []

        def again() -> None:
            rung.append(clock.now())
            if len(rung) < 3:
                clock.call_at(clock.now() + SOON_S / 2, again)

        clock.call_at(clock.now(), again)
        await self.wait(clock, 5 * SOON_S)
        equal(len(rung), 3)
