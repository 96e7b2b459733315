"""Users: the caller's own account, and the public profiles of others."""

from typing import Annotated, Any, Final, Literal, TypeVar

import attrs
import msgspec
from aiohttp import hdrs, web
from msgspec import UNSET, UnsetType

from chat_core import Account, PersonKind, Profile, ProfileChange, ProfilePage, Refused, Status
from chat_web.api import schemas
from chat_web.api.cursors import cursor, name_of
from chat_web.encoding import wire
from chat_web.http import cookies
from chat_web.http.operations import Call, NoBody, NoQuery, nothing, operation, reply
from chat_web.http.rate_limits import REQUEST_LIMITS

T = TypeVar("T")

_USERS_ONLY: Final = ("guests_may_not",)


@attrs.frozen
class Changes:
    """The body of ``PATCH /api/users/me``. Omitted fields do not change; null clears an optional one."""

    display_name: str | UnsetType = UNSET
    bio: str | UnsetType | None = UNSET
    interests: list[str] | UnsetType | None = UNSET
    language: str | UnsetType | None = UNSET
    birth_year: int | UnsetType | None = UNSET
    avatar_url: str | UnsetType | None = UNSET
    shows_read_marks: bool | UnsetType = UNSET
    email: str | UnsetType = attrs.field(default=UNSET, repr=False)
    password: str | UnsetType = attrs.field(default=UNSET, repr=False)
    current_password: str | UnsetType = attrs.field(default=UNSET, repr=False)


@attrs.frozen
class ProfileChanges:
    """The body of ``PUT …/profile``. Omitted fields do not change."""

    display_name: str | UnsetType = UNSET
    bio: str | UnsetType | None = UNSET
    interests: list[str] | UnsetType | None = UNSET
    language: str | UnsetType | None = UNSET
    avatar_url: str | UnsetType | None = UNSET


@attrs.frozen
class NewStatus:
    """The body of ``POST /api/users/me/status``."""

    status: Literal["online", "away", "busy", "offline"]


@attrs.frozen
class DeleteAccount:
    """The body of ``DELETE /api/users/me``; a guest sends none."""

    password: str = attrs.field(default="", repr=False)


@attrs.frozen
class UsersAsked:
    """The query of a list of users: ``after`` is the ``next`` of a page, ``q`` is part of a name."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 50
    after: Annotated[str, msgspec.Meta(max_length=255)] | None = None
    q: Annotated[str, msgspec.Meta(max_length=64)] = ""


# The caller


@operation(answers={200: schemas.Account})
async def me(call: Call[NoQuery, NoBody]) -> web.Response:
    """The caller's own account, including private fields."""
    return reply(wire.account(call.person, await _account(call)))


@operation(
    answers={200: schemas.Account},
    errors=(*_USERS_ONLY, "email_taken", "wrong_password", "invalid"),
)
async def change_me(call: Call[NoQuery, Changes]) -> web.Response:
    """Change the caller's account. A new password ends every other session of the caller."""
    asked = call.body
    change = attrs.evolve(
        _profile_change(asked),
        birth_year=_given(asked.birth_year, empty=0),
        shows_read_marks=_given(asked.shows_read_marks),
        email=_given(asked.email),
        password=_given(asked.password),
        current_password=_given(asked.current_password),
    )
    account = await _changed(call, change)
    return reply(wire.account(account.person, account))


@operation(answers={200: schemas.StatusShown}, errors=_USERS_ONLY)
async def set_status(call: Call[NoQuery, NewStatus]) -> web.Response:
    """Sets the status that others see while the caller is online."""
    _users_only(call)
    account = await call.chat.accounts.set_status(call.person.id, Status(call.body.status))
    return reply({"status": account.status, "last_seen": wire.stamp_or_none(account.last_seen)})


@operation(answers={204: None}, errors=("wrong_password",))
async def leave(call: Call[NoQuery, DeleteAccount]) -> web.Response:
    """Erase the caller permanently: end all sessions, then delete texts, names and account."""
    await call.chat.accounts.erase(call.person, password=call.body.password, source=call.source)
    response = nothing()
    cookies.forget(call.request, response)
    return response


