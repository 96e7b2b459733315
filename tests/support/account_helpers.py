"""What tests of accounts share: a chat on a clock that stands still, sockets that are let in by a session."""

from functools import partial

from chat_core.adapters.tokens import Key, SignedTokens
from chat_core.engine.chat import Chat
from chat_core.engine.delivery.connection import Connection
from chat_core.engine.delivery.local_client import EventsAsTheyAre
from chat_core.engine.results import Position, result_of
from chat_core.model.account import TokenPair
from chat_core.model.errors import ChatError
from chat_core.model.events import Event, Personal
from chat_core.model.ids import ConversationId
from chat_core.model.person import Person
from chat_core.ports import Claims
from chat_core.testing import World

PASSWORD = "correct horse"
HERE, ELSEWHERE = "source-here", "source-elsewhere"


def tokens(user_token_s: float = 1800.0) -> SignedTokens:
    return SignedTokens([Key.from_secret(b"a secret of the tests, long enough")], user_token_s=user_token_s)


def claims(world: World, token_pair: TokenPair) -> Claims:
    """What the grant's access token says."""
    return world.chat.accounts.tokens.verify(token_pair.access_token, world.clock.now())


async def signed_in(world: World, name: str = "ann") -> TokenPair:
    """Somebody who registers and logs in."""
    await world.chat.accounts.register(name, f"{name}@example.org", PASSWORD)
    return await world.chat.accounts.log_in(name, PASSWORD)


async def later(world: World, seconds: float) -> None:
    """So much later at once: what was to happen meanwhile happens then."""
    await world.settle()
    world.clock.set(world.clock.now() + seconds)
    world.clock.ring()
    await world.settle()


class Socket:
    """A connection that a session let in, as a carrier holds it."""

    def __init__(self, chat: Chat, person: Person, sid: str) -> None:
        self.ended: tuple[int, str] | None = None
        self.events: list[Event] = []
        self.connection: Connection[tuple[Event, ...]] = chat.attach(person, EventsAsTheyAre(), self, sid=sid)

    @classmethod
    async def open(cls, world: World, token_pair: TokenPair) -> "Socket":
        """As a carrier does it: the token, the person, the seat."""
        person = await world.chat.accounts.authenticate(claims(world, token_pair))
        return cls(world.chat, person, token_pair.sid)

    async def follows(self, conversation: ConversationId) -> None:
        await result_of(partial(self.connection.follow, conversation, Position(epoch="", seq=0)))

    def deliver(self, frames: tuple[Event, ...]) -> None:
        self.events.extend(frames)

    def push(self, event: Personal) -> None:
        self.events.append(event)

    def unsubscribed(self, conversation: ConversationId, *, recoverable: bool) -> None:
        """Nothing to do."""

    def end(self, code: int, reason: str) -> None:
        self.ended = (code, reason)
        self.connection.close()


async def code_of(refused: object) -> str:
    """The code of the refusal that awaiting raises."""
    try:
        answer = await refused  # type: ignore[misc]
    except ChatError as error:
        return getattr(error, "code", type(error).__name__)
    raise AssertionError(f"this was allowed: {answer}")
