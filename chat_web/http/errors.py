"""Every failure has one shape: ``{"error": {"code", "message", "retry", "fields"?}}``.

Here stand the table from a code to its HTTP status, the way from any exception to an
answer, and the request id. A person who asks for a page gets a page instead, from a
function that the application puts under ``ERROR_PAGE``.

Kept out: close codes of sockets (the dialects), and what went wrong (whoever raises).
"""

import http
import json
import math
import secrets
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from chat_core import Refused, Unavailable
from chat_web.http.paths import is_api

__all__ = [
    "ERROR_PAGE",
    "REQUEST_ID",
    "STATUS",
    "ErrorPage",
    "Rejected",
    "answer",
    "failures",
    "install",
]

ErrorPage: TypeAlias = Callable[[web.Request, int, str, str, str], web.Response]
"""(request, status, title, message, request id) -> a page that says so."""

ERROR_PAGE: Final[web.AppKey[ErrorPage]] = web.AppKey("error_page")
REQUEST_ID: Final = web.RequestKey("request_id", str)

STATUS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "bad_request": 400,
        "bad_label": 400,
        "unauthenticated": 401,
        "bad_token": 401,
        "bad_credentials": 401,
        "forbidden": 403,
        "not_owner": 403,
        "not_member": 403,
        "not_yours": 403,
        "guests_may_not": 403,
        "wrong_password": 403,
        "unknown_user": 404,
        "unknown_channel": 404,
        "unknown_room": 404,
        "unknown_message": 404,
        "unknown_lobby": 404,
        "unknown_route": 404,
        "unknown_session": 404,
        "method_not_allowed": 405,
        "too_slow": 408,
        "wrong_state": 409,
        "nothing_to_answer": 409,
        "owner_must_stay": 409,
        "channel_exists": 409,
        "search_off": 409,
        "client_id_reused": 409,
        "username_taken": 409,
        "email_taken": 409,
        "too_large": 413,
        "unsupported_media_type": 415,
        "invalid": 422,
        "channel_required": 422,
        "upgrade_required": 426,
        "too_many": 429,
        "internal": 500,
        "unavailable": 503,
    }
)

# What an error of aiohttp's own is called; others of the same hundred are its first line.
_CODE: Final[Mapping[int, str]] = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "unknown_route",
    405: "method_not_allowed",
    408: "too_slow",
    409: "wrong_state",
    413: "too_large",
    414: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    426: "upgrade_required",
    429: "too_many",
    431: "too_large",
    500: "internal",
    503: "unavailable",
}

_MESSAGE: Final[Mapping[str, str]] = {
    "bad_request": "The request was not understood.",
    "unauthenticated": "Sign in first.",
    "forbidden": "This is not allowed.",
    "unknown_route": "Page not found.",
    "method_not_allowed": "This address does not support that method.",
    "too_slow": "The request took too long to arrive.",
    "wrong_state": "This is not possible now.",
    "too_large": "The request is too large.",
    "unsupported_media_type": "This media type is not supported.",
    "invalid": "The request is invalid.",
    "upgrade_required": "This address supports WebSocket only.",
    "too_many": "Too many requests. Wait a moment, then try again.",
    "internal": "Something went wrong on our side.",
    "unavailable": "The server cannot do this right now. Try again in a moment.",
}

_MAY_PASS: Final = frozenset({"too_many", "unavailable", "too_slow"})
_UNAVAILABLE_RETRY_S: Final = 1.0
# Headers of an aiohttp error that mean something to its receiver.
_CARRIED: Final = (hdrs.ALLOW, hdrs.RETRY_AFTER, hdrs.UPGRADE, hdrs.SEC_WEBSOCKET_VERSION, hdrs.CONTENT_RANGE)

_log = structlog.get_logger("parley.http")


class Rejected(Exception):
    """A refusal of HTTP alone, as ``Refused`` is one of the core. ``code`` is a key of ``STATUS``."""

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        retry_after_s: float | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code
        self.message = message or _MESSAGE[code]
        self.retry_after_s = retry_after_s
        self.fields = dict(fields or {})
        super().__init__(self.message)


