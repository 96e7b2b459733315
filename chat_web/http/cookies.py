"""The two cookies: a guest's token, kept for a day, and a user's refresh token.

Neither opens an API route. The guest's is read by the endpoints of sockets, the other by
``POST /api/auth/refresh``, and both count only beside an Origin that is allowed.
"""

from typing import Final

from aiohttp import hdrs, web

from chat_core import PersonKind, TokenPair
from chat_web.app_keys import SETTINGS
from chat_web.http.client_address import is_from_this_machine, is_secure
from chat_web.http.headers import cookies_count

GUEST_COOKIE: Final = "parley_guest"
GUEST_COOKIE_S: Final = 86_400
REFRESH_COOKIE: Final = "parley_refresh"


def guest_cookie(request: web.BaseRequest, token: str) -> str:
    """The value of a ``Set-Cookie`` header. Only plain HTTP on this machine goes without ``Secure``."""
    return _cookie(request, GUEST_COOKIE, token, GUEST_COOKIE_S)


def guest_token_of(request: web.Request) -> str:
    """The token that the browser kept, empty where it has none."""
    return request.cookies.get(_name(request, GUEST_COOKIE)[0], "")


def refresh_token_of(request: web.Request) -> str:
    """The refresh token that the browser kept, empty where it has none or a cookie does not count."""
    if not cookies_count(request, request.app[SETTINGS]):
        return ""
    return request.cookies.get(_name(request, REFRESH_COOKIE)[0], "")


def keep(request: web.Request, response: web.Response, token_pair: TokenPair) -> None:
    """Let the browser keep what it was granted: a page of an allowed Origin asked for it."""
    settings = request.app[SETTINGS]
    if not cookies_count(request, settings):
        return
    if token_pair.person.kind is PersonKind.GUEST:
        made = guest_cookie(request, token_pair.access_token)
    else:
        made = _cookie(request, REFRESH_COOKIE, token_pair.refresh_token or "", int(settings.refresh_token_s))
    response.headers.add(hdrs.SET_COOKIE, made)


def forget(request: web.Request, response: web.Response) -> None:
    """Let the browser forget whichever of the two it has."""
    for name in (REFRESH_COOKIE, GUEST_COOKIE):
        if _name(request, name)[0] in request.cookies:
            response.headers.add(hdrs.SET_COOKIE, _cookie(request, name, "", 0))


def _cookie(request: web.BaseRequest, plain_name: str, value: str, lasts_s: int) -> str:
    name, secure = _name(request, plain_name)
    return f"{name}={value}; Max-Age={lasts_s}; Path=/; HttpOnly; SameSite=Strict{secure}"


def _name(request: web.BaseRequest, plain: str) -> tuple[str, str]:
    settings = request.config_dict[SETTINGS] if isinstance(request, web.Request) else None
    trusted = () if settings is None else settings.trusted_proxies
    if is_from_this_machine(request) and not is_secure(request, trusted):
        return plain, ""
    return f"__Host-{plain}", "; Secure"
