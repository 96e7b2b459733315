"""A token bucket for each key, for a bounded number of keys.

The buckets are in this process and belong to one event loop. ``take`` is all that a
caller sees, so that a store which the nodes share (behind the backplane) can take the
place of the map later.

Kept out: which rates there are, and what a key is (``rate_limits``).
"""

from collections import OrderedDict

from chat_core import Bucket, Rate

__all__ = ["KeyedBuckets"]


class KeyedBuckets:
    """One ``Rate`` for each of ``keys_max`` keys: its burst at once, then its rate.

    For one key more, the key that was used longest ago is forgotten.
    """

    def __init__(self, rate: Rate, keys_max: int) -> None:
        self._rate = rate
        self._keys_max = keys_max
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        """The number of keys remembered."""
        return len(self._buckets)

    def take(self, key: str, now: float) -> float:
        """Take one token of this key: 0.0 when there was one, else the seconds until there will be.

        ``now`` is in seconds, of any clock. A take that is refused takes nothing.
        """
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._rate)
            if len(self._buckets) > self._keys_max:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(now)
