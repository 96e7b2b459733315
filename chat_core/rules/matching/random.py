"""At random: every waiting person has the same chance to meet any match."""

from collections.abc import Sequence
from random import Random

from chat_core.rules.lobby import MayPair, Pair, Seeker
from chat_core.rules.matching.first_come import first_come


def at_random(waiting: Sequence[Seeker], may_pair: MayPair, rng: Random) -> list[Pair]:
    """First come, first served over a shuffled queue. The order depends on ``rng`` alone."""
    shuffled = list(waiting)
    rng.shuffle(shuffled)
    return first_come(shuffled, may_pair, rng)
