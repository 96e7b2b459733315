"""Guests: a person without an account gets a token."""

import re
from typing import Annotated, Final

import msgspec
from aiohttp import hdrs, web

from chat_web import wire
from chat_web.cookies import guest_cookie
from chat_web.errors import Rejected
from chat_web.json import NotUnderstood, decoded
from chat_web.sockets.doors import CHAT
from chat_web.sources import SOURCES

DISPLAY_NAME_LENGTH_MAX: Final = 40


class NewGuest(msgspec.Struct):
    """The body of ``POST /api/auth/guest``."""

    display_name: Annotated[str, msgspec.Meta(max_length=DISPLAY_NAME_LENGTH_MAX)] = ""


# Control characters, and what would turn the text around it.
_REFUSED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_NEW_GUEST: Final = msgspec.json.Decoder(NewGuest)


async def guest(request: web.Request) -> web.Response:
    """``POST /api/auth/guest``: a new guest with a token; the cookie makes it the same person of later."""
    app = request.app
    now = app[CHAT].clock.now()
    body = await request.read()
    try:
        asked = decoded(_NEW_GUEST, body or b"{}")
    except NotUnderstood as wrong:
        if not wrong.is_json:
            raise Rejected("bad_request", f"The body is no JSON that can be read: {wrong}.") from None
        fields = {wrong.field: wrong.reason} if wrong.field else {}
        raise Rejected("invalid", f"The body is not what is expected here: {wrong}.", fields=fields) from None
    name = asked.display_name.strip()
    if _REFUSED.search(name):
        words = "A name cannot contain control characters."
        raise Rejected("invalid", words, fields={"display_name": words})
    app[SOURCES].guest(app[SOURCES].of(request, now), now)
    grant = await app[CHAT].accounts.guest(name)
    answer = {
        "access_token": grant.access_token,
        "token_type": "bearer",
        "expires_in": int(grant.expires_in_s),
        "refresh_token": grant.refresh_token,
        "user": {**wire.person(grant.person), "kind": grant.person.kind},
    }
    response = web.Response(body=msgspec.json.encode(answer), content_type="application/json")
    response.headers.add(hdrs.SET_COOKIE, guest_cookie(request, grant.access_token))
    return response
