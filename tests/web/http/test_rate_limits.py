"""Windows of hits: what a limit means to a caller, and what it costs to remember."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter

from chat_web.http.rate_limit_storage import Windows

LIMIT = RateLimitItemPerMinute(50, 10)
T0 = 1_700_000_000.0


class Caller:
    """Who hits one limit."""

    def __init__(self, limit: RateLimitItem = LIMIT, keys_max: int = 9) -> None:
        self.limit = limit
        self.windows = Windows(keys_max)
        self.limiter = SlidingWindowCounterRateLimiter(self.windows)

    def hits(self, now: float, times: int = 1, key: str = "ann") -> int:
        """How many of so many hits are let in."""
        self.windows.now = now
        return sum(self.limiter.hit(self.limit, key) for _ in range(times))

    def wait_s(self, now: float, key: str = "ann") -> float:
        self.windows.now = now
        return self.windows.wait_s(self.limit.key_for(key), self.limit.amount, self.limit.get_expiry())


@pytest.fixture
def ann() -> Caller:
    return Caller()


# Time


@pytest.mark.parametrize("start", [0.0, T0])
def test_who_had_all_at_once_gets_more_at_the_rate(ann: Caller, start: float) -> None:
    assert ann.hits(start, 60) == 50
    assert ann.hits(start + 11.9, 9) == 0
    assert ann.hits(start + 12, 9) == 1
    assert [ann.hits(start + minute * 60, 9) for minute in range(1, 30)] == [4] + [5] * 28


@pytest.mark.parametrize(
    ("passed_s", "counting"), [(0, 30), (599.9, 30), (600, 30), (900, 15), (1199, 1), (1200, 0), (1500, 0)]
)
def test_what_was_not_all_counts_whole_for_a_window_and_then_less_and_less(
    ann: Caller, passed_s: float, counting: int
) -> None:
    assert ann.hits(T0, 30) == 30
    assert ann.hits(T0 + passed_s, 60) == 50 - counting


def test_a_window_that_runs_is_weighed_with_the_one_before(ann: Caller) -> None:
    assert ann.hits(T0, 40) == 40
    assert ann.hits(T0 + 900, 10) == 10  # 20 of the first count still
    assert ann.hits(T0 + 1050, 60) == 30  # 10 do
    assert ann.wait_s(T0 + 1050) == pytest.approx(12.0)


def test_after_two_windows_of_quiet_all_is_as_at_first(ann: Caller) -> None:
    assert ann.hits(T0, 50) == 50
    assert ann.hits(T0 + 1200, 60) == 50


def test_who_knocks_too_often_loses_nothing_by_it() -> None:
    ann = Caller(RateLimitItemPerSecond(40, 2))
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


LIMITS = st.builds(RateLimitItemPerSecond, st.integers(1, 60), st.integers(1, 600))
PAUSES = st.lists(st.one_of(st.just(0.0), st.floats(0.0, 1.5)), min_size=1, max_size=150)


@given(LIMITS, PAUSES)
def test_who_waits_as_long_as_told_gets_through_and_no_sooner(
    limit: RateLimitItem, pauses: list[float]
) -> None:
    ann, now, steps = Caller(limit), T0, limit.get_expiry() / limit.amount
    for pause in pauses:  # of 1.0: as long as one hit takes at the rate
        now += pause * steps
        if ann.hits(now):
            continue
        wait_s = ann.wait_s(now)
        assert 0.0 < wait_s <= steps * 1.001
        assert not ann.hits(now + wait_s - 0.01 * steps) or wait_s < 0.01 * steps
        now += wait_s
        assert ann.hits(now) == 1


@given(LIMITS, PAUSES)
def test_nobody_ever_gets_more_than_all_at_once_and_the_rate(
    limit: RateLimitItem, pauses: list[float]
) -> None:
    ann, now, rate = Caller(limit), T0, limit.amount / limit.get_expiry()
    let_in: list[float] = []
    for pause in pauses:
        now += pause / rate / 4
        if ann.hits(now):
            let_in.append(now)
    for first, start in enumerate(let_in):
        for count, end in enumerate(let_in[first:], 1):
            assert count <= limit.amount + (end - start) * rate + 0.05


# Memory


def test_it_remembers_so_many_keys_and_forgets_who_was_let_in_longest_ago() -> None:
    ann = Caller(keys_max=100)
    assert ann.hits(T0, 50, key="faithful") == 50
    for number in range(1, 1001):
        assert ann.hits(T0, 60, key=str(number)) == 50
        assert ann.hits(T0 + number * 12, 9, key="faithful") == 1
    assert len(ann.windows) == 100
    assert [ann.hits(T0, key=key) for key in ("1000", "902", "901", "1")] == [0, 0, 1, 1]


def test_more_than_fits_at_all_is_refused_and_leaves_nothing(ann: Caller) -> None:
    assert not ann.limiter.hit(LIMIT, "ann", cost=51)
    assert len(ann.windows) == 0
    assert ann.limiter.hit(LIMIT, "ann", cost=50)
    assert not ann.limiter.hit(LIMIT, "ann")


def test_who_asks_without_hitting_leaves_nothing(ann: Caller) -> None:
    assert ann.wait_s(T0) == 0.0
    assert ann.limiter.test(LIMIT, "ann")
    assert len(ann.windows) == 0
    ann.hits(T0, 50)
    assert not ann.limiter.test(LIMIT, "ann")


def test_keys_are_forgotten_when_asked(ann: Caller) -> None:
    for key in ("ann", "bob", "eve"):
        ann.hits(T0, 50, key=key)
    ann.limiter.clear(LIMIT, "ann")
    assert (len(ann.windows), ann.hits(T0, key="ann"), ann.hits(T0, key="bob")) == (2, 1, 0)
    assert (ann.windows.check(), ann.windows.reset(), len(ann.windows)) == (True, 3, 0)


def test_another_strategy_finds_nothing_to_count_in() -> None:
    fixed = FixedWindowRateLimiter(Windows(9))
    for ask in (fixed.hit, fixed.test, fixed.get_window_stats):
        with pytest.raises(NotImplementedError):
            ask(LIMIT, "ann")
