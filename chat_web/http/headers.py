"""Security headers of every response, CORS and origins.

Kept out: who the caller is (tokens, cookies), and how much a source may ask for
(``rate_limits``).
"""

import functools
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from chat_web.app_keys import SETTINGS
from chat_web.config import parsers
from chat_web.config.settings import Settings
from chat_web.http.client_address import is_secure
from chat_web.http.paths import is_api, is_chat_page
from chat_web.http.rate_limits import REQUEST_LIMITS, SOURCE_LIMITS, RequestLimits, SourceLimits

__all__ = ["cookies_count", "headers_for", "install", "origin_allowed"]

_ALWAYS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "Parley",
}
_HSTS: Final = "max-age=63072000; includeSubDomains"
_PERMISSIONS: Final = "geolocation=(), camera=(), microphone=()"
_CHAT_PERMISSIONS: Final = "geolocation=(), camera=(), microphone=(self)"
_API_CSP: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"
_PAGE_CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'{socket}; manifest-src 'self'; "
    "worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
_CORS_METHODS: Final = "GET, POST, PUT, PATCH, DELETE"
_CORS_HEADERS: Final = "Authorization, Content-Type"
_CORS_SECONDS: Final = "600"


def install(app: web.Application, settings: Settings) -> None:
    """Give the application its settings, its sources, the headers of every answer, and CORS."""
    app[SETTINGS] = settings
    app[SOURCE_LIMITS] = SourceLimits(settings)
    app[REQUEST_LIMITS] = RequestLimits(settings)
    app.middlewares.append(preflights)
    app.on_response_prepare.append(_add_headers)


def headers_for(request: web.BaseRequest, settings: Settings) -> dict[str, str]:
    """The headers of the answer to ``request``; also for a 101, which no signal sees."""
    headers = dict(_ALWAYS)
    secure = is_secure(request, settings.trusted_proxies)
    if secure:
        headers["Strict-Transport-Security"] = _HSTS
    headers["Permissions-Policy"] = _CHAT_PERMISSIONS if is_chat_page(request.path) else _PERMISSIONS
    if not is_api(request.path):
        headers["Content-Security-Policy"] = _page_policy(own_origin(request, settings))
        return headers
    headers["Content-Security-Policy"] = _API_CSP
    if not request.path.startswith("/uploads/"):
        headers[hdrs.CACHE_CONTROL] = "no-store"
    if settings.allowed_origins:
        headers[hdrs.VARY] = hdrs.ORIGIN
    origin = _origin(request)
    if origin in settings.allowed_origins:
        headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = hdrs.RETRY_AFTER
    return headers


def own_origin(request: web.BaseRequest, settings: Settings) -> str:
    """The origin that a page of ours has, as this caller reaches us; empty if the Host makes none."""
    host = request.headers.get(hdrs.HOST, "")
    return _own_origin(is_secure(request, settings.trusted_proxies), host)


@functools.lru_cache(maxsize=256)
def _own_origin(secure: bool, host: str) -> str:
    try:
        return parsers.origin(f"{'https' if secure else 'http'}://{host}")
    except ValueError:
        return ""


@functools.lru_cache(maxsize=256)
def _page_policy(own: str) -> str:
    """The page CSP; sockets of the own host are named, for browsers whose 'self' leaves them out."""
    return _PAGE_CSP.format(socket=f" ws{own.removeprefix('http')}" if own else "")


def origin_allowed(request: web.BaseRequest, settings: Settings) -> bool:
    """Whether a WebSocket may open: the own origin or a listed one, to the letter.

    Without an Origin it may, being no browser's; then cookies do not count (``cookies_count``).
    """
    if hdrs.ORIGIN not in request.headers:
        return True
    return cookies_count(request, settings)


def cookies_count(request: web.BaseRequest, settings: Settings) -> bool:
    """Whether cookies identify the caller: only with an allowed Origin."""
    origin = _origin(request)
    if not origin or origin == "null":
        return False
    return origin == own_origin(request, settings) or origin in settings.allowed_origins


def _origin(request: web.BaseRequest) -> str:
    """The one Origin of the request; empty if there is none, or there are several."""
    origins = request.headers.getall(hdrs.ORIGIN, [])
    return origins[0] if len(origins) == 1 else ""


@web.middleware
async def preflights(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what a browser asks before it lets a listed site call the API."""
    is_preflight = (
        request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    )
    if not is_preflight or not is_api(request.path):
        return await handler(request)
    if _origin(request) not in request.config_dict[SETTINGS].allowed_origins:
        return await handler(request)
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: _CORS_METHODS,
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: _CORS_HEADERS,
            hdrs.ACCESS_CONTROL_MAX_AGE: _CORS_SECONDS,
        },
    )


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Last word on all headers but the ones that a handler may know better."""
    for name, value in headers_for(request, request.config_dict[SETTINGS]).items():
        if name == hdrs.VARY and name in response.headers:
            response.headers[name] = f"{response.headers[name]}, {value}"
        elif name != hdrs.CACHE_CONTROL or name not in response.headers:
            response.headers[name] = value
