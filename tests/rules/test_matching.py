"""Matchers: their pairs, the order, and that no two who may pair are left."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_core.rules.lobby import Matcher, Pair, Seeker
from chat_core.rules.matching import MATCHERS, at_random, first_come
from tests.support.command_scripts import person

every_matcher = pytest.mark.parametrize("matcher", MATCHERS.values(), ids=list(MATCHERS))


def line(*names: str) -> list[Seeker]:
    return [Seeker(person=person(name), rank=rank, since=0.0) for rank, name in enumerate(names)]


def anybody(a: Seeker, b: Seeker) -> bool:
    return True


def nobody(a: Seeker, b: Seeker) -> bool:
    return False


def names(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    return [(a.person.id, b.person.id) for a, b in pairs]


def test_first_come_pairs_in_the_order_of_the_line() -> None:
    assert names(first_come(line("a", "b", "c", "d", "e"), anybody, Random(0))) == [("a", "b"), ("c", "d")]


def test_first_come_gives_who_waited_longest_the_longest_waiting_who_suits() -> None:
    """a and b may not pair; c may pair with both and gets a, then d gets b."""

    def may_pair(a: Seeker, b: Seeker) -> bool:
        return {a.person.id, b.person.id} != {"a", "b"}

    assert names(first_come(line("a", "b", "c", "d"), may_pair, Random(0))) == [("a", "c"), ("b", "d")]


def test_first_come_uses_no_chance() -> None:
    rng = Random(7)
    before = rng.getstate()
    first_come(line(*"abcdef"), anybody, rng)
    assert rng.getstate() == before


def test_at_random_is_the_same_for_the_same_seed() -> None:
    """I-20."""
    people = line(*"abcdefghij")
    assert at_random(people, anybody, Random(1)) == at_random(people, anybody, Random(1))
    assert len({tuple(names(at_random(people, anybody, Random(seed)))) for seed in range(20)}) > 10


def test_at_random_everybody_meets_everybody_about_equally_often() -> None:
    people, rng = line(*"abcd"), Random(5)
    partners = dict.fromkeys("bcd", 0)
    for _ in range(3000):
        for pair in names(at_random(people, anybody, rng)):
            if "a" in pair:
                partners[pair[0] if pair[1] == "a" else pair[1]] += 1
    assert all(900 < count < 1100 for count in partners.values()), partners


@every_matcher
@pytest.mark.parametrize("count", [0, 1])
def test_where_fewer_than_two_wait_nobody_is_paired(matcher: Matcher, count: int) -> None:
    assert matcher(line("a")[:count], anybody, Random(0)) == []


@every_matcher
def test_where_nobody_suits_nobody_is_paired(matcher: Matcher) -> None:
    assert matcher(line(*"abcdef"), nobody, Random(0)) == []


@every_matcher
def test_a_matcher_leaves_the_line_as_it_was(matcher: Matcher) -> None:
    people = line(*"abcdef")
    matcher(people, anybody, Random(0))
    assert people == line(*"abcdef")


@every_matcher
def test_where_anybody_suits_the_work_grows_with_the_line_and_not_with_its_square(matcher: Matcher) -> None:
    asked = 0

    def may_pair(a: Seeker, b: Seeker) -> bool:
        nonlocal asked
        asked += 1
        return True

    people = line(*(str(n) for n in range(10_000)))
    assert len(matcher(people, may_pair, Random(0))) == 5000
    assert asked == 5000


@every_matcher
@given(
    count=st.integers(0, 9),
    foes=st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=30),
    seed=st.integers(0, 3),
)
def test_no_two_who_may_pair_both_stay_behind(
    matcher: Matcher, count: int, foes: set[tuple[int, int]], seed: int
) -> None:
    """I-9. Also: no person is paired twice, with themselves, or against ``may_pair``."""
    people = line(*"abcdefghi"[:count])

    def may_pair(a: Seeker, b: Seeker) -> bool:
        return (a.rank, b.rank) not in foes and (b.rank, a.rank) not in foes

    pairs = matcher(people, may_pair, Random(seed))
    paired = [seeker for pair in pairs for seeker in pair]
    assert len({seeker.person.id for seeker in paired}) == len(paired)
    assert all(seeker in people for seeker in paired)
    assert all(may_pair(a, b) for a, b in pairs)
    waiting = [seeker for seeker in people if seeker not in paired]
    assert not any(may_pair(a, b) for a in waiting for b in waiting if a is not b)
