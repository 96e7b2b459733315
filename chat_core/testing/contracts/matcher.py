"""The contract of ``rules.lobby.Matcher``: a plain function over those who wait."""

import abc
from collections.abc import Iterator, Sequence
from itertools import combinations
from random import Random
from typing import Final

from chat_core.model.person import Person
from chat_core.rules.lobby import Matcher, MayPair, Pair, Seeker
from chat_core.testing.contracts.expect import equal, true

SEEDS: Final = 60
WAITING_MAX: Final = 24
INTERESTS: Final = ("music", "chess", "rain", "Go", "tea")


class MatcherContract(abc.ABC):
    """Subclass it with ``matcher``."""

    @abc.abstractmethod
    def matcher(self) -> Matcher:
        """The function."""

    def test_nobody_is_paired_where_nobody_waits_or_one_alone(self) -> None:
        for waiting in ([], _line(1)):
            equal(list(self.matcher()(waiting, _anybody, _rng(0))), [])

    def test_nobody_is_invented_and_nobody_paired_twice(self) -> None:
        for waiting, may_pair, seed in _lines():
            pairs = self.matcher()(waiting, may_pair, _rng(seed))
            people = [seeker for pair in pairs for seeker in pair]
            true(all(seeker in waiting for seeker in people), f"seed {seed}: somebody was invented")
            equal(len({seeker.person.id for seeker in people}), len(people), f"seed {seed}: people")

    def test_only_those_are_paired_who_may_be(self) -> None:
        for waiting, may_pair, seed in _lines():
            pairs = self.matcher()(waiting, may_pair, _rng(seed))
            true(all(may_pair(a, b) for a, b in pairs), f"seed {seed}: a pair that may not be")

    def test_no_two_who_may_pair_are_left_waiting(self) -> None:
        for waiting, may_pair, seed in _lines():
            paired = _ids(self.matcher()(waiting, may_pair, _rng(seed)))
            left = [seeker for seeker in waiting if seeker.person.id not in paired]
            true(
                not any(may_pair(a, b) for a, b in combinations(left, 2)),
                f"seed {seed}: two who may pair are left",
            )

    def test_the_same_line_and_the_same_chance_give_the_same_pairs(self) -> None:
        for waiting, may_pair, seed in _lines():
            once = list(self.matcher()(waiting, may_pair, _rng(seed)))
            again = list(self.matcher()(waiting, may_pair, _rng(seed)))
            equal(again, once, f"seed {seed}: it keeps something, or has a chance of its own")

    def test_the_line_is_left_as_it_is(self) -> None:
        for waiting, may_pair, seed in _lines():
            before = list(waiting)
            self.matcher()(waiting, may_pair, _rng(seed))
            equal(waiting, before, f"seed {seed}: the line")


def _lines() -> Iterator[tuple[list[Seeker], MayPair, int]]:
    for seed in range(SEEDS):
        rng = _rng(seed)
        waiting = _line(rng.randint(0, WAITING_MAX), rng)
        blocked = {
            frozenset((a.person.id, b.person.id))
            for a, b in combinations(waiting, 2)
            if rng.random() < seed / SEEDS
        }

        def may_pair(a: Seeker, b: Seeker, blocked: set[frozenset[str]] = blocked) -> bool:
            return a.person.id != b.person.id and frozenset((a.person.id, b.person.id)) not in blocked

        yield waiting, may_pair, seed


def _line(length: int, rng: Random | None = None) -> list[Seeker]:
    rng = rng or _rng(0)
    return [
        Seeker(
            person=Person(id=f"p{rank}", username=f"p{rank}", display_name=f"P{rank}"),
            rank=rank,
            since=float(rank),
            interests=tuple(rng.sample(INTERESTS, rng.randint(0, 3))),
        )
        for rank in range(1, length + 1)
    ]


def _anybody(a: Seeker, b: Seeker) -> bool:
    return a.person.id != b.person.id


def _ids(pairs: Sequence[Pair]) -> set[str]:
    return {seeker.person.id for pair in pairs for seeker in pair}


def _rng(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - the same for the same seed
