"""First come, first served: pairs each seeker, longest wait first, with the longest-waiting match."""

from collections.abc import Sequence
from random import Random

from chat_core.rules.lobby import MayPair, Pair, Seeker


def first_come(waiting: Sequence[Seeker], may_pair: MayPair, rng: Random) -> list[Pair]:
    """Pairs in rank order. ``rng`` is not used. O(n) if everybody may pair with everybody."""
    pairs: list[Pair] = []
    alone: list[Seeker] = []  # seekers before the current one without a match so far
    for seeker in waiting:
        for index, other in enumerate(alone):
            if may_pair(other, seeker):
                pairs.append((other, seeker))
                del alone[index]
                break
        else:
            alone.append(seeker)
    return pairs
