"""The cipher: a sealed text opens only with the right key and for the right owner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_core.adapters.sql.encryption.cipher import SEALED, Cipher
from chat_core.model.errors import WrongKeys

OLD, NEW = b"old key, of thirty-two bytes or so", b"new key, of thirty-two bytes or so"
ONE = Cipher([OLD])


@given(st.text(min_size=1))
def test_what_is_sealed_opens_and_shows_nothing_of_itself(text: str) -> None:
    sealed = ONE.seal(text, "m1")
    assert ONE.open(sealed, "m1") == text
    assert sealed.startswith(SEALED)
    assert sealed[1:].isascii()
    assert sealed[1:].isprintable()
    assert sealed != ONE.seal(text, "m1")


def test_the_first_key_seals_and_all_of_them_open() -> None:
    both = Cipher([NEW, OLD])
    old, new = ONE.seal("hello", "m1"), both.seal("hello", "m1")
    assert (both.open(old, "m1"), both.open(new, "m1")) == ("hello", "hello")
    assert (both.is_current(old), both.is_current(new)) == (False, True)
    with pytest.raises(WrongKeys, match="not among MESSAGE_KEYS"):
        ONE.open(new, "m1")


def test_a_text_opens_nowhere_but_in_its_place_and_unchanged() -> None:
    sealed = ONE.seal("hello", "m1")
    with pytest.raises(WrongKeys, match="m2"):
        ONE.open(sealed, "m2")
    last = "B" if sealed[-2] == "A" else "A"
    for damaged in (sealed[:40] + last + sealed[41:], sealed[:30], sealed + "A", SEALED, f"{SEALED}x:y"):
        with pytest.raises(WrongKeys):
            ONE.open(damaged, "m1")


def test_texts_of_before_there_was_a_key_are_read_and_nothing_is_sealed_without_one() -> None:
    none = Cipher()
    assert none.seal("hello", "m1") == none.open("hello", "m1") == ONE.open("hello", "m1") == "hello"
    assert ONE.seal("", "m1") == ""
    assert (ONE.is_current("hello"), ONE.is_current(""), none.is_current("hello")) == (False, True, True)
    with pytest.raises(WrongKeys):
        none.open(ONE.seal("hello", "m1"), "m1")


def test_an_address_is_found_under_each_key_and_as_it_was() -> None:
    both = Cipher([NEW, OLD]).hashes("ann@example.org")
    assert both == (*Cipher([NEW]).hashes("ann@example.org")[:1], *ONE.hashes("ann@example.org"))
    assert both[-1] == "ann@example.org"
    assert len(set(both)) == 3


def test_a_short_key_is_refused_and_no_key_is_told() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Cipher([b"short"])
    assert "old" not in repr(ONE) + str(vars(ONE))
    assert ONE.key_id is not None
    assert OLD.hex()[:8] not in ONE.key_id
