"""The whole URL map."""

from aiohttp import web

from chat_web import metrics, ops, pages
from chat_web.api import accounts
from chat_web.sockets import doors


def install(app: web.Application) -> None:
    """Every route, the more particular ones first."""
    app.add_routes(
        [
            # Pages
            web.get("/", pages.landing),
            web.get("/chat", pages.chat),
            web.get("/chat/pair", pages.chat),
            web.get("/chat/r/{room_id}", pages.chat),
            web.get("/privacy", pages.privacy),
            web.get("/static/{digest}/{path:.+}", pages.static),
            # Accounts
            web.post("/api/auth/guest", accounts.guest),
            # Sockets: P5, P0
            web.get("/connection/websocket", doors.centrifuge),
            web.get("/ws/{user_id}", doors.anonymous_pair),
            # Operations
            web.get("/health", ops.health),
            web.get("/ready", ops.ready),
            web.get("/metrics", metrics.metrics),
        ]
    )
