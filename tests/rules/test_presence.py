"""Presence: counts people, not sockets, with a grace period after the last drop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_core.rules.presence import Presence, PresenceState, connected, dropped, is_gone

ABSENT, PRESENT, AWAITED = PresenceState
GRACE_S = 10.0
NOBODY = Presence()
ONE = connected(NOBODY, may_return=True)
TWO = connected(ONE, may_return=True)


def test_who_never_came_is_absent_and_not_gone() -> None:
    assert NOBODY.state is ABSENT
    assert not is_gone(NOBODY, now=1e9)


def test_who_comes_is_present() -> None:
    assert (ONE.state, TWO.state, TWO.connections) == (PRESENT, PRESENT, 2)


def test_the_first_of_two_to_drop_changes_nothing_for_others() -> None:
    after = dropped(TWO, now=5.0, grace_s=GRACE_S)
    assert after == ONE
    assert not is_gone(after, now=1e9)


def test_after_the_last_one_dropped_the_person_is_awaited_for_the_grace() -> None:
    after = dropped(ONE, now=5.0, grace_s=GRACE_S)
    assert (after.state, after.until) == (AWAITED, 15.0)
    assert not is_gone(after, now=14.999)
    assert is_gone(after, now=15.0)
    assert is_gone(after, now=1e9)


def test_who_comes_back_in_time_was_never_gone() -> None:
    back = connected(dropped(ONE, now=5.0, grace_s=GRACE_S), may_return=True)
    assert (back, back.state) == (ONE, PRESENT)
    assert not is_gone(back, now=15.0), "the alarm of the first drop rings for nothing"


def test_each_drop_begins_a_grace_of_its_own() -> None:
    back = connected(dropped(ONE, now=5.0, grace_s=GRACE_S), may_return=True)
    again = dropped(back, now=12.0, grace_s=GRACE_S)
    assert not is_gone(again, now=15.0)
    assert is_gone(again, now=22.0)


def test_who_cannot_come_back_is_gone_at_once() -> None:
    after = dropped(connected(NOBODY, may_return=False), now=5.0, grace_s=GRACE_S)
    assert is_gone(after, now=5.0)


@pytest.mark.parametrize("order", [(True, False), (False, True)])
def test_who_can_come_back_with_one_connection_can_come_back(order: tuple[bool, bool]) -> None:
    both = connected(connected(NOBODY, may_return=order[0]), may_return=order[1])
    after = dropped(dropped(both, now=5.0, grace_s=GRACE_S), now=6.0, grace_s=GRACE_S)
    assert after.until == 16.0


def test_without_a_grace_a_drop_is_a_going() -> None:
    assert is_gone(dropped(ONE, now=5.0, grace_s=0.0), now=5.0)


def test_a_late_or_doubled_leave_is_ignored() -> None:
    """I-15: it neither starts nor extends a grace period."""
    awaited = dropped(ONE, now=5.0, grace_s=GRACE_S)
    assert dropped(awaited, now=9.0, grace_s=GRACE_S) == awaited
    assert dropped(NOBODY, now=9.0, grace_s=GRACE_S) == NOBODY


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 20.0)), max_size=30))
def test_presence_is_the_count_of_connections_and_the_time_of_the_last_drop(
    moves: list[tuple[bool, float]],
) -> None:
    presence, now, count, last = NOBODY, 0.0, 0, None
    for comes, pause in moves:
        now += pause
        if comes:
            presence, count, last = connected(presence, may_return=True), count + 1, None
        elif count:
            presence, count = dropped(presence, now=now, grace_s=GRACE_S), count - 1
            last = None if count else now
        assert presence.connections == count
        assert (presence.state is PRESENT) == (count > 0)
        assert is_gone(presence, now=now + 5.0) == (last is not None and now + 5.0 >= last + GRACE_S)
