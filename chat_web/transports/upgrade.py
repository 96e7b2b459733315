"""From an aiohttp request to a connection of our own: a WebSocket, or a stream over HTTP.

aiohttp does what HTTP is for: reading the head, routing, middlewares.  A handler
that has made up its mind calls `upgrade()`, which writes the 101 itself (or
`hold_open()`: the head of an answer without an end), takes the transport over and
lets aiohttp's protocol go as if the peer had left.  No task stays behind, and a
connection at rest costs a tenth of a `WebSocketResponse`.  Kept out: who may
connect (the routes decide before), frames and deadlines (`websocket`, `stream`).

What follows from it:

- Signals and middlewares that write headers do not reach the 101; what it is to
  carry comes in `headers`.  The access log does get its line.
- `runner.cleanup()` neither waits for sockets that were handed over nor closes
  them: aiohttp does not know them any more.  Who drains a node closes them, for
  instance in `on_shutdown`.
- With `handler_cancellation=True` what a handler awaits after `upgrade()` is
  cancelled, as it is when a peer leaves.

What is touched of aiohttp's private names is in `http.aiohttp_private`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from chat_web.http.aiohttp_private import is_upgrade, release
from chat_web.transports.http_stream import HttpStream
from chat_web.transports.interfaces import LIMITS, Receiver, SocketLimits
from chat_web.transports.websocket import PING_S, WebSocket

__all__ = ["hold_open", "upgrade"]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION: Final = "13"
_NO_HEADERS: Final[Mapping[str, str]] = {}
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


class _Answered(web.StreamResponse):
    """The return value of a handler whose response is already sent."""

    @property
    def prepared(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


async def upgrade(
    request: web.Request,
    receiver: Receiver[WebSocket],
    *,
    message_bytes_max: int,
    ping_s: float | None = PING_S,
    subprotocols: Sequence[str] = (),
    headers: Mapping[str, str] = _NO_HEADERS,
    limits: SocketLimits = LIMITS,
    on_binary: Callable[[bytes], None] | None = None,
) -> web.StreamResponse:
    """Answer 101 and give the connection to `receiver`; the handler returns what this returns.

    `receiver.opened()` and the messages that came with the request are told before
    this returns; it never waits, so cancelling it has no half-way.  Of the
    subprotocols the client's first that is in `subprotocols` is chosen, or none.
    `headers` go into the 101 (a `CIMultiDict` for several cookies).

    Raises aiohttp's HTTP errors (400, 405, 426) for what is no WebSocket handshake
    and `ValueError` for headers that cannot be sent; the connection is then aiohttp's
    still.  If the peer left meanwhile, the receiver hears nothing at all and the
    answer's status, which only the access log sees, is 499.
    """
    accept = _accept_of(request)
    subprotocol = _chosen(request, subprotocols)
    head = _head(accept, subprotocol, headers)
    protocol = request.protocol
    transport = protocol.transport
    if transport is None or transport.is_closing():
        return _Answered(status=499, reason="Client Closed Request")
    tail = release(protocol)
    transport.write(head)
    ours = WebSocket(
        receiver, message_bytes_max=message_bytes_max, ping_s=ping_s, limits=limits, on_binary=on_binary
    )
    transport.set_protocol(ours)
    # aiohttp stops reading when much came behind the handshake; before connection_made(),
    # because the receiver may want to pause on its own account.
    transport.resume_reading()
    ours.connection_made(transport)
    if tail:
        ours.data_received(tail)
    return _Answered(status=101)


def hold_open(
    request: web.Request,
    receiver: Receiver[HttpStream],
    *,
    content_type: str,
    opening: bytes,
    close_frame: Callable[[int, str], bytes],
    headers: Mapping[str, str] = _NO_HEADERS,
    limits: SocketLimits = LIMITS,
) -> tuple[web.StreamResponse, HttpStream | None]:
    """Answer 200 without an end and give the connection to `receiver`; what the handler returns.

    The body of the request has been read.  `opening` is sent ahead of everything
    else, so that whoever stands between lets the head through.  The stream comes
    beside the answer; None if the peer left meanwhile: the receiver hears nothing then.
    """
    protocol = request.protocol
    transport = protocol.transport
    if transport is None or transport.is_closing():
        return _Answered(status=499, reason="Client Closed Request"), None
    is_chunked = request.version >= (1, 1)
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {content_type}", "Connection: close"]
    if is_chunked:
        lines.append("Transfer-Encoding: chunked")
    head = _with_headers(lines, headers)
    release(protocol)
    transport.write(head)
    ours = HttpStream(receiver, close_frame=close_frame, is_chunked=is_chunked, limits=limits)
    transport.set_protocol(ours)
    transport.resume_reading()
    if opening:
        transport.write(ours.chunk(opening))
    ours.connection_made(transport)
    return _Answered(status=200), ours


def _accept_of(request: web.Request) -> str:
    """The answer to the client's key; HTTP errors for what is no handshake (RFC 6455, 4.2.1)."""
    if request.method != hdrs.METH_GET:
        raise web.HTTPMethodNotAllowed(request.method, [hdrs.METH_GET])
    wants = {hdrs.UPGRADE: "websocket"}
    if (
        "websocket" not in _tokens(request, hdrs.UPGRADE)
        or "upgrade" not in _tokens(request, hdrs.CONNECTION)
        or not is_upgrade(request.protocol)  # else aiohttp reads what follows as HTTP
    ):
        raise web.HTTPUpgradeRequired(headers=wants, text="This address supports WebSocket only.")
    if request.version < (1, 1) or request.can_read_body:
        raise web.HTTPBadRequest(text="A WebSocket handshake is HTTP/1.1 and has no body.")
    if request.headers.getall(hdrs.SEC_WEBSOCKET_VERSION, []) != [_VERSION]:
        raise web.HTTPUpgradeRequired(
            headers={**wants, hdrs.SEC_WEBSOCKET_VERSION: _VERSION},
            text=f"WebSocket version {_VERSION} is wanted.",
        )
    keys = request.headers.getall(hdrs.SEC_WEBSOCKET_KEY, [])
    if len(keys) != 1 or not _is_key(keys[0]):
        raise web.HTTPBadRequest(text="Sec-WebSocket-Key is 16 bytes in base64, once.")
    digest = hashlib.sha1(keys[0].encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def _tokens(request: web.Request, name: str) -> list[str]:
    """The comma-separated words of all headers of this name, in lower case."""
    return [word.strip().lower() for line in request.headers.getall(name, []) for word in line.split(",")]


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def _chosen(request: web.Request, subprotocols: Sequence[str]) -> str | None:
    offers = request.headers.getall(hdrs.SEC_WEBSOCKET_PROTOCOL, [])
    for offer in (word.strip() for line in offers for word in line.split(",")):
        if offer in subprotocols:
            return offer
    return None


def _head(accept: str, subprotocol: str | None, headers: Mapping[str, str]) -> bytes:
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return _with_headers(lines, headers)


def _with_headers(lines: list[str], headers: Mapping[str, str]) -> bytes:
    """A head of these lines and headers. `ValueError` for what cannot be sent."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the header {name!r} cannot be sent")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode()
