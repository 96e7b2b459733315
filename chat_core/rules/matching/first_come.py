"""First come, first served: who has waited longest gets the longest waiting who suits."""

from collections.abc import Sequence
from random import Random

from chat_core.rules.lobby import MayPair, Pair, Seeker


def first_come(waiting: Sequence[Seeker], may_pair: MayPair, rng: Random) -> list[Pair]:
    """Pairs in rank order. ``rng`` is not used. O(n) where anybody suits anybody."""
    pairs: list[Pair] = []
    alone: list[Seeker] = []  # those before the current one whom nobody suited yet
    for seeker in waiting:
        for index, other in enumerate(alone):
            if may_pair(other, seeker):
                pairs.append((other, seeker))
                del alone[index]
                break
        else:
            alone.append(seeker)
    return pairs
