"""Password attempts: a limit on wrong passwords, with the time as an argument.

Counted by account and source together, and by source: who guesses is stopped, and
nobody elsewhere is locked out by it. What is counted is bounded; the one that was
quiet longest is forgotten first. Kept out: what a source is (the caller's matter).
"""

from collections import OrderedDict, deque

import attrs

from chat_core.model.errors import Refused
from chat_core.model.limits import (
    GUESSERS_MAX,
    GUESSES_PER_ACCOUNT_MAX,
    GUESSES_PER_SOURCE_MAX,
    GUESSES_WITHIN_S,
)


@attrs.define
class _Tally:
    """The times of guesses by key, each list bounded by ``most``."""

    most: int
    keys_max: int
    times: "OrderedDict[tuple[str, ...], deque[float]]" = attrs.field(factory=OrderedDict)

    def wait_s(self, key: tuple[str, ...], now: float) -> float:
        """The seconds until one more is allowed; 0.0 for now."""
        times = self.times.get(key)
        if times is None or len(times) < self.most:
            return 0.0
        return max(0.0, times[0] + GUESSES_WITHIN_S - now)

    def add(self, key: tuple[str, ...], now: float) -> None:
        self.times.setdefault(key, deque(maxlen=self.most)).append(now)
        self.times.move_to_end(key)
        if len(self.times) > self.keys_max:
            self.times.popitem(last=False)

    def take_back(self, key: tuple[str, ...], at: float) -> None:
        times = self.times.get(key, deque())
        if at in times:
            times.remove(at)
        if not times:
            self.times.pop(key, None)


class Guesses:
    """Every wrong password of the last 15 minutes, as far as it still matters.

    A guess is counted before the password is looked at, so that many at once are
    no more than one after the other; it is taken back when it was right.
    """

    def __init__(self, *, guessers_max: int = GUESSERS_MAX) -> None:
        self._by_account = _Tally(GUESSES_PER_ACCOUNT_MAX, guessers_max)
        self._by_source = _Tally(GUESSES_PER_SOURCE_MAX, guessers_max)

    def take(self, account: str, source: str, now: float) -> None:
        """Count a guess. Refuses the one too many, which then counts for nothing."""
        wait_s = max(
            self._by_account.wait_s((account, source), now),
            self._by_source.wait_s((source,), now),
        )
        if wait_s > 0:
            words = "Too many wrong passwords. Wait a while, then try again."
            raise Refused("too_many", words, retry_after_s=wait_s)
        self._by_account.add((account, source), now)
        self._by_source.add((source,), now)

    def take_back(self, account: str, source: str, at: float) -> None:
        """The guess of that time was none: nothing was learnt from it."""
        self._by_account.take_back((account, source), at)
        self._by_source.take_back((source,), at)

    def right(self, account: str, source: str, at: float) -> None:
        """The guess of that time was right: what went wrong before for this account is forgiven."""
        self.take_back(account, source, at)
        self._by_account.times.pop((account, source), None)
