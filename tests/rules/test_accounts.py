"""Accounts: the valid names, addresses, passwords and profiles."""

from collections.abc import Mapping
from typing import Any, Final

import attrs
import pytest

from chat_core.model.account import Account, ProfileChange, Status
from chat_core.model.errors import Refused
from chat_core.model.person import PersonKind
from chat_core.rules import accounts, common_passwords

ANN: Final = Account(
    id="ann-id", username="Ann", email="ann@example.org", created_at=1.0, display_name="Ann", birth_year=1990
)


@pytest.mark.parametrize("name", ["ann", "A.b-c_9", "x" * 32, "...", "0123456789abcdef0123456789abcde"])
def test_a_user_name_is_three_to_thirty_two_plain_characters(name: str) -> None:
    assert accounts.wrong_username(name) is None


@pytest.mark.parametrize("name", ["", "ab", "x" * 33, "ann smith", "änn", "ann\n", "ann@home", "a/b"])
def test_anything_else_is_no_user_name(name: str) -> None:
    assert "3 to 32" in (accounts.wrong_username(name) or "")


def test_a_user_name_never_looks_like_an_id() -> None:
    assert "id" in (accounts.wrong_username("0190A1B2c3d47e5f8a9b0c1d2e3f4a5b") or "")


@pytest.mark.parametrize("name", ["guest-1", "GUEST-abc"])
def test_the_names_of_guests_are_theirs(name: str) -> None:
    assert "guests" in (accounts.wrong_username(name) or "")


def test_names_and_addresses_are_unique_without_regard_to_case() -> None:
    assert accounts.username_key("AnN") == "ann"
    assert accounts.email_key(" Ann@Example.ORG ") == "ann@example.org"


@pytest.mark.parametrize("email", ["a@b.de", "ann.lee+tag@mail.example.org", " ann@example.org ", "ü@ö.org"])
def test_an_address_has_a_name_and_a_domain(email: str) -> None:
    assert accounts.wrong_email(email) is None


@pytest.mark.parametrize(
    "email",
    ["", "ann", "@b.de", "a@", "a@b", "a@b.c", "a b@c.de", "a@b..de", "a@b@c.de", "a,b@c.de", "a@b.de\nX: y"],
)
def test_what_cannot_be_an_address_is_refused(email: str) -> None:
    assert accounts.wrong_email(email) is not None


def test_an_address_has_at_most_254_characters() -> None:
    domain = ".".join(["x" * 60] * 4)
    assert accounts.wrong_email(f"{'a' * (254 - 3 - len(domain))}@{domain}.de"[-254:]) is None
    assert "254" in (accounts.wrong_email(f"aaaa@{domain}.{'y' * 60}") or "")


@pytest.mark.parametrize("password", ["correct battery", "ä" * 8 + "x", "8 chars.", "x1" * 64])
def test_a_password_is_eight_to_a_hundred_and_twenty_eight_characters(password: str) -> None:
    assert accounts.wrong_password(password) is None


@pytest.mark.parametrize(("password", "words"), [("7 chars", "at least 8"), ("x1" * 64 + "y", "at most 128")])
def test_shorter_and_longer_ones_are_refused(password: str, words: str) -> None:
    assert words in (accounts.wrong_password(password) or "")


@pytest.mark.parametrize(
    "password",
    ["password", "PassWord123", "QWERTYUIOP", "ＰＡＳＳＷＯＲＤ", "24121987", "19871224", "aaaaaaaa"],
)
def test_a_common_password_is_refused_in_upper_and_lower_case(password: str) -> None:
    assert "too common" in (accounts.wrong_password(password) or "")


def test_there_are_thousands_of_those_and_each_is_long_enough_to_matter() -> None:
    weak = common_passwords.weak_passwords()
    assert len(weak) >= common_passwords.LEAST
    assert all(len(word) >= 8 for word in weak)
    assert all(common_passwords.is_weak(word) for word in ("iloveyou1", "dragon2024", "Summer2025!"[:10]))


def test_every_field_that_is_wrong_is_named() -> None:
    with pytest.raises(Refused) as refused:
        accounts.check_new("x", "nowhere", "short")
    assert refused.value.code == "invalid"
    assert refused.value.fields.keys() == {"username", "email", "password"}
    accounts.check_new("ann", "ann@example.org", "a fine password")


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "a\nb", "a\u202eb"])
def test_a_display_name_is_short_and_can_be_printed(name: str) -> None:
    assert accounts.wrong_display_name(name) is not None
    assert accounts.wrong_display_name("Ann Lee ✨") is None


def test_what_is_left_out_of_a_change_stays() -> None:
    assert accounts.changed(ANN, ProfileChange(), year=2025) == ANN


def test_a_change_is_made_tidy() -> None:
    change = ProfileChange(
        display_name=" Ann Lee ",
        bio="Hi.\nI am Ann.",
        interests=("chess", " chess ", "go"),
        language="pt-BR",
        birth_year=0,
        avatar_url="/uploads/01a/thumbnail",
        shows_read_marks=False,
        email=" new@example.org ",
        password="a fine password",
    )
    wanted: Mapping[str, Any] = {
        "display_name": "Ann Lee",
        "bio": "Hi.\nI am Ann.",
        "interests": ("chess", "go"),
        "language": "pt-BR",
        "birth_year": None,
        "avatar_url": "/uploads/01a/thumbnail",
        "shows_read_marks": False,
        "email": "new@example.org",
    }
    assert accounts.changed(ANN, change, year=2025) == attrs.evolve(ANN, **wanted)


@pytest.mark.parametrize(
    "wrong",
    [
        {"display_name": " "},
        {"bio": "x" * 501},
        {"bio": "\0"},
        {"interests": ("x",) * 11},
        {"interests": ("x" * 41,)},
        {"interests": (" ",)},
        {"language": "English, please"},
        {"language": "en-" + "-".join(["abcdefgh"] * 4)},
        {"birth_year": 1899},
        {"birth_year": 2026},
        {"birth_year": -1},
        {"avatar_url": "https://tracker.example/a.png"},
        {"avatar_url": "/uploads/" + "x" * 200},
        {"email": "nowhere"},
        {"password": "password1"},
    ],
    ids=str,
)
def test_a_change_with_one_wrong_part_is_refused_as_a_whole(wrong: dict[str, Any]) -> None:
    good: dict[str, Any] = {"bio": "fine", "language": "en"}
    with pytest.raises(Refused) as refused:
        accounts.changed(ANN, ProfileChange(**{**good, **wrong}), year=2025)
    assert refused.value.fields.keys() == wrong.keys()


def test_an_account_is_a_person_and_its_profile_tells_no_secrets() -> None:
    person = ANN.person
    assert (person.id, person.username, person.display_name, person.kind) == (
        *("ann-id", "Ann", "Ann"),
        PersonKind.USER,
    )
    away = attrs.evolve(ANN, status=Status.AWAY, last_seen=5.0)
    assert (away.profile(is_here=True, now=9.0).status, away.profile(is_here=True, now=9.0).last_seen) == (
        Status.AWAY,
        9.0,
    )
    gone = away.profile(is_here=False, now=9.0)
    assert (gone.status, gone.last_seen) == (Status.OFFLINE, 5.0)
    hidden = attrs.evolve(away, status=Status.OFFLINE).profile(is_here=True, now=9.0)
    assert (hidden.status, hidden.last_seen) == (Status.OFFLINE, 5.0)
    assert not {"email", "birth_year"} & {field.name for field in attrs.fields(type(gone))}
    assert "example.org" not in repr(ANN)
