"""Who somebody is: from a token or a user name to a person, and new guests.

Kept out: accounts and sessions in the store, and how a token is signed.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import attrs
from aiohttp import web

from chat_core import Chat, Claims, Person, PersonKind, Refused, Tokens

Directory: TypeAlias = Callable[[str], Awaitable[Person | None]]
"""The person with an account of this user name, in whatever case it is written; None where there is none."""

DIRECTORY: Final[web.AppKey[Directory]] = web.AppKey("directory")


async def nobody(username: str) -> Person | None:
    """The directory of a server without accounts."""
    return None


async def found(request: web.Request, chat: Chat, by: Person, username: str) -> Person:
    """The person of this user name. Who has blocked ``by`` is refused as if there were nobody."""
    person = await request.app[DIRECTORY](username)
    if person is None or person.id in await chat.store.blocked_with(by.id):
        raise unknown_user()
    return person


def unknown_user() -> Refused:
    """The one answer for who is not there, and for who does not want to be found."""
    return Refused("unknown_user", "There is no such user.")


@attrs.frozen(kw_only=True)
class Identity:
    """A person as introduced. ``may_return``: it can prove later to be the same one.

    ``expires_in_s`` counts from the introduction; None where nothing runs out.
    """

    person: Person
    may_return: bool
    expires_in_s: float | None = None


class Introductions:
    """Reads tokens and makes guests."""

    def __init__(self, chat: Chat, tokens: Tokens) -> None:
        self._chat = chat
        self._tokens = tokens

    def introduced(self, token: str) -> Identity:
        """The person of a token, or a new guest where it is empty. Raises ``BadToken``."""
        if not token:
            return Identity(person=self.new_guest(""), may_return=False)
        return self.of_claims(self.verified(token))

    def verified(self, token: str) -> Claims:
        """The claims of a token. Raises ``TokenExpired`` or ``TokenInvalid``."""
        return self._tokens.verify(token, self._chat.clock.now())

    def of_claims(self, claims: Claims) -> Identity:
        """The person that verified claims speak of."""
        person = self._chat.person(claims.person_id, claims.name, claims.kind)
        left = claims.expires_at - self._chat.clock.now()
        return Identity(person=person, may_return=True, expires_in_s=max(0.0, left))

    def new_guest(self, display_name: str) -> Person:
        """A person without an account, who has a token only once ``token_of`` makes one."""
        return self._chat.guest(display_name or "Guest")

    def token_of(self, person: Person) -> tuple[str, float]:
        """An access token of the person, and for how many seconds it holds."""
        name = person.display_name if person.kind is PersonKind.GUEST else person.username
        token = self._tokens.issue_access(
            person.id, name, person.kind, self._chat.new_id(), self._chat.clock.now()
        )
        return token, self._tokens.lifetime_s(person.kind)

    def lifetime_s(self, kind: PersonKind) -> float:
        return self._tokens.lifetime_s(kind)
