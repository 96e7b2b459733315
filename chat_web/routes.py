"""The URL map. Each operation declares its parameters and responses."""

from typing import Final

from aiohttp import web

from chat_web import pages
from chat_web.api import accounts, channels, messages, rooms, schemas, timed_rooms, users
from chat_web.dialects.centrifugal.commands import FirstCommand, Said
from chat_web.documents import asyncapi, openapi
from chat_web.documents import pages as documents
from chat_web.http.operations import FILE, HTML, TEXT, Route, plain
from chat_web.http.operations import install as install_routes
from chat_web.monitoring import health, metrics
from chat_web.sockets import emulation, endpoints

_PAGE: Final = {200: HTML}
_ENDPOINT_ERRORS: Final = ("bad_label", "forbidden", "unauthenticated", "unknown_route", "upgrade_required")

_START: Final = plain(pages.landing, "The start page", answers=_PAGE)
_CHAT: Final = plain(pages.chat, "The chat", answers=_PAGE)
_PRIVACY: Final = plain(pages.privacy, "What we keep, and for how long", answers=_PAGE)
_DEMO: Final = plain(
    pages.demo,
    "Clients of two protocols chat with each other (development)",
    answers=_PAGE,
    errors=("unknown_route",),
)
_FILE: Final = plain(pages.static, "A static file", answers={200: FILE}, errors=("unknown_route",))
_DOCS: Final = plain(documents.http, "These routes, as a page with a form for each", answers=_PAGE)
_WS_DOCS: Final = plain(documents.sockets, "All frames of the sockets, and a live console", answers=_PAGE)
_OPENAPI: Final = plain(openapi.openapi, "This document", answers={200: dict})
_ASYNCAPI: Final = plain(asyncapi.asyncapi, "The frames of the sockets, as AsyncAPI 3", answers={200: dict})
_P5: Final = plain(
    endpoints.centrifuge, "The Centrifugal protocol", answers={101: None}, errors=_ENDPOINT_ERRORS
)
_P0: Final = plain(
    endpoints.anonymous_pair, "Strangers, one to one", answers={101: None}, errors=_ENDPOINT_ERRORS
)
_P2_ERRORS: Final = (
    *_ENDPOINT_ERRORS,
    "bad_request",
    "method_not_allowed",
    "too_large",
    "unsupported_media_type",
)
_P2: Final = plain(endpoints.socket_io, "Socket.IO 4", answers={101: None, 200: TEXT}, errors=_P2_ERRORS)
_P2_POST: Final = plain(
    endpoints.socket_io, "Packets of Socket.IO, by polling", answers={200: TEXT}, errors=_P2_ERRORS
)
_P5_STREAM: Final = plain(
    emulation.http_stream,
    "The Centrifugal protocol as an endless response, one line per reply",
    body=FirstCommand,
    answers={200: emulation.LINES},
    errors=("forbidden",),
)
_P5_SSE: Final = plain(
    emulation.sse,
    "The Centrifugal protocol as server-sent events",
    query=emulation.FirstInQuery,
    answers={200: emulation.EVENTS},
    errors=("bad_request", "forbidden"),
)
_EMULATION: Final = plain(
    emulation.emulation,
    "Commands for a stream: a string with one command per line, or one command as an object",
    body=Said,
    answers={204: None},
    errors=("forbidden", "unknown_session"),
)
_TOKEN_ERRORS: Final = ("forbidden", "unauthenticated", "unknown_room", "upgrade_required")
_P1_P4: Final = plain(
    endpoints.user_or_room,
    "All channels of the user with this name, or the open room with this id",
    answers={101: None},
    errors=(*_TOKEN_ERRORS, "bad_request", "not_yours"),
)
_P3: Final = plain(
    endpoints.timed_room, "The conversation in a timed room", answers={101: None}, errors=_TOKEN_ERRORS
)
_NOTIFICATIONS: Final = plain(
    endpoints.notifications, "Notifications for the caller", answers={101: None}, errors=_TOKEN_ERRORS
)
_WELL: Final = {200: schemas.Health, 503: schemas.Health}
_HEALTH: Final = plain(health.health, "Whether every component works", answers=_WELL)
_READY: Final = plain(health.ready, "Whether the server accepts new connections", answers=_WELL)
_METRICS: Final = plain(
    metrics.metrics, "Metrics in the Prometheus text format", answers={200: TEXT}, errors=("unauthenticated",)
)

