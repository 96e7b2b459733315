"""A world for tests: one chat on a fake clock, with people who act and see.

    async with World() as world:
        ann, bob = await world.pair("ann", "bob")
        await ann.says("hi")
        print(bob.sees(MessagePosted).message.content)

Kept out: what people do and see (``chat_core.testing.people``).
"""

import random
from types import TracebackType
from typing import Self

import attrs

from chat_core.adapters.memory.accounts import MemoryAccounts
from chat_core.adapters.memory.backplane import InProcessBackplane
from chat_core.adapters.memory.store import MemoryStore
from chat_core.compose import Config, open_chat
from chat_core.engine.chat import Chat
from chat_core.model.ids import LobbyName
from chat_core.model.person import Person, PersonKind
from chat_core.ports import Backplane, Store, Tokens
from chat_core.ports.accounts import Accounts, Passwords
from chat_core.testing.clock import FakeClock
from chat_core.testing.passwords import PlainPasswords
from chat_core.testing.people import Actor, NotSeen


class World:
    """Everything at once, and nothing by accident: time stands still, chance comes from ``seed``.

    ``config`` is taken as it is except for ``flush_s``, which is 0. Rates hold.
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        seed: int = 0,
        clock: FakeClock | None = None,
        store: Store | None = None,
        backplane: Backplane | None = None,
        accounts: Accounts | None = None,
        passwords: Passwords | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        self.config = attrs.evolve(config or Config(), flush_s=0.0)
        self.rng = random.Random(seed)  # noqa: S311 - chance that can be had again
        self.clock = clock or FakeClock()
        self.store: Store = store or MemoryStore()
        self.backplane: Backplane = backplane or InProcessBackplane(self.clock)
        self.accounts: Accounts = accounts or MemoryAccounts()
        self.passwords: Passwords = passwords or PlainPasswords()
        self.tokens = tokens
        self._chat: Chat | None = None
        self._nodes: list[Chat] = []

    async def __aenter__(self) -> Self:
        self._chat = await self.node()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for chat in self._nodes:
            await chat.stop()

    @property
    def chat(self) -> Chat:
        if self._chat is None:
            raise RuntimeError("use it as: async with World() as world")
        return self._chat

    # People

    async def comes(self, name: str, *, may_return: bool = True) -> Actor:
        """A guest who connects."""
        return await self.connects(self.chat.guest(name), may_return=may_return)

    async def user(self, name: str, *, partition: str = "") -> Actor:
        """Somebody with an account, who connects."""
        person = Person(
            id=self.chat.new_id(),
            username=name,
            display_name=name.capitalize(),
            kind=PersonKind.USER,
            partition=partition,
        )
        return await self.connects(person)

    async def device(self, actor: Actor) -> Actor:
        """The same person with one more connection."""
        other = await self.connects(actor.person, may_return=actor.may_return)
        other.room = actor.room
        return other

    async def pair(self, one: str, other: str, *, lobby: LobbyName = "anonymous") -> tuple[Actor, Actor]:
        """Two guests whom a lobby has just paired, and who have looked at all that told them so."""
        a, b = await self.comes(one), await self.comes(other)
        await self.match(a, b, lobby=lobby)
        return a, b

    async def match(self, one: Actor, other: Actor, *, lobby: LobbyName = "anonymous") -> None:
        """Let two who are here search until they are paired with each other."""
        await one.searches(lobby)
        await other.searches(lobby)
        if not one.room or one.room != other.room:
            raise NotSeen(f"{one} and {other} were not paired with each other")
        one.looks_away()
        other.looks_away()

    async def connects(self, person: Person, *, may_return: bool = True) -> Actor:
        """A person who is known already, with a connection."""
        actor = Actor(self, person, may_return=may_return)
        await actor.comes()
        return actor

    # Time and fate

    async def advance(self, seconds: float) -> None:
        """Move on, stopping at each alarm until its work is done."""
        await self.clock.advance(seconds)

    async def settle(self) -> None:
        """Let finish what is under way, without moving the time."""
        await self.clock.settle()

    async def node(self) -> Chat:
        """One more chat on the same store, backplane and clock."""
        chat = await open_chat(
            self.config,
            clock=self.clock,
            store=self.store,
            backplane=self.backplane,
            rng=self.rng,
            accounts=self.accounts,
            passwords=self.passwords,
            tokens=self.tokens,
        )
        self._nodes.append(chat)
        self.clock.watch(chat.idle)
        return chat

    async def restart(self, *, away_s: float = 0.0) -> None:
        """The chat is lost as it stands; after ``away_s`` a new one starts on the same store.

        Everybody has lost the connection, and what only the backplane knew is gone.
        """
        lost = self.chat
        self._nodes.remove(lost)
        lost.alarms.stop()
        await self.clock.settle()
        self.clock = FakeClock(self.clock.now() + away_s)
        self.backplane = InProcessBackplane(self.clock)
        self._chat = await self.node()
        await self.settle()
