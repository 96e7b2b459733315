"""Accounts: the valid names, addresses, passwords and profiles.

Pure; a refusal names every invalid field. Not here: whether a name is free (the
store decides that), and sessions (``rules.refresh_tokens``).
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from chat_core.model.account import Account, ProfileChange
from chat_core.model.errors import Refused
from chat_core.model.limits import (
    AVATAR_URL_LENGTH_MAX,
    BIO_LENGTH_MAX,
    BIRTH_YEAR_MIN,
    DISPLAY_NAME_LENGTH_MAX,
    EMAIL_LENGTH_MAX,
    INTEREST_LENGTH_MAX,
    INTERESTS_MAX,
    LANGUAGE_LENGTH_MAX,
    PASSWORD_LENGTH_MAX,
    PASSWORD_LENGTH_MIN,
    USERNAME_LENGTH_MAX,
    USERNAME_LENGTH_MIN,
)
from chat_core.rules.common_passwords import is_weak

GUEST_PREFIX: Final = "guest-"  # of generated guest names

_USERNAME: Final = re.compile(rf"[A-Za-z0-9_.-]{{{USERNAME_LENGTH_MIN},{USERNAME_LENGTH_MAX}}}")
# The text forms of a UUID: 32 hexadecimal digits, with or without hyphens.
_UUID: Final = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_EMAIL: Final = re.compile(r"[^\s@,;:<>()\[\]\\\"]{1,64}@[^\s@,;:<>()\[\]\\\"]+\.[^\s@,;:<>()\[\]\\\".]{2,}")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_AVATAR: Final = re.compile(r"/uploads/[A-Za-z0-9_-]+(?:/thumbnail)?")
# Control characters, and characters that change the direction of the text around a name.
_NAME_REFUSED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_BIO_REFUSED: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def username_key(username: str) -> str:
    """The unique key of a user name: ann and Ann are the same name."""
    return username.lower()


def email_key(email: str) -> str:
    """The unique key of an e-mail address."""
    return email.strip().lower()


def check_new(username: str, email: str, password: str, *, needs_email: bool = True) -> None:
    """Refuses invalid values for a new account."""
    refuse(
        username=wrong_username(username),
        email=wrong_email(email) if email or needs_email else None,
        password=wrong_password(password),
    )


def wrong_username(username: str) -> str | None:
    """The problem with a user name as a sentence; None if it is valid."""
    if not _USERNAME.fullmatch(username):
        lengths = f"{USERNAME_LENGTH_MIN} to {USERNAME_LENGTH_MAX}"
        return f"A user name is {lengths} of A-Z, a-z, 0-9, _, . and -."
    if _UUID.fullmatch(username):
        return "A user name must not look like an id."
    if username_key(username).startswith(GUEST_PREFIX):
        return f"Names that begin with {GUEST_PREFIX} are reserved for guests."
    return None


def wrong_email(email: str) -> str | None:
    """The problem with an e-mail address; None if it is valid. Does not check that mail arrives."""
    address = email.strip()
    if len(address) > EMAIL_LENGTH_MAX:
        return f"An e-mail address has at most {EMAIL_LENGTH_MAX} characters."
    if not _EMAIL.fullmatch(address) or ".." in address or not address.isprintable():
        return "This is not an e-mail address."
    return None


def wrong_password(password: str) -> str | None:
    """The problem with a new password; None if it is valid."""
    if len(password) < PASSWORD_LENGTH_MIN:
        return f"A password has at least {PASSWORD_LENGTH_MIN} characters."
    if len(password) > PASSWORD_LENGTH_MAX:
        return f"A password has at most {PASSWORD_LENGTH_MAX} characters."
    if is_weak(unicodedata.normalize("NFKC", password)):
        return "This password is too common. Choose another one."
    return None


def wrong_display_name(name: str) -> str | None:
    """The problem with a display name; None if it is valid."""
    if not name.strip() or len(name) > DISPLAY_NAME_LENGTH_MAX:
        return f"A name has 1 to {DISPLAY_NAME_LENGTH_MAX} characters."
    if _NAME_REFUSED.search(name):
        return "A name cannot contain control characters."
    return None


def changed(account: Account, change: ProfileChange, *, year: int) -> Account:
    """The account after a change, except the password. Refuses the whole change if one field is invalid.

    ``year`` is the current year, the latest valid year of birth.
    """
    wrong: dict[str, str | None] = {}
    after: dict[str, object] = {}
    for name, check in _CHECKS.items():
        value = getattr(change, name)
        if value is not None:
            wrong[name] = check(value)
            after[name] = _tidy(name, value)
    if change.birth_year is not None:
        if change.birth_year and not BIRTH_YEAR_MIN <= change.birth_year <= year:
            wrong["birth_year"] = f"A year from {BIRTH_YEAR_MIN} to {year}."
        after["birth_year"] = change.birth_year or None
    if change.shows_read_marks is not None:
        after["shows_read_marks"] = change.shows_read_marks
    if change.password is not None:
        wrong["password"] = wrong_password(change.password)
    refuse(**wrong)
    return attrs.evolve(account, **after)  # type: ignore[arg-type]


def refuse(**wrong: str | None) -> None:
    """Refuses if a field is invalid: ``field="sentence for people"``, None for a valid field."""
    fields = {name: words for name, words in wrong.items() if words is not None}
    if fields:
        raise Refused("invalid", " ".join(fields.values()), fields=fields)


def _wrong_bio(bio: str) -> str | None:
    if len(bio) > BIO_LENGTH_MAX:
        return f"This has at most {BIO_LENGTH_MAX} characters."
    if _BIO_REFUSED.search(bio):
        return "This cannot contain control characters other than tab and newline."
    return None


def _wrong_interests(interests: tuple[str, ...]) -> str | None:
    good = all(
        interest.strip() and len(interest) <= INTEREST_LENGTH_MAX and not _NAME_REFUSED.search(interest)
        for interest in interests
    )
    if len(interests) > INTERESTS_MAX or not good:
        return f"At most {INTERESTS_MAX} interests, each of 1 to {INTEREST_LENGTH_MAX} characters."
    return None


def _wrong_language(language: str) -> str | None:
    if language and (len(language) > LANGUAGE_LENGTH_MAX or not _LANGUAGE.fullmatch(language)):
        return "A language is a tag such as en or pt-BR."
    return None


def _wrong_avatar(url: str) -> str | None:
    if url and (len(url) > AVATAR_URL_LENGTH_MAX or not _AVATAR.fullmatch(url)):
        return "A picture must be uploaded here first."
    return None


_CHECKS: Final[Mapping[str, Callable[..., str | None]]] = {
    "display_name": wrong_display_name,
    "bio": _wrong_bio,
    "interests": _wrong_interests,
    "language": _wrong_language,
    "avatar_url": _wrong_avatar,
    "email": wrong_email,
}


def _tidy(name: str, value: object) -> object:
    """The stored form: names without surrounding white space, each interest once."""
    if isinstance(value, tuple):
        return tuple(dict.fromkeys(interest.strip() for interest in value))
    return value.strip() if name in ("display_name", "email") and isinstance(value, str) else value


def unknown_user() -> Refused:
    """The same refusal for a user who does not exist and for one who does not want to be found."""
    return Refused("unknown_user", "User not found.")
