"""What ``limits`` counts, kept in this process: a store of ours for its sliding window counter.

Its own ``MemoryStorage`` starts a thread, has a lock for each key, no bound, and a
clock of its own. This one holds ``keys_max`` keys, two counts and a time each, and is
told the time; it belongs to one event loop.

What a limit of 50 in 10 minutes means to a caller here: up to 50 at once. A hit counts
whole until its window of 10 minutes is over, and less and less during the window after.
A window also ends when it is full. So who had all 50 gets the next one 12 seconds
later, and 5 a minute from then on, and nobody gets more than 50 and 5 a minute.

Kept out: which limits there are (``sources.py``).
"""

from collections import OrderedDict
from typing import Final

import attrs
from limits.storage import SlidingWindowCounterSupport, Storage

__all__ = ["Windows"]

_SLACK: Final = 1e-4  # of a hit: who waits as long as told gets through, however floats round


@attrs.define
class _Window:
    """The hits of one key: those of the window that runs, and of the one before."""

    began_at: float
    previous: int = 0
    current: int = 0

    def count(self, now: float, length_s: float) -> float:
        """The hits that count ``now``. Ends the window if its time is over.

        A clock that went back begins the window again, and forgives nothing.
        """
        passed_s = now - self.began_at
        if passed_s >= length_s:
            is_next = passed_s < 2 * length_s
            self.previous, self.current = self.current if is_next else 0, 0
            self.began_at = self.began_at + length_s if is_next else now
            passed_s = now - self.began_at
        elif passed_s < 0.0:
            self.began_at, passed_s = now, 0.0
        return self.previous * (1.0 - passed_s / length_s) + self.current

    def end(self, count: float, limit: int, now: float, length_s: float) -> None:
        """End the window that is full with ``count``; what is left of one hit is not lost."""
        self.previous, self.current = limit, 0
        self.began_at = now - (limit - count) * length_s / limit


class Windows(Storage, SlidingWindowCounterSupport):
    """The windows of ``keys_max`` keys; for one more the one that was let in longest ago is forgotten.

    ``now``, in seconds, is for the caller to set before it asks. A key has one limit
    and one length (``RateLimitItem.key_for`` sees to that).
    """

    def __init__(self, keys_max: int) -> None:
        super().__init__()
        self.now = 0.0
        self._keys_max = keys_max
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def wait_s(self, key: str, limit: int, expiry: int) -> float:
        """The seconds until one more hit fits, if none comes before; 0.0 when it does now."""
        previous, left_s, current, _ = self.get_sliding_window(key, expiry)
        excess = previous * left_s / expiry + current + 1 - limit
        return excess * expiry / previous if excess > _SLACK else 0.0

    # What the sliding window counter asks for

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count ``amount`` hits, if all of them fit. One that does not fit counts for nothing."""
        now, most = self.now, limit + _SLACK
        window = self._windows.get(key)
        if window is None:
            window = _Window(now)
        count = window.count(now, expiry) + amount
        if count > most:
            return False
        window.current += amount
        if count + 1 > most:
            window.end(count, limit, now, expiry)
        self._windows[key] = window
        self._windows.move_to_end(key)
        if len(self._windows) > self._keys_max:
            self._windows.popitem(last=False)
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """The hits of the window before, the seconds that they still count; the same of the one that runs."""
        window = self._windows.get(key)
        if window is None:
            return 0, 0.0, 0, 0.0
        window.count(self.now, expiry)
        left_s = window.began_at + expiry - self.now
        return window.previous, left_s, window.current, left_s + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget a key."""
        self.clear(key)

    # What every storage has

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """Nothing fails here."""
        return ()

    def check(self) -> bool:
        """True: it is always there."""
        return True

    def reset(self) -> int:
        """Forget all keys, and say how many there were."""
        keys = len(self._windows)
        self._windows.clear()
        return keys

    def clear(self, key: str) -> None:
        """Forget a key."""
        self._windows.pop(key, None)

    # Fixed windows are another strategy's

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Raises ``NotImplementedError``."""
        raise NotImplementedError("sliding windows only")

    def get(self, key: str) -> int:
        """Raises ``NotImplementedError``."""
        raise NotImplementedError("sliding windows only")

    def get_expiry(self, key: str) -> float:
        """Raises ``NotImplementedError``."""
        raise NotImplementedError("sliding windows only")
