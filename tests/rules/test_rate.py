"""The token bucket: a burst, then a fixed rate per second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_core.rules.rate import Bucket, Rate

RATE = Rate(per_second=2.0, burst=20.0)
T0 = 1_700_000_000.0


def taken(bucket: Bucket, now: float, tries: int) -> int:
    """The number of tries that got a token."""
    return sum(bucket.take(now) == 0.0 for _ in range(tries))


def test_a_new_bucket_is_full_at_any_time() -> None:
    for now in (0.0, T0):
        bucket = Bucket(RATE)
        assert bucket.is_full(now)
        assert taken(bucket, now, 30) == 20


def test_after_the_burst_tokens_come_at_the_rate() -> None:
    bucket = Bucket(RATE)
    assert taken(bucket, T0, 30) == 20
    assert [taken(bucket, T0 + second, 9) for second in (1, 2, 3)] == [2, 2, 2]


def test_a_refusal_says_when_there_will_be_a_token_and_costs_nothing() -> None:
    bucket = Bucket(RATE)
    taken(bucket, T0, 20)
    assert [bucket.take(T0) for _ in range(3)] == [0.5, 0.5, 0.5]
    assert bucket.take(T0 + 0.25) == 0.25
    assert bucket.take(T0 + 0.5) == 0.0
    assert bucket.take(T0 + 0.5) == 0.5


def test_a_pause_fills_the_bucket_but_never_over_its_brim() -> None:
    bucket = Bucket(RATE)
    taken(bucket, T0, 20)
    assert not bucket.is_full(T0 + 9.9)
    assert bucket.is_full(T0 + 10.0)
    assert taken(bucket, T0 + 1e6, 99) == 20


@pytest.mark.parametrize("back", [0.001, 1.0, 1e9])
def test_a_clock_that_goes_back_fills_nothing_and_takes_nothing_away(back: float) -> None:
    bucket = Bucket(RATE)
    taken(bucket, T0, 10)
    assert not bucket.is_full(T0 - back)
    assert taken(bucket, T0 - back, 30) == 10
    assert taken(bucket, T0 - back + 1.0, 30) == 2


@given(
    st.floats(0.01, 100.0),
    st.floats(1.0, 50.0),
    st.lists(st.floats(0.0, 5.0), min_size=1, max_size=60),
)
def test_nobody_ever_gets_more_than_the_burst_and_the_rate(
    per_second: float, burst: float, pauses: list[float]
) -> None:
    bucket = Bucket(Rate(per_second=per_second, burst=burst))
    now, got, start = T0, 0, T0 + pauses[0]
    for pause in pauses:
        now += pause
        wait = bucket.take(now)
        assert 0.0 <= wait <= 1.0001 / per_second
        got += wait == 0.0
        assert got <= burst + (now - start) * per_second + 1e-3
        assert -1e-4 <= bucket.tokens <= burst  # rounding may lend a ten-thousandth, paid back later


@given(st.floats(0.01, 100.0), st.integers(1, 20), st.floats(0.0, 5.0))
def test_who_waits_as_long_as_was_said_gets_a_token(per_second: float, burst: int, pause: float) -> None:
    bucket = Bucket(Rate(per_second=per_second, burst=float(burst)))
    taken(bucket, T0, burst)
    wait = bucket.take(T0 + pause)
    assert wait == 0.0 or bucket.take(T0 + pause + wait + 1e-5) == 0.0


@given(st.lists(st.floats(0.0, 3.0), max_size=20), st.floats(0.0, 30.0))
def test_a_full_bucket_may_be_forgotten(pauses: list[float], later: float) -> None:
    bucket, now = Bucket(RATE), T0
    for pause in pauses:
        now += pause
        bucket.take(now)
    now += later
    if bucket.is_full(now):
        fresh = Bucket(RATE)
        assert [bucket.take(now) for _ in range(25)] == [fresh.take(now) for _ in range(25)]


@given(st.floats(0.001, 200.0), st.integers(0, 10**6))
def test_a_caller_that_waits_as_long_as_told_gets_a_token(per_second: float, offset_ms: int) -> None:
    bucket, now = Bucket(Rate(per_second=per_second, burst=1.0)), T0 + offset_ms / 1000
    bucket.take(now)
    for _ in range(20):
        now += bucket.take(now)
        assert bucket.take(now) == 0.0
