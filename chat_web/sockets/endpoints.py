"""Endpoints: every route of a socket. Authentication and admission happen before the upgrade.

Kept out: what is spoken behind them (``dialects``), and the upgrade itself.
"""

import contextlib
import re
from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import hdrs, web
from multidict import CIMultiDict

from chat_core import BAD_REQUEST, BadToken, Channel, Unavailable
from chat_web.app_keys import CHAT, SETTINGS
from chat_web.dialects.anonymous import AnonymousPair
from chat_web.dialects.centrifugal import protobuf
from chat_web.dialects.centrifuge import Centrifuge
from chat_web.dialects.channel_chat import ChannelChat
from chat_web.dialects.intents import Dialect
from chat_web.dialects.notifications import Notifications
from chat_web.dialects.open_rooms import OpenRooms
from chat_web.dialects.socketio import SocketIO
from chat_web.dialects.timed_rooms import TimedRooms
from chat_web.http.auth import AUTHENTICATOR, Authenticator, Identity, bearer_of
from chat_web.http.cookies import guest_cookie, guest_token_of
from chat_web.http.errors import Rejected
from chat_web.http.headers import cookies_count, headers_for, origin_allowed
from chat_web.http.rate_limits import SOURCE_LIMITS
from chat_web.sockets.open_connections import admission, admit, authenticate
from chat_web.sockets.pump import PING_S
from chat_web.transports.engine_io import requests
from chat_web.transports.engine_io.session import Engine
from chat_web.transports.engine_io.websocket import EngineWire
from chat_web.transports.frames import binary_frame
from chat_web.transports.interfaces import Socket
from chat_web.transports.upgrade import upgrade

ANONYMOUS_PAIR: Final = AnonymousPair()
CENTRIFUGE: Final = Centrifuge()
OPEN_CENTRIFUGE: Final = Centrifuge(open_to_all=True)
SOCKET_IO: Final = SocketIO()
ENGINE: Final = web.AppKey("engine", Engine)
NOTIFICATIONS: Final = Notifications()

_LABEL: Final = re.compile(r"[A-Za-z0-9_.~-]{1,64}")
_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SEEN: Final = re.compile(r"([^:,]{1,50}):([0-9]{1,15})", re.ASCII)
_LABELS_TAKEN: Final = frozenset({"chat", "docs", "notifications"})


async def anonymous_pair(request: web.Request) -> web.StreamResponse:
    """P0 ``/ws/{user_id}``: the label in the URL is not an identity."""
    label = request.match_info["user_id"]
    if label in _LABELS_TAKEN:
        raise Rejected("unknown_route", "Page not found.")
    if not _LABEL.fullmatch(label):
        raise Rejected(
            "bad_label", "The name in the address must be 1 to 64 characters of A-Z a-z 0-9 _ . ~ -"
        )
    authenticator = request.app[AUTHENTICATOR]
    admit(request)
    headers: CIMultiDict[str] = CIMultiDict()
    token = request.query.get("token", "")
    if token:
        identity = await authenticator.authenticated(token)
    else:
        kept = await _returning_guest(request, authenticator)
        if kept is None:
            identity = await authenticate(request, "")
            with contextlib.suppress(Unavailable):  # no coming back then, but no reason to stay out
                access, _ = await authenticator.token_of(identity.person)
                headers[hdrs.SET_COOKIE] = guest_cookie(request, access)
        else:
            identity = kept
    return await _open(request, ANONYMOUS_PAIR, identity, headers)


async def centrifuge(request: web.Request) -> web.StreamResponse:
    """P5 ``/connection/websocket``: who it is comes with the first command."""
    admit(request)
    if protobuf.SUBPROTOCOL in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, ""):
        return await _refuse_protobuf(request)
    is_open = request.app[SETTINGS].open_channels
    return await _open(request, OPEN_CENTRIFUGE if is_open else CENTRIFUGE, None, CIMultiDict())


async def socket_io(request: web.Request) -> web.StreamResponse:
    """P2 ``/socket.io/``: a new session, or one of those that are open, by polls or by WebSocket."""
    asked = requests.judged(request)
    if not origin_allowed(request, request.app[SETTINGS]):
        raise Rejected("forbidden", "This origin is not allowed.")
    engine = request.app[ENGINE]
    headers = headers_for(request, request.app[SETTINGS])
    if asked.sid:
        return await requests.go_on(request, asked, engine, headers)
    admit(request)
    with admission(request, SOCKET_IO) as pump:
        return await requests.begin(request, asked, engine, headers, pump)


