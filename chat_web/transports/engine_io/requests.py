"""Requests of Engine.IO: what is asked, and by whom it is answered.

A request is judged whole before python-engineio sees it. Polls and handshakes are the
library's; a body of packets is read here, because the library reads as much of one
as has arrived. No JSONP, no Engine.IO before 4.
"""

from collections.abc import Mapping
from typing import Final

import attrs
from aiohttp import hdrs, web

from chat_web.http.errors import Rejected
from chat_web.http.timeouts import when_lost
from chat_web.transports.engine_io.session import (
    HEADERS,
    PACKET_BYTES_MAX,
    RECEIVER,
    SESSION,
    Engine,
    EngineSession,
    environ_of,
)
from chat_web.transports.interfaces import Receiver, Socket

_POLLING: Final = "polling"
_WEBSOCKET: Final = "websocket"


@attrs.frozen
class Asked:
    """A parsed request; ``sid`` is empty for a new session."""

    transport: str
    sid: str
    is_post: bool


def judged(request: web.Request) -> Asked:
    """Parses a request. Raises ``Rejected`` if it is not Engine.IO 4."""
    query = request.query
    if request.method not in (hdrs.METH_GET, hdrs.METH_POST):
        raise Rejected("method_not_allowed")
    if query.get("EIO") != "4":
        raise Rejected(
            "bad_request", "This server speaks Engine.IO 4. Use a Socket.IO client of version 3 or 4."
        )
    if "j" in query:
        raise Rejected("bad_request", "JSONP is not supported.")
    transport = query.get("transport", "")
    sid = query.get("sid", "")
    is_post = request.method == hdrs.METH_POST
    if transport not in (_POLLING, _WEBSOCKET) or (is_post and (transport != _POLLING or not sid)):
        raise Rejected("bad_request", "The transport must be polling or websocket.")
    if transport == _WEBSOCKET and request.headers.get(hdrs.UPGRADE, "").lower() != _WEBSOCKET:
        raise Rejected("upgrade_required")
    return Asked(transport, sid, is_post)


async def begin(
    request: web.Request, asked: Asked, engine: Engine, headers: Mapping[str, str], receiver: Receiver[Socket]
) -> web.StreamResponse:
    """Open a session for this receiver; returns when a WebSocket ends, or with the first poll."""
    environ = environ_of(request, transport=asked.transport)
    environ[RECEIVER], environ[HEADERS] = receiver, headers
    session: EngineSession | None
    try:
        response: web.StreamResponse = await engine.handle_request(environ)
    except BaseException:
        session = environ.get(SESSION)
        if session is not None:
            session.lose()
        raise
    session = environ.get(SESSION)
    if session is None:
        raise Rejected("unavailable")
    if asked.transport == _POLLING:
        session.expect_poll()
    return response


async def go_on(
    request: web.Request, asked: Asked, engine: Engine, headers: Mapping[str, str]
) -> web.StreamResponse:
    """A poll, a body of packets, or another transport, of a session that there is."""
    session = engine.sessions.get(asked.sid)
    if session is None:
        raise Rejected("bad_request", "Session not found.")
    environ = environ_of(request, transport=asked.transport, sid=asked.sid)
    environ[SESSION], environ[HEADERS] = session, headers
    if asked.transport == _WEBSOCKET:
        if not session.may_upgrade:
            raise Rejected("bad_request", "This session already has a WebSocket.")
        response: web.StreamResponse = await engine.handle_request(environ)
        return response
    if not session.is_connected or not session.is_polling:
        raise Rejected("bad_request", "This session uses a WebSocket.")
    if asked.is_post:
        return await _post(request, session)
    if session.is_polled:
        raise Rejected("bad_request", "This session is already being polled.")
    with when_lost(request, session.lose), session.polled(request.transport):
        polled: web.Response = await engine.handle_request(environ)
    if polled.status != 200:
        raise Rejected("bad_request", "The session has ended.")
    return polled


async def _post(request: web.Request, session: EngineSession) -> web.Response:
    if session.is_posting:
        raise Rejected("bad_request", "Send one body at a time.")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise Rejected("unsupported_media_type", "Send the body uncompressed.")
    with session.posting():
        body = b""
        if (request.content_length or 0) <= PACKET_BYTES_MAX:
            body = await request.content.read(PACKET_BYTES_MAX + 1)
            while chunk := await request.content.read(PACKET_BYTES_MAX + 1 - len(body)):
                body += chunk
        if len(body) > PACKET_BYTES_MAX or (request.content_length or 0) > PACKET_BYTES_MAX:
            session.close(1009, "the body is too big")
            raise Rejected("too_large")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            session.close(1007, "a text is not UTF-8")
            raise Rejected("bad_request", "The body is not UTF-8.") from None
        await session.take_all(text)
    return web.Response(text="ok")
