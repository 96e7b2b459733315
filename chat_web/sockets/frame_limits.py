"""Frame limits of one connection: a rate, and a number of bad frames."""

from collections import deque
from typing import Final

from chat_core import Bucket, Rate

__all__ = ["BAD_FRAMES_MAX", "FRAMES", "FrameLimits"]

BAD_FRAMES_MAX: Final = 10
BAD_FRAMES_WITHIN_S: Final = 60.0
FRAMES: Final = Rate(per_second=20.0, burst=40.0)


class FrameLimits:
    """The frames of one connection. ``rate`` is None where they are not limited; times in seconds."""

    __slots__ = ("_bad", "_bucket")

    def __init__(self, rate: Rate | None) -> None:
        self._bucket = None if rate is None else Bucket(rate)
        self._bad: deque[float] | None = None  # made with the first bad frame: most connections send none

    def wait_s(self, now: float) -> float:
        """Count one more frame: 0.0, or the seconds until there may be one."""
        return 0.0 if self._bucket is None else self._bucket.take(now)

    def has_too_many_bad(self, now: float) -> bool:
        """Count one more bad frame: True when these were ``BAD_FRAMES_MAX`` within a minute."""
        if self._bad is None:
            self._bad = deque(maxlen=BAD_FRAMES_MAX)
        self._bad.append(now)
        return len(self._bad) == BAD_FRAMES_MAX and now - self._bad[0] <= BAD_FRAMES_WITHIN_S