def code_of(status: int) -> str:
    """The code of a failure that came with a status alone."""
    return _CODE.get(status, "bad_request" if status < 500 else "internal")


def message_of(code: str) -> str:
    """The default message of a status code."""
    return _MESSAGE[code]


def body(code: str, message: str, fields: Mapping[str, str] | None = None) -> bytes:
    """The JSON of a failure."""
    error: dict[str, object] = {"code": code, "message": message, "retry": code in _MAY_PASS}
    if fields:
        error["fields"] = dict(fields)
    return json.dumps({"error": error}, ensure_ascii=True).encode()


def answer(
    request: web.Request,
    code: str,
    message: str = "",
    *,
    status: int | None = None,
    retry_after_s: float | None = None,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """The answer that says what failed: JSON, or a page for who asked for one."""
    status = status or STATUS.get(code, 400)
    message = message or _MESSAGE[code]
    response = _page(request, status, message) or web.Response(
        status=status, body=body(code, message, fields), content_type="application/json"
    )
    response.headers.update(headers or {})
    if code == "unavailable" and retry_after_s is None:
        retry_after_s = _UNAVAILABLE_RETRY_S
    if retry_after_s is not None:
        response.headers[hdrs.RETRY_AFTER] = str(max(1, math.ceil(retry_after_s)))
    if status == 401:
        response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    if status in (408, 415):  # a body that nobody reads to its end
        response.force_close()
    return response


def install(app: web.Application) -> None:
    """Make ``failures`` the outermost middleware, and put a request id on every answer."""
    app.middlewares.insert(0, failures)
    app.on_response_prepare.append(_name)


@web.middleware
async def failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever is raised inside into an answer. Cancelling passes through."""
    request_id = request[REQUEST_ID] = secrets.token_hex(8)
    structlog.contextvars.bind_contextvars(request_id=request_id)
    try:
        return await handler(request)
    except Exception as error:
        if _is_begun(request):
            _report(error)
            raise ConnectionResetError("the answer had begun; the connection is closed") from None
        return _answer_to(request, error)


def _answer_to(request: web.Request, error: Exception) -> web.StreamResponse:
    match error:
        case Refused() | Rejected():
            return answer(
                request,
                error.code,
                error.message,
                retry_after_s=error.retry_after_s,
                fields=error.fields,
            )
        case Unavailable():
            _log.warning("dependency_failed", reason=str(error))
            return answer(request, "unavailable")
        case web.HTTPException() if error.status < 400:
            raise error
        case web.HTTPException():
            carried: dict[str, str] = {
                name: error.headers[name] for name in _CARRIED if name in error.headers
            }
            return answer(request, code_of(error.status), status=error.status, headers=carried)
        case web.RequestPayloadError():
            return answer(request, "bad_request")
        case TimeoutError() if request.content.exception() is error:
            return answer(request, "too_slow")
        case ConnectionError() if request.transport is None:
            raise error  # the caller left; nobody is there to be told
        case _:
            _report(error)
            return answer(request, "internal")


def _report(error: Exception) -> None:
    """Logs an unexpected failure with its traceback, unless the caller left."""
    if not isinstance(error, ConnectionError | web.HTTPException):
        _log.error("request_failed", exc_info=error)


def _is_begun(request: web.Request) -> bool:
    """Whether an answer is on its way, or the connection is aiohttp's no more."""
    return request.writer.output_size > 0 or request.protocol.transport is None


def _page(request: web.Request, status: int, message: str) -> web.Response | None:
    """A page, where a person asked for one and there is a way to make it."""
    make = request.config_dict.get(ERROR_PAGE)
    if make is None or is_api(request.path) or "text/html" not in request.headers.get(hdrs.ACCEPT, ""):
        return None
    try:
        page = make(request, status, http.HTTPStatus(status).phrase, message, request.get(REQUEST_ID, ""))
    except Exception as error:  # a broken template must not hide what failed
        _report(error)
        return None
    page.set_status(status)
    return page


async def _name(request: web.Request, response: web.StreamResponse) -> None:
    if REQUEST_ID in request:
        response.headers["X-Request-Id"] = request[REQUEST_ID]
