"""The frames of one connection: a rate, and few that are bad."""

from chat_core import Rate
from chat_web.sockets.frame_limits import BAD_FRAMES_MAX, BAD_FRAMES_WITHIN_S, FrameLimits


def test_frames_above_the_rate_have_to_wait() -> None:
    limits = FrameLimits(Rate(per_second=2.0, burst=3.0))
    assert [limits.wait_s(100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert limits.wait_s(100.5) == 0.0


def test_without_a_rate_no_frame_waits() -> None:
    limits = FrameLimits(None)
    assert {limits.wait_s(100.0) for _ in range(1000)} == {0.0}


def test_the_tenth_bad_frame_within_a_minute_is_too_many() -> None:
    limits = FrameLimits(None)
    bad = [limits.has_too_many_bad(100.0 + n) for n in range(BAD_FRAMES_MAX)]
    assert bad == [False] * (BAD_FRAMES_MAX - 1) + [True]


def test_bad_frames_that_are_spread_over_more_than_a_minute_are_not_too_many() -> None:
    limits = FrameLimits(None)
    step_s = BAD_FRAMES_WITHIN_S / (BAD_FRAMES_MAX - 1) + 0.01
    assert not any(limits.has_too_many_bad(100.0 + n * step_s) for n in range(50))
