"""The system's clock, and ids with the system's randomness."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

import attrs

from chat_core.model.ids import CHANCE_DIGITS, chance_part, time_part

SLEW_MAX: Final = 0.001  # seconds of correction for each second that passed
SLEW_EVERY_S: Final = 1.0
IDS_DRAWN: Final = 64


@attrs.define
class SystemClock:
    """Wall time at start plus monotonic time, slewed towards the wall clock by at most 0.1 %.

    So an interval is never negative, and a leap second or a corrected clock never
    fires all alarms at once. ``call_at`` needs a running event loop.
    """

    _offset: float = attrs.field(init=False)
    _slewed_at: float = attrs.field(init=False)
    _slew_due: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._slewed_at = time.monotonic()
        self._slew_due = self._slewed_at + SLEW_EVERY_S
        self._offset = time.time() - self._slewed_at

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        monotonic = time.monotonic()
        if monotonic >= self._slew_due:
            self._slew(monotonic)
        return self._offset + monotonic

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call ``callback`` once ``now() >= when``."""

        def ring() -> None:
            # A slewed clock may be slightly behind the loop's: never act early.
            if self.now() < when:
                self.call_at(when, callback)
            else:
                callback()

        return asyncio.get_running_loop().call_later(max(0.0, when - self.now()), ring)

    def _slew(self, monotonic: float) -> None:
        error = time.time() - (self._offset + monotonic)
        most = (monotonic - self._slewed_at) * SLEW_MAX
        self._offset += min(most, max(-most, error))
        self._slewed_at = monotonic
        self._slew_due = monotonic + SLEW_EVERY_S


@attrs.define
class Ids:
    """New UUIDv7 texts: the time from a clock, random bits from ``rng`` (seeded in tests).

    Random bits are drawn for many ids at once: a system call per id costs more than
    everything else.
    """

    now: Callable[[], float]
    rng: random.Random = attrs.field(factory=random.SystemRandom)
    _drawn: list[str] = attrs.field(factory=list, init=False)
    _millisecond: int = attrs.field(default=-1, init=False)
    _time_part: str = attrs.field(default="", init=False)

    def __call__(self) -> str:
        if not self._drawn:
            self._drawn = self._draw()
        millisecond = int(self.now() * 1000)
        if millisecond != self._millisecond:
            self._millisecond, self._time_part = millisecond, time_part(millisecond)
        return self._time_part + self._drawn.pop()

    def _draw(self) -> list[str]:
        digits = self.rng.randbytes(CHANCE_DIGITS * IDS_DRAWN // 2).hex()
        return [chance_part(digits[at : at + CHANCE_DIGITS]) for at in range(0, len(digits), CHANCE_DIGITS)]