def engine() -> Engine:
    """The Engine.IO server of P2."""
    return Engine(EngineWire)


async def user_or_room(request: web.Request) -> web.StreamResponse:
    """``/api/ws/{name}``: P1 under the caller's own user name, P4 under the id of a conversation."""
    admit(request)
    identity = await _holder(request)
    name, person = request.match_info["name"], identity.person
    if name.casefold() == person.username.casefold():
        dialect: Dialect = ChannelChat(since=_since(request.query.get("since", "")))
    elif _ID.fullmatch(name):
        state = await request.app[CHAT].conversation(person, name.lower())
        is_new = state.member(person.id) is None
        joins = state.name if is_new and isinstance(state, Channel) else None
        dialect = OpenRooms(room=state.id, joins=joins)
    else:
        raise Rejected("not_yours", "Only this user may connect under their name.")
    return await _open(request, dialect, identity, CIMultiDict())


async def timed_room(request: web.Request) -> web.StreamResponse:
    """P3 ``/ws/chat/{room_id}``: the talk in one room."""
    admit(request)
    identity = await _holder(request)
    room = await request.app[CHAT].reading.room(identity.person, request.match_info["room_id"])
    return await _open(request, TimedRooms(room=room.id), identity, CIMultiDict())


async def notifications(request: web.Request) -> web.StreamResponse:
    """P3 ``/ws/notifications``: everything that concerns the caller."""
    admit(request)
    return await _open(request, NOTIFICATIONS, await _holder(request), CIMultiDict())


async def _holder(request: web.Request) -> Identity:
    """The owner of the request's token: ``?token=``, else the bearer. Rejects a request without one."""
    token = request.query.get("token", "") or bearer_of(request)
    if not token:
        raise Rejected("unauthenticated")
    return await request.app[AUTHENTICATOR].authenticated(token)


def _since(text: str) -> Mapping[str, int]:
    """What ``?since=general:41,random:7`` says: the newest seq known of each channel."""
    since: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        match = _SEEN.fullmatch(part)
        if match is None:
            raise Rejected("bad_request", "since must be a list such as general:41,random:7.")
        since[match[1]] = int(match[2])
    return since


async def _returning_guest(request: web.Request, authenticator: Authenticator) -> Identity | None:
    token = guest_token_of(request)
    if not token or not cookies_count(request, request.app[SETTINGS]):
        return None
    try:
        return await authenticator.authenticated(token)
    except BadToken:  # a cookie from before a change of keys is no reason to turn anybody away
        return None


class _NoProtobuf:
    """Receiver of a connection that is refused because it asked for protobuf."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self.is_open = False

    def opened(self, socket: Socket) -> None:
        self.is_open = True
        socket.write(binary_frame(protobuf.refusal()))
        socket.close(*BAD_REQUEST.because("JSON is spoken here, no protobuf"))

    def received(self, text: str) -> None:
        pass

    def closed(self, code: int, reason: str) -> None:
        self._leave()


async def _refuse_protobuf(request: web.Request) -> web.StreamResponse:
    sources, now = request.app[SOURCE_LIMITS], request.app[CHAT].clock.now()
    leave = sources.connect(sources.of(request, now), now)
    refusing = _NoProtobuf(leave)
    try:
        return await upgrade(
            request,
            refusing,
            message_bytes_max=CENTRIFUGE.message_bytes_max,
            subprotocols=(protobuf.SUBPROTOCOL,),
            headers=CIMultiDict(headers_for(request, request.app[SETTINGS])),
        )
    finally:
        if not refusing.is_open:
            leave()


async def _open(
    request: web.Request, dialect: Dialect, identity: Identity | None, headers: CIMultiDict[str]
) -> web.StreamResponse:
    for name, value in headers_for(request, request.app[SETTINGS]).items():
        headers.setdefault(name, value)
    with admission(request, dialect, identity) as pump:
        return await upgrade(
            request,
            pump,
            message_bytes_max=dialect.message_bytes_max,
            ping_s=PING_S if dialect.ping_frame is None else None,
            headers=headers,
        )
