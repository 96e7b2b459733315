"""Who calls over HTTP: the bearer of an access token, and nobody else. No cookie opens an API route."""

from aiohttp import web

from chat_web.bearer import bearer_of
from chat_web.errors import Rejected
from chat_web.people import Identity
from chat_web.sockets.doors import CHAT, INTRODUCTIONS


async def caller(request: web.Request) -> Identity:
    """The person of ``Authorization: Bearer …``. Rejects a request without one (401).

    A person without a connection who waits in a line goes on waiting: see ``Chat.visit``.
    """
    token = bearer_of(request)
    if not token:
        raise Rejected("unauthenticated")
    identity = await request.app[INTRODUCTIONS].introduced(token)
    request.app[CHAT].visit(identity.person)
    return identity
