"""Ids, cards, limits and errors: the words that everything else is made of."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_core.model import limits
from chat_core.model.errors import CODES, ChatError, Disconnected, InvariantBroken, Refused, Unavailable
from chat_core.model.ids import CHANCE_BITS, uuid7
from chat_core.model.person import Person, pseudonym
from tests.support.command_scripts import ann, bob, new_room

TIMES = st.floats(0.0, 2.0**48 / 1000 - 1)
CHANCES = st.integers(0, 2**CHANCE_BITS - 1)


def test_the_example_of_rfc_9562() -> None:
    """Appendix A.6: 2022-02-22T19:22:22Z."""
    rng = 0xCC3 << 62 | 0x18C4DC0C0C07398F
    assert uuid7(at=0x017F22E279B0 / 1000, rng=rng) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(TIMES, CHANCES)
def test_an_id_is_a_uuid_of_version_7_that_carries_its_time_and_all_of_its_chance(
    at: float, rng: int
) -> None:
    value = uuid.UUID(uuid7(at=at, rng=rng))
    assert (value.version, value.variant) == (7, uuid.RFC_4122)
    assert value.int >> 80 == int(at * 1000)
    assert (value.int >> 64 & 0xFFF) << 62 | value.int & (2**62 - 1) == rng
    assert str(value) == uuid7(at=at, rng=rng)


@given(TIMES, TIMES, CHANCES, CHANCES)
def test_the_order_of_the_texts_is_the_order_of_the_milliseconds(
    one: float, other: float, rng: int, other_chance: int
) -> None:
    early, late = sorted((one, other))
    if int(early * 1000) < int(late * 1000):
        assert uuid7(at=early, rng=rng) < uuid7(at=late, rng=other_chance)


@given(TIMES, CHANCES, CHANCES)
def test_different_chances_give_different_ids(at: float, one: int, other: int) -> None:
    assert (uuid7(at=at, rng=one) == uuid7(at=at, rng=other)) == (one == other)


def test_a_persons_card_shows_the_person() -> None:
    person = Person(id="1", username="ann", display_name="Ann", partition="secret")
    assert (person.card.id, person.card.username, person.card.display_name) == ("1", "ann", "Ann")


def test_a_pseudonym_tells_nothing_but_that_it_is_somebody() -> None:
    one, other = pseudonym("a"), pseudonym("b")
    assert (one.username, one.display_name) == (other.username, other.display_name)
    assert one != other


def test_the_real_id_behind_a_card_is_known_in_its_room_alone() -> None:
    room = new_room(ann, bob, anonymous=True)
    assert room.owner_of("card-of-bob") == "bob"
    assert room.owner_of("bob") is None


@pytest.mark.parametrize("name", [name for name in vars(limits) if name.isupper()])
def test_every_limit_is_a_positive_number_with_its_unit_in_the_name(name: str) -> None:
    assert getattr(limits, name) > 0
    assert name.endswith(("_MIN", "_MAX", "_S", "_BYTES")), name


def test_the_errors_are_classed_by_whose_fault_they_are() -> None:
    refusal = Refused("too_many", "Slow down.", retry_after_s=1.5, fields={"a": "b"})
    assert (refusal.code, str(refusal), refusal.retry_after_s) == ("too_many", "Slow down.", 1.5)
    assert (refusal.fields, Refused("invalid", "No.").fields) == ({"a": "b"}, {})
    closed = Disconnected(3008, "slow")
    assert (closed.code, closed.reason, str(closed)) == (3008, "slow", "3008 slow")
    kinds = (Refused, Unavailable, Disconnected, InvariantBroken)
    assert all(issubclass(kind, ChatError) for kind in kinds)
    assert not any(issubclass(a, b) for a in kinds for b in kinds if a is not b)


def test_every_code_stands_once_and_in_order() -> None:
    assert list(CODES) == sorted(set(CODES))
