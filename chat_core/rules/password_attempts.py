"""Password attempts: a limit on wrong passwords, with the time as an argument.

Counted per account and source, and per source: this stops a guesser and locks out
nobody elsewhere. The number of keys is bounded; the one idle longest is forgotten
first. Not here: the meaning of a source (the caller defines it).
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
    """The times of guesses per key, each list bounded by ``most``."""

    most: int
    keys_max: int
    times: "OrderedDict[tuple[str, ...], deque[float]]" = attrs.field(factory=OrderedDict)

    def wait_s(self, key: tuple[str, ...], now: float) -> float:
        """The seconds until another guess is allowed; 0.0 if it is allowed now."""
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
    """The wrong passwords of the last 15 minutes that still count.

    A guess is counted before the password is checked, so that concurrent guesses
    gain nothing over sequential ones; it is taken back if it was right.
    """

    def __init__(self, *, guessers_max: int = GUESSERS_MAX) -> None:
        self._by_account = _Tally(GUESSES_PER_ACCOUNT_MAX, guessers_max)
        self._by_source = _Tally(GUESSES_PER_SOURCE_MAX, guessers_max)

    def take(self, account: str, source: str, now: float) -> None:
        """Counts a guess. Refuses ``too_many`` above the limit; a refused guess is not counted."""
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
        """Removes the guess of that time: it revealed nothing about the password."""
        self._by_account.take_back((account, source), at)
        self._by_source.take_back((source,), at)

    def right(self, account: str, source: str, at: float) -> None:
        """The guess of that time was right: earlier wrong guesses for this account are removed too."""
        self.take_back(account, source, at)
        self._by_account.times.pop((account, source), None)
