"""Who calls over HTTP: the bearer of an access token, and nobody else. No cookie opens an API route."""

from typing import Final

from aiohttp import hdrs, web

from chat_web.errors import Rejected
from chat_web.people import Identity
from chat_web.sockets.doors import CHAT, INTRODUCTIONS

_SCHEME: Final = "bearer "


async def caller(request: web.Request) -> Identity:
    """The person of ``Authorization: Bearer …``. Rejects a request without one (401).

    A person without a connection who waits in a line goes on waiting: see ``Chat.visit``.
    """
    given = request.headers.getall(hdrs.AUTHORIZATION, [])
    token = given[0][len(_SCHEME) :].strip() if len(given) == 1 else ""
    if not token or given[0][: len(_SCHEME)].lower() != _SCHEME:
        raise Rejected("unauthenticated")
    identity = await request.app[INTRODUCTIONS].introduced(token)
    request.app[CHAT].visit(identity.person)
    return identity
