"""Stores for tests: in memory, and failing when they are told to."""

import asyncio
from collections.abc import Sequence

from chat_core.adapters.memory.backplane import InProcessBackplane
from chat_core.adapters.memory.store import MemoryStore
from chat_core.model.conversation import Conversation
from chat_core.model.errors import Unavailable
from chat_core.model.events import Logged
from chat_core.model.ids import ConversationId, PersonId
from chat_core.ports import Change, Pairing


class FailingStore(MemoryStore):
    """Fails before it writes, or after it, or lets every write wait for ``gate``."""

    durable = True

    def __init__(self) -> None:
        super().__init__()
        self.fails_before = False
        self.fails_after = False
        self.cannot_read = False
        self.gate: asyncio.Event | None = None
        self.arrived = asyncio.Event()  # a write waits at the gate

    async def append(self, change: Change) -> None:
        await self._pass()
        await super().append(change)
        if self.fails_after:
            raise Unavailable("it may have been written")

    async def load(self, conversation: ConversationId) -> Conversation | None:
        if self.cannot_read:
            raise Unavailable("no reading")
        return await super().load(conversation)

    async def open_pairing(self, pairing: Pairing) -> None:
        await self._pass()
        await super().open_pairing(pairing)

    async def close_pairing(self, room: ConversationId, ended_at: float) -> None:
        await self._pass()
        await super().close_pairing(room, ended_at)

    async def block(self, by: PersonId, person: PersonId, at: float) -> None:
        await self._pass()
        await super().block(by, person, at)

    async def _pass(self) -> None:
        if self.gate is not None:
            self.arrived.set()
            await self.gate.wait()
        if self.fails_before:
            raise Unavailable("nothing was written")


class DeafBackplane(InProcessBackplane):
    """Loses every hint while ``is_deaf``."""

    is_deaf = False

    def publish(self, after: Conversation, events: Sequence[Logged]) -> None:
        if not self.is_deaf:
            super().publish(after, events)
