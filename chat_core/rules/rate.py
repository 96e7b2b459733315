"""Rate limit of one person or connection: a token bucket, with the time as an argument."""

from typing import Final

import attrs

_ENOUGH: Final = 1.0 - 1e-4  # of a token: allows for float rounding after waiting the returned time


@attrs.frozen(kw_only=True)
class Rate:
    """A sustained rate per second, and up to ``burst`` at once after a pause."""

    per_second: float
    burst: float


@attrs.define
class Bucket:
    """The remaining tokens of a ``Rate``. Full at first."""

    rate: Rate
    tokens: float = attrs.field(init=False)
    filled_at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.tokens = self.rate.burst

    def take(self, now: float) -> float:
        """Takes one token: 0.0 if there was one, else the seconds until the next one.

        A clock that goes back neither adds nor removes tokens.
        """
        tokens = self.tokens + max(0.0, now - self.filled_at) * self.rate.per_second
        self.tokens = tokens if tokens < self.rate.burst else self.rate.burst
        self.filled_at = now
        if self.tokens >= _ENOUGH:
            self.tokens -= 1.0
            return 0.0
        return (1.0 - self.tokens) / self.rate.per_second

    def is_full(self, now: float) -> bool:
        """True if the bucket is full, so that forgetting it changes nothing."""
        return self.tokens + max(0.0, now - self.filled_at) * self.rate.per_second >= self.rate.burst
