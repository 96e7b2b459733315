"""P5 without WebSockets: an answer that streams, and ``POST /emulation`` for what the client says.

The first command comes with the request that opens the stream. The answer to it
tells a session, which nobody can guess and which ends with the stream; whoever
shows it speaks on that stream's connection.

Kept out: what is spoken (``dialects``), and the stream itself (``stream``).
"""

import secrets
from typing import Final

import attrs
import msgspec
from aiohttp import hdrs, web

from chat_web.app_keys import SETTINGS
from chat_web.dialects.centrifugal import protobuf
from chat_web.dialects.centrifugal.commands import FirstCommand, Said
from chat_web.dialects.centrifugal.encoding import OVER_HTTP_STREAM, OVER_SSE, Lines
from chat_web.dialects.centrifugal.replies import Ticket
from chat_web.dialects.centrifuge import Centrifuge
from chat_web.encoding.strict_json import NotUnderstood, compact, decoded
from chat_web.http.errors import Rejected
from chat_web.http.headers import headers_for
from chat_web.http.operations import invalid, json_body, nothing, wrong_field
from chat_web.sockets.open_connections import admission, admit
from chat_web.transports.http_stream import HttpStream
from chat_web.transports.upgrade import hold_open

LINES: Final = "application/x-ndjson"
EVENTS: Final = "text/event-stream"
RETRY_S: Final = 1.0

_FIRST: Final = msgspec.json.Decoder(FirstCommand)


class FirstInQuery(msgspec.Struct):
    """The query that opens a stream of events: the first command, as JSON."""

    cf_connect: str


_TEXT: Final = msgspec.json.Decoder(str)
_SAID: Final = msgspec.json.Decoder(Said)


@attrs.define
class Streams:
    """The streams of this node by their sessions; one leaves when it is gone."""

    node: str = attrs.field(factory=lambda: secrets.token_hex(8))
    by_session: dict[str, HttpStream] = attrs.field(factory=dict)


STREAMS: Final = web.AppKey("streams", Streams)


async def http_stream(request: web.Request) -> web.StreamResponse:
    """``POST /connection/http_stream``: the body begins with the first command."""
    admit(request)
    if request.content_type == protobuf.MEDIA_TYPE:
        refusal = protobuf.refusal(await request.read())
        return web.Response(body=refusal, content_type=protobuf.MEDIA_TYPE)
    body = await json_body(request)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Rejected("bad_request", "The body is not UTF-8 text.") from None
    return _stream(request, _checked(text, "body"), OVER_HTTP_STREAM, LINES, b"")


async def sse(request: web.Request) -> web.StreamResponse:
    """``GET /connection/sse?cf_connect=…``: the query has the first command."""
    if request.method != hdrs.METH_GET:  # HEAD would open what nobody reads
        raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_GET])
    admit(request)
    text = request.query.get("cf_connect")
    if text is None:
        raise wrong_field("cf_connect", "The first command is needed here, as JSON.")
    return _stream(request, _checked(text, "cf_connect"), OVER_SSE, EVENTS, b":\n\n")


async def emulation(request: web.Request) -> web.StreamResponse:
    """``POST /emulation``: commands for a stream of this node; the answers come on the stream."""
    admit(request, is_new=False)
    body = await json_body(request)
    try:
        said = decoded(_SAID, body)
    except NotUnderstood as wrong:
        raise invalid(wrong, what="body") from None
    streams = request.app[STREAMS]
    stream = streams.by_session.get(said.session)
    if stream is None or said.node not in ("", streams.node):
        raise _unknown()
    if await stream.take(_lines(bytes(said.data))):
        return nothing()
    if not stream.is_open:
        raise _unknown()
    raise Rejected("too_many", "This connection is busy. Wait a moment.", retry_after_s=RETRY_S)


def _checked(text: str, what: str) -> str:
    """Commands, one a line, of which the first has to come first; it may be alone and indented."""
    try:
        decoded(_FIRST, text)
        return compact(text)
    except NotUnderstood as wrong:
        first = next(filter(None, text.split("\n")), "")
        if first == text:
            raise invalid(wrong, what=what) from None
    try:
        decoded(_FIRST, first)
    except NotUnderstood as wrong:
        raise invalid(wrong, what=what) from None
    return text


def _lines(data: bytes) -> str:
    """The commands as they would stand in a frame."""
    try:
        if data.startswith(b"{"):
            return compact(data)
        return decoded(_TEXT, data)
    except NotUnderstood as wrong:
        raise wrong_field("data", f"Commands are a string, or one is an object: {wrong}.") from None


def _stream(
    request: web.Request, first: str, lines: Lines, content_type: str, opening: bytes
) -> web.StreamResponse:
    settings, streams = request.app[SETTINGS], request.app[STREAMS]
    ticket = Ticket(session=secrets.token_urlsafe(24), node=streams.node)
    dialect = Centrifuge(lines, ticket=ticket, open_to_all=settings.open_channels)
    headers = {**headers_for(request, settings), "X-Accel-Buffering": "no"}
    with admission(request, dialect, gone=lambda: streams.by_session.pop(ticket.session, None)) as pump:
        answer, stream = hold_open(
            request,
            pump,
            content_type=content_type,
            opening=opening,
            close_frame=dialect.close_frame,
            headers=headers,
        )
        if stream is not None:
            streams.by_session[ticket.session] = stream
            pump.received(first)
    return answer


def _unknown() -> Rejected:
    return Rejected("unknown_session", "Stream not found. Connect again.")
