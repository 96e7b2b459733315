"""A clock that stands still until a test moves it, and then stops at every alarm."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import attrs

Settle: TypeAlias = Callable[[], Awaitable[None]]

START: Final = 1_700_000_000.0
ROUNDS: Final = 20  # of the event loop, where nothing says when work is finished


@attrs.define(eq=False)
class FakeAlarm:
    """One call that was asked of a ``FakeClock``."""

    callback: Callable[[], None] | None

    def cancel(self) -> None:
        self.callback = None


@attrs.define(eq=False)
class FakeClock:
    """``ports.Clock`` under a test's control: ``await clock.advance(300)`` takes no time.

    Time moves from alarm to alarm; at each one everything that works by this
    clock is let finish (``watch``) before time moves on.
    """

    _now: float = START
    _alarms: list[tuple[float, int, FakeAlarm]] = attrs.field(init=False, factory=list)
    _order: int = attrs.field(init=False, default=0)
    _watched: list[Settle] = attrs.field(init=False, factory=list)

    def now(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> FakeAlarm:
        """Call ``callback`` in ``advance`` or ``ring``, once the time has come; never before this returns."""
        alarm = FakeAlarm(callback)
        self._order += 1
        heapq.heappush(self._alarms, (when, self._order, alarm))
        return alarm

    def watch(self, settle: Settle) -> Callable[[], None]:
        """Await ``settle`` (a chat's ``idle``, say) after each alarm. Returns what ends it."""
        self._watched.append(settle)

        def end() -> None:
            if settle in self._watched:
                self._watched.remove(settle)

        return end

    async def advance(self, seconds: float) -> None:
        """Move on by so many seconds, stopping at each alarm until its work is done."""
        until = self._now + seconds
        await self.settle()
        while (when := self.next_alarm()) is not None and when <= until:
            self.set(max(self._now, when))
            self.ring()
            await self.settle()
        self.set(until)

    async def settle(self) -> None:
        """Let finish what is under way now, without moving the time."""
        if not self._watched:
            for _ in range(ROUNDS):
                await asyncio.sleep(0)
        for _ in self._watched:  # one node's work may wake another
            for idle in tuple(self._watched):
                await idle()

    # For who runs the loop by hand

    def next_alarm(self) -> float | None:
        """When the next alarm rings, None where none is set."""
        while self._alarms and self._alarms[0][2].callback is None:
            heapq.heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None

    def set(self, now: float) -> None:
        """Show this time; it never goes back. Rings nothing."""
        if now < self._now:
            raise ValueError(f"the clock cannot go back from {self._now} to {now}")
        self._now = now

    def ring(self) -> int:
        """Call what has come due, in order; returns how many were called."""
        due: list[FakeAlarm] = []
        while (when := self.next_alarm()) is not None and when <= self._now:
            due.append(heapq.heappop(self._alarms)[2])
        rung = 0
        for alarm in due:
            if alarm.callback is not None:  # one that rang before may have cancelled it
                callback, alarm.callback = alarm.callback, None
                callback()
                rung += 1
        return rung