@operation(answers={200: dict})
async def export(call: Call[NoQuery, NoBody]) -> web.Response:
    """Everything stored about the caller, as one JSON file."""
    call.request.app[REQUEST_LIMITS].export(call.person.id, call.now)
    response = reply(await call.chat.accounts.export(call.person))
    response.headers[hdrs.CONTENT_DISPOSITION] = 'attachment; filename="parley-export.json"'
    return response


# Others


@operation(answers={200: schemas.Users})
async def listed(call: Call[UsersAsked, NoBody]) -> web.Response:
    """Users, sorted by name."""
    query = call.query
    return reply(
        _page(
            await call.chat.accounts.page(after=name_of(query.after, "after"), limit=query.limit, q=query.q)
        )
    )


@operation(answers={200: schemas.Users})
async def online(call: Call[UsersAsked, NoBody]) -> web.Response:
    """Users who are online, sorted by name, except those who are invisible."""
    query = call.query
    return reply(
        _page(
            await call.chat.accounts.online(after=name_of(query.after, "after"), limit=query.limit, q=query.q)
        )
    )


@operation(answers={200: schemas.PublicProfile}, errors=("unknown_user",))
async def one(call: Call[NoQuery, NoBody]) -> web.Response:
    """The public profile of the user with this name."""
    found = await call.chat.accounts.profile(call.path("username"))
    return reply({**wire.profile(found), **wire.listed(found)})


@operation(answers={200: schemas.Profile}, errors=("unknown_user",))
async def profile(call: Call[NoQuery, NoBody]) -> web.Response:
    """The profile of the user with this id."""
    return reply(wire.profile(await _profile_of(call, call.path("id"))))


@operation(answers={200: schemas.Profile}, errors=(*_USERS_ONLY, "not_yours", "invalid"))
async def change_profile(call: Call[NoQuery, ProfileChanges]) -> web.Response:
    """Change the caller's own profile."""
    if call.path("id") != call.person.id:
        raise Refused("not_yours", "This profile is not yours.")
    account = await _changed(call, _profile_change(call.body))
    return reply(wire.profile(call.chat.accounts.shown(account)))


# Shared steps


async def _account(call: Call[Any, Any]) -> Account | None:
    """The caller's account; a guest has none."""
    if call.person.kind is PersonKind.GUEST:
        return None
    return await call.chat.accounts.account(call.person.id)


async def _profile_of(call: Call[Any, Any], person: str) -> Profile:
    if person == call.person.id and call.person.kind is PersonKind.GUEST:
        own = call.person
        return Profile(id=own.id, username=own.username, display_name=own.display_name)
    return await call.chat.accounts.profile_of(person)


async def _changed(call: Call[NoQuery, Any], change: ProfileChange) -> Account:
    _users_only(call)
    return await call.chat.accounts.change(call.person.id, change, sid=call.caller.sid, source=call.source)


def _users_only(call: Call[Any, Any]) -> None:
    if call.person.kind is PersonKind.GUEST:
        raise Refused("guests_may_not", "Only people with an account can do that. Sign up first.")


def _profile_change(asked: Changes | ProfileChanges) -> ProfileChange:
    interests = _given(asked.interests, empty=[])
    return ProfileChange(
        display_name=_given(asked.display_name),
        bio=_given(asked.bio, empty=""),
        interests=None if interests is None else tuple(interests),
        language=_given(asked.language, empty=""),
        avatar_url=_given(asked.avatar_url, empty=""),
    )


def _given(value: T | UnsetType | None, *, empty: T | None = None) -> T | None:
    """The new value: None if the field was left out, ``empty`` if it is removed."""
    if isinstance(value, UnsetType):
        return None
    return empty if value is None else value


def _page(page: ProfilePage) -> dict[str, Any]:
    return {
        "items": [wire.listed(one) for one in page.items],
        "next": None if page.next is None else cursor(page.next),
    }
