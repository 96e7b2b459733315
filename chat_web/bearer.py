"""The bearer of a request: the access token of ``Authorization: Bearer …``."""

from typing import Final

from aiohttp import hdrs, web

_SCHEME: Final = "bearer "


def bearer_of(request: web.Request) -> str:
    """The token, empty where there is none, or more than one."""
    given = request.headers.getall(hdrs.AUTHORIZATION, [])
    if len(given) != 1 or given[0][: len(_SCHEME)].lower() != _SCHEME:
        return ""
    return given[0][len(_SCHEME) :].strip()