ROUTES: Final = (
    # Pages
    Route("GET", "/", _START),
    Route("GET", "/chat", _CHAT),
    Route("GET", "/chat/pair", _CHAT),
    Route("GET", "/chat/r/{room_id}", _CHAT),
    Route("GET", "/privacy", _PRIVACY),
    Route("GET", "/demo", _DEMO),
    Route("GET", "/docs", _DOCS),
    Route("GET", "/ws/docs", _WS_DOCS),
    Route("GET", "/openapi.json", _OPENAPI),
    Route("GET", "/asyncapi.json", _ASYNCAPI),
    Route("GET", "/static/{digest}/{path:.+}", _FILE),
    # Accounts
    Route("POST", "/api/auth/register", accounts.register),
    Route("POST", "/api/auth/login", accounts.login),
    Route("POST", "/api/auth/guest", accounts.guest),
    Route("POST", "/api/auth/refresh", accounts.refresh),
    Route("POST", "/api/auth/logout", accounts.logout),
    Route("GET", "/api/auth/me", users.me),
    Route("GET", "/api/users", users.listed),
    Route("GET", "/api/users/online", users.online),
    Route("GET", "/api/users/me", users.me),
    Route("PATCH", "/api/users/me", users.change_me),
    Route("DELETE", "/api/users/me", users.leave),
    Route("POST", "/api/users/me/status", users.set_status),
    Route("GET", "/api/users/me/export", users.export),
    Route("GET", "/api/users/{username}", users.one),
    Route("GET", "/api/users/{id}/profile", users.profile),
    Route("PUT", "/api/users/{id}/profile", users.change_profile),
    # Accounts, as P3 calls them
    Route("POST", "/auth/register", accounts.register),
    Route("POST", "/auth/login", accounts.login),
    Route("POST", "/auth/logout", accounts.logout),
    # Channels and messages: P1
    Route("POST", "/api/channels", channels.create),
    Route("GET", "/api/channels", channels.listed),
    Route("GET", "/api/channels/me", channels.mine),
    Route("GET", "/api/channels/{name}", channels.one),
    Route("DELETE", "/api/channels/{name}", channels.delete),
    Route("POST", "/api/channels/{name}/join", channels.join),
    Route("POST", "/api/channels/{name}/leave", channels.leave),
    Route("POST", "/api/channels/{name}/members", channels.add_member),
    Route("PUT", "/api/channels/{name}/members/{username}", channels.set_role),
    Route("DELETE", "/api/channels/{name}/members/{username}", channels.remove_member),
    Route("GET", "/api/messages", messages.recent),
    Route("GET", "/api/messages/me", messages.mine),
    Route("PATCH", "/api/messages/{id}", messages.edit),
    Route("DELETE", "/api/messages/{id}", messages.delete),
    Route("PUT", "/api/messages/{id}/reactions/{emoji}", messages.react),
    Route("DELETE", "/api/messages/{id}/reactions/{emoji}", messages.unreact),
    Route("POST", "/api/conversations/{id}/messages", messages.post),
    Route("PUT", "/api/conversations/{id}/read", messages.read),
    Route("GET", "/api/search", messages.search),
    # Open rooms: P4
    Route("GET", "/api/rooms", rooms.listed),
    Route("POST", "/api/rooms", rooms.create),
    Route("GET", "/api/rooms/{id}/messages", rooms.messages),
    # Rooms with a countdown: P3
    Route("GET", "/chat/rooms", timed_rooms.listed),
    Route("POST", "/chat/rooms", timed_rooms.create),
    Route("GET", "/chat/queue", timed_rooms.queue),
    Route("DELETE", "/chat/queue", timed_rooms.leave_queue),
    Route("POST", "/chat/keep/{room_id}", timed_rooms.keep),
    Route("POST", "/chat/like/{room_id}", timed_rooms.like),
    Route("POST", "/simple-countdown/start/{room_id}", timed_rooms.start),
    Route("POST", "/simple-countdown/response/{room_id}", timed_rooms.respond),
    Route("GET", "/simple-countdown/status/{room_id}", timed_rooms.status),
    # Sockets: P5, P2, P1 and P4, P3, P0
    Route("GET", "/connection/websocket", _P5),
    Route("POST", "/connection/http_stream", _P5_STREAM),
    Route("GET", "/connection/sse", _P5_SSE),
    Route("POST", "/emulation", _EMULATION),
    Route("GET", "/socket.io/", _P2),
    Route("POST", "/socket.io/", _P2_POST),
    Route("GET", "/api/ws/{name}", _P1_P4),
    Route("GET", "/ws/chat/{room_id}", _P3),
    Route("GET", "/ws/notifications", _NOTIFICATIONS),
    Route("GET", "/ws/{user_id}", _P0),
    # Operations
    Route("GET", "/health", _HEALTH),
    Route("GET", "/ready", _READY),
    Route("GET", "/metrics", _METRICS),
)


def install(app: web.Application) -> None:
    """Adds every route, the more specific ones first, and the documents that describe them."""
    install_routes(app, ROUTES)
    openapi.install(app, ROUTES)
