"""Authentication: from a token or a user name to a person, and new guests.

Kept out: what an account may do, and how a token is signed.
"""

from typing import Final

import attrs
from aiohttp import hdrs, web

from chat_core import Chat, Claims, Person, unknown_user
from chat_web.app_keys import CHAT
from chat_web.http.errors import Rejected

_SCHEME: Final = "bearer "


async def found(chat: Chat, by: Person, username: str) -> Person:
    """The user of this name. A user who blocked ``by`` is refused as unknown."""
    person = await chat.accounts.named(username)
    if person is None or person.id in await chat.store.blocked_with(by.id):
        raise unknown_user()
    return person


@attrs.frozen(kw_only=True)
class Identity:
    """A person as introduced. ``may_return``: it can prove later to be the same one.

    ``expires_in_s`` counts from the introduction; None where nothing runs out.
    ``sid`` is the session whose token it was, empty for a guest who has none.
    """

    person: Person
    may_return: bool
    sid: str = ""
    expires_in_s: float | None = None


class Authenticator:
    """Reads tokens and makes guests. Tokens are issued in the core."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    async def authenticated(self, token: str) -> Identity:
        """The person of a token, or a new guest where it is empty. Raises ``BadToken`` or ``Unavailable``.

        Waits only for a session that nobody asked about for half a minute.
        """
        if not token:
            return Identity(person=self.new_guest(""), may_return=False)
        return await self.of_claims(self.verified(token))

    def verified(self, token: str) -> Claims:
        """The claims of a token. Raises ``TokenExpired`` or ``TokenInvalid``."""
        return self._chat.accounts.tokens.verify(token, self._chat.clock.now())

    async def of_claims(self, claims: Claims) -> Identity:
        """The person of verified claims, called as it is called now. Raises as ``authenticated``."""
        accounts = self._chat.accounts
        person = accounts.peek(claims) or await accounts.authenticate(claims)
        left = claims.expires_at - self._chat.clock.now()
        return Identity(person=person, may_return=True, sid=claims.sid, expires_in_s=max(0.0, left))

    def new_guest(self, display_name: str) -> Person:
        """A person without an account, who has a token only once ``token_of`` makes one."""
        return self._chat.guest(display_name or "Guest")

    async def token_of(self, guest: Person) -> tuple[str, float]:
        """An access token for an existing guest, and for how many seconds it is valid.

        Its session is stored, so that it can be ended. Raises ``Unavailable``.
        """
        token_pair = await self._chat.accounts.guest_pass(guest)
        return token_pair.access_token, token_pair.expires_in_s


AUTHENTICATOR: Final = web.AppKey("authenticator", Authenticator)


def bearer_of(request: web.Request) -> str:
    """The token, empty where there is none, or more than one."""
    given = request.headers.getall(hdrs.AUTHORIZATION, [])
    if len(given) != 1 or given[0][: len(_SCHEME)].lower() != _SCHEME:
        return ""
    return given[0][len(_SCHEME) :].strip()


async def caller_of(request: web.Request) -> Identity:
    """The person of ``Authorization: Bearer …``. Rejects a request without one (401).

    A person without a connection who waits in a line goes on waiting: see ``Chat.visit``.
    """
    token = bearer_of(request)
    if not token:
        raise Rejected("unauthenticated")
    identity = await request.app[AUTHENTICATOR].authenticated(token)
    request.app[CHAT].visit(identity.person)
    return identity
