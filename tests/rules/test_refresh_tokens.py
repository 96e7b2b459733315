"""Refresh tokens: one live token, retry after a lost response, detection of a stolen token."""

from typing import Final

import attrs

from chat_core.model.account import Session
from chat_core.model.person import PersonKind
from chat_core.rules.refresh_tokens import JTI_LENGTH, jti_of, new_family, renewed, seen

DAY: Final = 86400.0
ONE, TWO, THREE, FOUR = ("1" * 64, "2" * 64, "3" * 64, "4" * 64)


def session(now: float = 0.0) -> Session:
    family = new_family(ONE, now=now, ends_at=now + 30 * DAY, lifetime_s=14 * DAY)
    return Session(
        sid="s",
        person="ann",
        kind=PersonKind.USER,
        name="ann",
        created_at=now,
        ends_at=now + 30 * DAY,
        family=family,
    )


def token_pair(before: Session, presented: str, successor: str, now: float = 1.0) -> Session:
    renewal = renewed(before, presented=presented, successor=successor, now=now, lifetime_s=14 * DAY)
    assert renewal.is_granted
    assert renewal.session.revoked_at is None
    return renewal.session


def refused(before: Session, presented: str, now: float = 1.0) -> Session:
    renewal = renewed(before, presented=presented, successor=FOUR, now=now, lifetime_s=14 * DAY)
    assert not renewal.is_granted
    return renewal.session


def test_a_token_gives_a_successor_and_that_one_its_own() -> None:
    second = token_pair(session(), ONE, TWO)
    third = token_pair(second, TWO, THREE)
    assert third.family is not None
    assert (third.family.newest, third.family.before) == (THREE, TWO)


def test_a_lost_answer_can_be_asked_for_again_and_again() -> None:
    after = token_pair(session(), ONE, TWO)
    after = token_pair(after, ONE, THREE, now=9.0)
    after = token_pair(after, ONE, FOUR, now=13 * DAY)
    assert after.family is not None
    assert (after.family.newest, after.family.before) == (FOUR, ONE)


def test_a_token_whose_successor_was_used_revokes_all() -> None:
    after = token_pair(token_pair(session(), ONE, TWO), TWO, THREE)
    assert refused(after, ONE, now=5.0).revoked_at == 5.0


def test_a_token_whose_successors_access_token_was_seen_revokes_all() -> None:
    after = seen(token_pair(session(), ONE, TWO), jti_of(TWO))
    assert after.family is not None
    assert after.family.is_used
    assert refused(after, ONE, now=5.0).revoked_at == 5.0


def test_the_access_token_of_another_pair_proves_nothing() -> None:
    after = token_pair(session(), ONE, TWO)
    assert seen(after, jti_of(ONE)) is after
    token_pair(after, ONE, THREE)


def test_seeing_twice_is_seeing_once_and_a_family_that_is_none_sees_nothing() -> None:
    once = seen(token_pair(session(), ONE, TWO), jti_of(TWO))
    assert seen(once, jti_of(TWO)) is once
    without = attrs.evolve(session(), family=None)
    assert seen(without, jti_of(TWO)) is without


def test_a_void_successor_shows_that_two_hold_tokens() -> None:
    after = token_pair(token_pair(session(), ONE, TWO), ONE, THREE)
    assert refused(after, TWO).revoked_at == 1.0


def test_a_revoked_login_and_one_without_tokens_give_none() -> None:
    revoked = attrs.evolve(session(), revoked_at=0.5)
    assert refused(revoked, ONE) is revoked
    without = attrs.evolve(session(), family=None)
    assert refused(without, ONE) is without


def test_an_unused_token_holds_for_fourteen_days_to_the_instant() -> None:
    assert refused(session(), ONE, now=14 * DAY).revoked_at is None
    token_pair(session(), ONE, TWO, now=14 * DAY - 0.001)


def test_the_one_before_does_not_outlive_its_own_end() -> None:
    after = token_pair(session(), ONE, TWO, now=14 * DAY - 1)
    assert refused(after, ONE, now=14 * DAY).revoked_at is None
    token_pair(after, TWO, THREE, now=14 * DAY)


def test_refreshing_goes_on_for_thirty_days_and_not_an_instant_longer() -> None:
    after = session()
    token = ONE
    for day in range(1, 30):
        successor = f"{day:064}"
        after = token_pair(after, token, successor, now=day * DAY)
        token = successor
    assert after.family is not None
    assert after.family.until == after.ends_at == 30 * DAY
    token_pair(after, token, TWO, now=30 * DAY - 0.001)
    assert refused(after, token, now=30 * DAY) is after


def test_a_jti_is_the_beginning_of_a_hash() -> None:
    assert jti_of(ONE) == "1" * JTI_LENGTH
