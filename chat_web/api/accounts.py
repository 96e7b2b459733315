"""Sign-up, sign-in and sign-out: the routes that issue and revoke tokens.

A response with a refresh token also sets it as a cookie if a page of an allowed Origin
sent the request. The core counts password attempts, per account and per source.
"""

from typing import Annotated, Final

import attrs
import msgspec
from aiohttp import hdrs, web

from chat_core import Refused, TokenPair
from chat_web.api import schemas
from chat_web.app_keys import SETTINGS
from chat_web.encoding import wire
from chat_web.http import cookies
from chat_web.http.headers import origin_allowed
from chat_web.http.operations import JSON, Call, Caller, NoBody, NoQuery, nothing, operation, reply
from chat_web.http.rate_limits import SOURCE_LIMITS

DISPLAY_NAME_LENGTH_MAX: Final = 40


@attrs.frozen
class NewAccount:
    """The body of ``POST /api/auth/register``."""

    username: str
    email: str = attrs.field(repr=False)
    password: str = attrs.field(repr=False)


@attrs.frozen
class Credentials:
    """The body of ``POST /api/auth/login``, in JSON or as a form. ``username`` may be an e-mail address."""

    username: str
    password: str = attrs.field(repr=False)


@attrs.frozen
class NewGuest:
    """The body of ``POST /api/auth/guest``."""

    display_name: Annotated[str, msgspec.Meta(max_length=DISPLAY_NAME_LENGTH_MAX)] = ""


@attrs.frozen
class RefreshToken:
    """The body of ``POST /api/auth/refresh``; a browser may send it as a cookie instead."""

    refresh_token: str | None = attrs.field(default=None, repr=False)


@operation(
    answers={201: schemas.Registered},
    errors=("username_taken", "email_taken", "wrong_state"),
    caller=Caller.GUEST,
)
async def register(call: Call[NoQuery, NewAccount]) -> web.Response:
    """Create an account. A guest who sends their token stays the same person and keeps all their rooms."""
    asked = call.body
    account = await call.chat.accounts.register(
        asked.username,
        asked.email,
        asked.password,
        guest=None if call.identity is None else call.identity.person,
        creating=lambda: _count_registration(call),
    )
    made = {
        "id": account.id,
        "username": account.username,
        "email": account.email,
        "created_at": wire.stamp(account.created_at),
    }
    return reply(made, 201)


@operation(
    answers={200: schemas.SignedIn},
    errors=("bad_credentials",),
    caller=Caller.ANYBODY,
    takes_form=True,
)
async def login(call: Call[NoQuery, Credentials]) -> web.Response:
    """Sign in by user name or e-mail address. Unknown users and wrong passwords get the same response."""
    token_pair = await call.chat.accounts.log_in(
        call.body.username,
        call.body.password,
        source=call.source,
        creating=lambda: _count_registration(call),
    )
    return _signed_in(call, token_pair)


@operation(answers={200: schemas.SignedIn}, caller=Caller.ANYBODY)
async def guest(call: Call[NoQuery, NewGuest]) -> web.Response:
    """Create a guest and return a token. The cookie lets the guest return as the same person."""
    call.request.app[SOURCE_LIMITS].guest(call.source, call.now)
    token_pair = await call.chat.accounts.guest(call.body.display_name.strip())
    response = reply(_shown(token_pair))
    if origin_allowed(call.request, call.request.app[SETTINGS]):  # no other site may change the guest
        response.headers.add(hdrs.SET_COOKIE, cookies.guest_cookie(call.request, token_pair.access_token))
    return response


@operation(answers={200: schemas.SignedIn}, errors=("bad_token",), caller=Caller.ANYBODY)
async def refresh(call: Call[NoQuery, RefreshToken]) -> web.Response:
    """Exchange a refresh token, which works once, for new tokens. A second use ends the session."""
    token = call.body.refresh_token
    if token is None and call.request.content_type == JSON:
        token = cookies.refresh_token_of(call.request)
    if not token:
        raise Refused("bad_token", "No refresh token. Sign in.")
    return _signed_in(call, await call.chat.accounts.refresh(token))


@operation(answers={204: None})
async def logout(call: Call[NoQuery, NoBody]) -> web.Response:
    """End this session: its tokens are invalid and its sockets close."""
    await call.chat.accounts.log_out(call.caller.sid)
    response = nothing()
    cookies.forget(call.request, response)
    return response


def _count_registration(call: Call[NoQuery, NewAccount] | Call[NoQuery, Credentials]) -> None:
    call.request.app[SOURCE_LIMITS].registration(call.source, call.now)


def _signed_in(
    call: Call[NoQuery, Credentials] | Call[NoQuery, RefreshToken], token_pair: TokenPair
) -> web.Response:
    response = reply(_shown(token_pair))
    cookies.keep(call.request, response, token_pair)
    return response


def _shown(token_pair: TokenPair) -> dict[str, object]:
    return {
        "access_token": token_pair.access_token,
        "token_type": "bearer",
        "expires_in": int(token_pair.expires_in_s),
        "refresh_token": token_pair.refresh_token,
        "user": wire.me(token_pair.person, token_pair.account),
    }
