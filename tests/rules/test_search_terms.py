"""The search terms of a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_core.model.limits import TERM_LENGTH_MAX, TERMS_SOUGHT_MAX
from chat_core.rules.search_terms import found, sought, terms_of


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Hello, HELLO world!", ["hello", "world"]),
        ("don't snake_case 3.5%", ["don", "t", "snake", "case", "3", "5"]),
        ("Café ﬁx ＡＢ Straße", ["cafe", "fix", "ab", "strasse"]),
        ("शब्द", ["शब्द"]),
        ("日本語", ["日本", "本語", "語"]),
        ("iPhone用", ["iphone", "用"]),
        ("ok👍🏽👩‍👧", ["ok", "👍", "👩", "👧"]),
        ("1️⃣", ["1"]),
        ("a\0b\tc", ["a", "b", "c"]),
        ("... \"'*-^ \u200d", []),
        ("", []),
    ],
)
def test_a_text_is_found_by_its_words(text: str, terms: list[str]) -> None:
    assert list(terms_of(text)) == terms


def test_who_looks_for_neighbours_does_not_look_for_the_last_of_them_alone() -> None:
    assert list(sought("日本語")) == ["日本", "本語"]
    assert list(sought("語")) == ["語"]


def test_long_words_are_cut_and_of_many_words_the_first_are_looked_for() -> None:
    assert terms_of("x" * 1000) == ("x" * TERM_LENGTH_MAX,)
    many = " ".join(f"w{n}" for n in range(100))
    assert len(sought(many)) == TERMS_SOUGHT_MAX
    assert len(terms_of(many)) == 100


@given(st.text(max_size=60))
def test_every_text_finds_itself_and_no_term_has_a_sign_that_could_be_an_operator(
    text: str,
) -> None:
    there = terms_of(text)
    looked_for = sought(text)
    assert found(looked_for, there) is bool(there)
    assert all(term and len(term) <= TERM_LENGTH_MAX for term in there)
    assert not any(character in "\0\t\n '\"*:&|!()<>-^+{}\\" for term in there for character in term)
