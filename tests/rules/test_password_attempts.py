"""Password attempts: a guesser is stopped, nobody elsewhere is locked out, memory is bounded."""

import pytest

from chat_core.model.errors import Refused
from chat_core.rules.password_attempts import Guesses

HERE, ELSEWHERE = "here", "elsewhere"


def test_the_sixth_guess_for_an_account_is_too_many_until_the_first_is_fifteen_minutes_old() -> None:
    guesses = Guesses()
    for second in range(5):
        guesses.take("ann", HERE, float(second))
    with pytest.raises(Refused) as refused:
        guesses.take("ann", HERE, 10.0)
    assert (refused.value.code, refused.value.retry_after_s) == ("too_many", 890.0)
    with pytest.raises(Refused):
        guesses.take("ann", HERE, 899.9)
    guesses.take("ann", HERE, 900.0)
    with pytest.raises(Refused):
        guesses.take("ann", HERE, 900.5)


def test_who_guesses_elsewhere_locks_nobody_out_here() -> None:
    guesses = Guesses()
    for _ in range(5):
        guesses.take("ann", ELSEWHERE, 0.0)
    guesses.take("ann", HERE, 0.0)


def test_the_twenty_first_guess_from_one_source_is_too_many_whatever_the_account() -> None:
    guesses = Guesses()
    for n in range(20):
        guesses.take(f"account {n}", HERE, 0.0)
    with pytest.raises(Refused):
        guesses.take("another", HERE, 1.0)
    guesses.take("another", ELSEWHERE, 1.0)


def test_a_right_one_forgives_the_account_and_not_the_source() -> None:
    guesses = Guesses()
    for _ in range(4):
        for n in range(4):
            guesses.take("mine", HERE, float(n))
        guesses.take("mine", HERE, 9.0)
        guesses.right("mine", HERE, 9.0)
    for n in range(4):
        guesses.take(f"victim {n}", HERE, 10.0)
    with pytest.raises(Refused):
        guesses.take("victim", HERE, 11.0)


def test_what_is_taken_back_was_none() -> None:
    guesses = Guesses()
    for _ in range(100):
        guesses.take("ann", HERE, 1.0)
        guesses.take_back("ann", HERE, 1.0)
    guesses.take_back("bob", ELSEWHERE, 1.0)
    for _ in range(5):
        guesses.take("ann", HERE, 1.0)


def test_the_one_that_was_quiet_longest_is_forgotten_first() -> None:
    guesses = Guesses(guessers_max=3)
    for _ in range(5):
        guesses.take("ann", HERE, 0.0)
    for n in range(2):
        guesses.take("x", f"source {n}", 1.0)
    with pytest.raises(Refused):
        guesses.take("ann", HERE, 2.0)
    guesses.take("x", "source 2", 1.0)
    guesses.take("ann", HERE, 2.0)
