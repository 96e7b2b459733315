"""Deadlines for what arrives: aiohttp has none for a head, nor for a body (T-1, slowloris).

A head must be complete ``head_s`` after the connection or after its first byte, a
body ``body_s`` (an upload ``upload_s``) after its head. What is late gets 408, or a
closed connection where nothing came at all. What aiohttp cannot parse is answered
here too, in our shape and without an address in the log.

Kept out: deadlines of WebSockets, which begin after the upgrade (``sockets``).

``TimeoutRunner`` is used in place of ``web.AppRunner``. What it needs of aiohttp's
private names is in ``aiohttp_private``.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

import attrs
import structlog
from aiohttp import StreamReader, hdrs, web
from aiohttp.typedefs import Handler

from chat_web.app_keys import SETTINGS
from chat_web.config.settings import Settings
from chat_web.http import errors
from chat_web.http.aiohttp_private import (
    RunnerOfServer,
    ServerOfConnections,
    body_of_last_request,
    is_upgrade,
    loop_of,
    requests_begun,
    waits_for_request,
)
from chat_web.http.headers import headers_for
from chat_web.logs import AccessLogger

__all__ = ["DEADLINES", "TimeoutRunner", "Timeouts", "when_lost"]

HEADERS_MAX: Final = 64
KEEP_ALIVE_S: Final = 75.0

_log = structlog.get_logger("parley.http")


@attrs.frozen(kw_only=True)
class Timeouts:
    """Seconds that a peer has for each part of a request."""

    head_s: float = 10.0
    body_s: float = 15.0
    upload_s: float = 120.0
    upload_paths: Sequence[str] = ("/api/uploads",)


DEADLINES: Final = Timeouts()


class TooSlow(TimeoutError):
    """A body that did not arrive in time; raised by what reads it, and answered with 408."""


class TimeoutRunner(RunnerOfServer):
    """An ``AppRunner`` whose connections have deadlines. The application must carry ``SETTINGS``."""

    def __init__(self, app: web.Application, *, deadlines: Timeouts = DEADLINES, **options: Any) -> None:
        options.setdefault("keepalive_timeout", KEEP_ALIVE_S)
        options.setdefault("access_log_class", AccessLogger)  # aiohttp's own writes queries and addresses
        super().__init__(app, max_headers=HEADERS_MAX, **options)
        app.middlewares.append(_body_deadline(deadlines))
        self._deadlines = deadlines

    def server_for(self, made: web.Server) -> web.Server:
        return _Server(made, self._deadlines, self.app[SETTINGS])


class _Server(ServerOfConnections):
    """aiohttp's server, with connections of our own kind."""

    def __init__(self, made: web.Server, deadlines: Timeouts, settings: Settings) -> None:
        super().__init__(made, _Connection)
        self.deadlines = deadlines
        self.settings = settings


class _Connection(web.RequestHandler):
    """One connection; a timer runs while a head is under way."""

    __slots__ = ("_body", "_head_s", "_head_timer", "_is_silent", "_settings", "when_lost")

    def __init__(self, server: _Server, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(server, loop=loop, **options)
        self._head_s = server.deadlines.head_s
        self._settings = server.settings
        self._head_timer: asyncio.TimerHandle | None = None
        self._body: StreamReader | None = None
        self._is_silent = True
        self.when_lost: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._start_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end_head()
        super().connection_lost(exc)
        when_lost, self.when_lost = self.when_lost, None
        if when_lost is not None:
            when_lost()

    def data_received(self, data: bytes) -> None:
        known = requests_begun(self)
        super().data_received(data)
        if requests_begun(self) > known:
            self._is_silent = False
            self._body = body_of_last_request(self)
            self._end_head()
        elif data and not is_upgrade(self) and (self._body is None or self._body.is_eof()):
            self._is_silent = False
            if self._head_timer is None:
                self._start_head()

    def _start_head(self) -> None:
        self._head_timer = loop_of(self).call_later(self._head_s, self._head_is_late)

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.transport is None:
            return
        if not waits_for_request(self):  # an earlier request is being answered: its end comes first
            self._start_head()
            return
        if not self._is_silent:
            self.transport.write(_late_head())
        self.force_close()

    def log_exception(self, *args: Any, **more: Any) -> None:
        """A body that breaks off or lies about its encoding is the caller's fault, read or not."""
        if isinstance(more.get("exc_info"), web.RequestPayloadError | TooSlow):
            _log.debug("request_rejected", kind=type(more["exc_info"]).__name__)
        else:
            super().log_exception(*args, **more)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what never became a request, or failed outside of every middleware.

        Its message and its traceback may quote what was sent, so neither is shown or logged.
        """
        if request.writer.output_size > 0:
            raise ConnectionResetError("the answer had begun")
        if status >= 500 and not isinstance(exc, ConnectionError):
            _log.error("request_failed", exc_info=exc)
        else:
            _log.debug("request_rejected", status=status, kind=type(exc).__name__)
        response = web.Response(status=status, body=_body(status), content_type="application/json")
        response.headers.update(headers_for(request, self._settings))
        response.force_close()
        return response


@contextmanager
def when_lost(request: web.BaseRequest, act: Callable[[], None]) -> Iterator[None]:
    """While a request waits for its answer: call ``act`` if its connection goes meanwhile.

    Only where a ``TimeoutRunner`` runs the application.
    """
    connection = request.protocol
    if not isinstance(connection, _Connection):
        yield
        return
    connection.when_lost = act
    try:
        yield
    finally:
        connection.when_lost = None


def _body(status: int) -> bytes:
    code = errors.code_of(status)
    return errors.body(code, errors.message_of(code))


def _late_head() -> bytes:
    body = _body(HTTPStatus.REQUEST_TIMEOUT)
    return (
        b"HTTP/1.1 408 Request Timeout\r\nServer: Parley\r\nX-Content-Type-Options: nosniff\r\n"
        b"Content-Type: application/json\r\nCache-Control: no-store\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )


def _body_deadline(deadlines: Timeouts) -> Any:
    @web.middleware
    async def body_deadline(request: web.Request, handler: Handler) -> web.StreamResponse:
        body = request.content
        if not request.can_read_body or body.is_eof():
            return await handler(request)
        is_upload = request.method == hdrs.METH_POST and request.path.rstrip("/") in deadlines.upload_paths
        loop = asyncio.get_running_loop()
        timer = loop.call_later(deadlines.upload_s if is_upload else deadlines.body_s, _expire, body)
        body.on_eof(timer.cancel)
        try:
            return await handler(request)
        finally:
            timer.cancel()

    return body_deadline


def _expire(body: StreamReader) -> None:
    if not body.is_eof():
        body.set_exception(TooSlow("the body took too long"))
