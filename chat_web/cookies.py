"""The guest cookie: a guest's token, kept by the browser for a day."""

from typing import Final

from aiohttp import web

from chat_web.security import SETTINGS
from chat_web.sources import is_from_this_machine, is_secure

GUEST_COOKIE: Final = "parley_guest"
GUEST_COOKIE_S: Final = 86_400


def guest_cookie(request: web.BaseRequest, token: str) -> str:
    """The value of a ``Set-Cookie`` header. Only plain HTTP on this machine goes without ``Secure``."""
    name, secure = _name(request)
    return f"{name}={token}; Max-Age={GUEST_COOKIE_S}; Path=/; HttpOnly; SameSite=Strict{secure}"


def guest_token_of(request: web.Request) -> str:
    """The token that the browser kept, empty where it has none."""
    return request.cookies.get(_name(request)[0], "")


def _name(request: web.BaseRequest) -> tuple[str, str]:
    settings = request.config_dict[SETTINGS] if isinstance(request, web.Request) else None
    trusted = () if settings is None else settings.trusted_proxies
    if is_from_this_machine(request) and not is_secure(request, trusted):
        return GUEST_COOKIE, ""
    return f"__Host-{GUEST_COOKIE}", "; Secure"
