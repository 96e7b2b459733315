"""Keyed token buckets: what a limit means to a caller, and what it costs to remember."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_core import Rate
from chat_web.http.keyed_buckets import KeyedBuckets

FIFTY_IN_TEN_MINUTES = Rate(per_second=50 / 600, burst=50)
T0 = 1_700_000_000.0


class Caller:
    """Takes from the buckets of one rate."""

    def __init__(self, rate: Rate = FIFTY_IN_TEN_MINUTES, keys_max: int = 9) -> None:
        self.buckets = KeyedBuckets(rate, keys_max)

    def hits(self, now: float, times: int = 1, key: str = "ann") -> int:
        """How many of so many hits are let in."""
        return sum(self.buckets.take(key, now) == 0.0 for _ in range(times))

    def wait_s(self, now: float, key: str = "ann") -> float:
        """The wait that a hit is told."""
        return self.buckets.take(key, now)


@pytest.fixture
def ann() -> Caller:
    return Caller()


# Time


@pytest.mark.parametrize("start", [0.0, T0])
def test_a_key_that_had_its_burst_gets_more_at_the_rate(ann: Caller, start: float) -> None:
    assert ann.hits(start, 60) == 50
    assert ann.hits(start + 11.9, 9) == 0
    assert ann.hits(start + 12, 9) == 1
    assert [ann.hits(start + minute * 60, 9) for minute in range(1, 30)] == [4] + [5] * 28


@pytest.mark.parametrize(
    ("passed_s", "counting"), [(0, 30), (12, 29), (180, 15), (359, 1), (360, 0), (1500, 0)]
)
def test_hits_of_a_part_of_the_burst_are_forgotten_at_the_rate(
    ann: Caller, passed_s: float, counting: int
) -> None:
    assert ann.hits(T0, 30) == 30
    assert ann.hits(T0 + passed_s, 60) == 50 - counting


def test_later_hits_are_counted_together_with_what_is_left_of_earlier_ones(ann: Caller) -> None:
    assert ann.hits(T0, 40) == 40
    assert ann.hits(T0 + 240, 10) == 10  # 20 of the first count still
    assert ann.hits(T0 + 360, 60) == 30  # 20 of all do
    assert ann.wait_s(T0 + 360) == pytest.approx(12.0)


def test_after_a_long_pause_the_whole_burst_is_there_again(ann: Caller) -> None:
    assert ann.hits(T0, 50) == 50
    assert ann.hits(T0 + 600, 60) == 50


def test_a_caller_that_is_refused_often_loses_nothing_by_it() -> None:
    ann = Caller(Rate(per_second=20, burst=40))
    let_in = sum(ann.hits(T0 + knock * 0.04) for knock in range(2500))  # 25 a second, for 100 s
    assert 20 * 100 <= let_in <= 40 + 20 * 100


@pytest.mark.parametrize("back_s", [0.001, 300.0, 1e9])
def test_a_clock_that_went_back_forgives_nothing_and_locks_nobody_out(ann: Caller, back_s: float) -> None:
    assert ann.hits(T0, 50) == 50
    now = T0 - back_s
    assert ann.hits(now, 9) == 0
    wait_s = ann.wait_s(now)
    assert wait_s == pytest.approx(12.0)
    assert ann.hits(now + wait_s, 9) == 1


RATES = st.builds(
    lambda amount, length_s: Rate(per_second=amount / length_s, burst=amount),
    st.integers(1, 60),
    st.integers(1, 600),
)
PAUSES = st.lists(st.one_of(st.just(0.0), st.floats(0.0, 1.5)), min_size=1, max_size=150)


@given(RATES, PAUSES)
def test_a_hit_after_the_wait_that_was_told_gets_through_and_no_sooner(
    rate: Rate, pauses: list[float]
) -> None:
    ann, now, step_s = Caller(rate), T0, 1 / rate.per_second
    for pause in pauses:  # of 1.0: as long as one hit takes at the rate
        now += pause * step_s
        wait_s = ann.wait_s(now)
        if wait_s == 0.0:
            continue
        assert 0.0 < wait_s <= step_s * 1.001
        assert not ann.hits(now + wait_s - 0.01 * step_s) or wait_s < 0.01 * step_s
        now += wait_s
        assert ann.hits(now) == 1


@given(RATES, PAUSES)
def test_no_key_ever_gets_more_than_its_burst_and_the_rate(rate: Rate, pauses: list[float]) -> None:
    ann, now = Caller(rate), T0
    let_in: list[float] = []
    for pause in pauses:
        now += pause / rate.per_second / 4
        if ann.hits(now):
            let_in.append(now)
    for first, start in enumerate(let_in):
        for count, end in enumerate(let_in[first:], 1):
            assert count <= rate.burst + (end - start) * rate.per_second + 0.05


# Memory


def test_it_remembers_so_many_keys_and_forgets_the_one_used_longest_ago() -> None:
    ann = Caller(keys_max=100)
    assert ann.hits(T0, 50, key="faithful") == 50
    for number in range(1, 1001):
        assert ann.hits(T0, 60, key=str(number)) == 50
        assert ann.hits(T0 + number * 12, 9, key="faithful") == 1
    assert len(ann.buckets) == 100
    assert [ann.hits(T0, key=key) for key in ("1000", "902", "901", "1")] == [0, 0, 1, 1]


def test_a_key_that_is_refused_is_not_forgotten_while_it_goes_on(ann: Caller) -> None:
    assert ann.hits(T0, 50, key="flood") == 50
    for number in range(100):
        assert ann.hits(T0, key=str(number)) == 1
        assert ann.hits(T0, key="flood") == 0
    assert len(ann.buckets) == 9


def test_keys_do_not_share_their_tokens(ann: Caller) -> None:
    assert [ann.hits(T0, 60, key=key) for key in ("ann", "bob", "eve")] == [50, 50, 50]
    assert len(ann.buckets) == 3
