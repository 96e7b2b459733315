"""Alarms: one heap of deadlines and one timer for all of them.

An alarm is named by a key; setting it again moves it. What an alarm does must
be harmless when it is early, late or doubled: the rules look at the clock.
"""

import heapq
import logging
from collections.abc import Callable
from typing import Final, TypeAlias

import attrs

from chat_core.ports import Alarm, Clock

_log = logging.getLogger(__name__)

Key: TypeAlias = tuple[str, str]
_SLACK: Final = 64  # cancelled entries that the heap may hold beside the live ones


@attrs.define
class Alarms:
    """``set`` and ``cancel`` are O(log n); a cancelled entry stays in the heap until it is swept."""

    _clock: Clock
    _heap: list[tuple[float, int, Key]] = attrs.field(factory=list)
    _set: dict[Key, tuple[int, Callable[[], None]]] = attrs.field(factory=dict)
    _order: int = 0
    _timer: Alarm | None = None
    _timer_at: float = 0.0
    _stopped: bool = False

    def set(self, key: Key, when: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` once the clock shows ``when``. Replaces the alarm of the same key."""
        if self._stopped:
            return
        self._order += 1
        self._set[key] = (self._order, callback)
        heapq.heappush(self._heap, (when, self._order, key))
        if len(self._heap) > 2 * len(self._set) + _SLACK:
            self._sweep()
        self._arm()

    def cancel(self, key: Key) -> None:
        """Harmless where there is none."""
        self._set.pop(key, None)

    def stop(self) -> None:
        """Forget every alarm, and take no more."""
        self._stopped = True
        self._set.clear()
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def __len__(self) -> int:
        return len(self._set)

    @property
    def entries(self) -> int:
        """Entries in the heap: the alarms that are set, and those cancelled since the last sweep."""
        return len(self._heap)

    def _arm(self) -> None:
        while self._heap and not self._is_live(self._heap[0]):
            heapq.heappop(self._heap)
        if not self._heap:
            return
        when = self._heap[0][0]
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._clock.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._clock.now()
        due: list[Callable[[], None]] = []
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            if self._is_live(entry):
                due.append(self._set.pop(entry[2])[1])
        for callback in due:
            try:
                callback()
            except Exception:  # the others that are due are not to pay for it
                _log.exception("alarm_failed")
        self._arm()

    def _is_live(self, entry: tuple[float, int, Key]) -> bool:
        known = self._set.get(entry[2])
        return known is not None and known[0] == entry[1]

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if self._is_live(entry)]
        heapq.heapify(self._heap)
