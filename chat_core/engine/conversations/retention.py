"""Retention: finds and deletes expired data, an hour after start and then every hour.

Rooms go as a whole 30 days after their end, and pairings after 30 days. Texts of
channels and of rooms that go on become tombstones, where an age was set for them.
What was published as data (open channels) is no message, and stays.
What is removed is not told: nobody gets an event, and no ``seq`` is missing.
"""

from typing import Final

from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.errors import ChatError
from chat_core.model.limits import ENDED_ROOM_KEPT_S, PAIRING_KEPT_S, RETENTION_SWEPT_S
from chat_core.ports import Clock, Store

AT_ONCE: Final = 100  # rooms or conversations that are asked for together


class Retention:
    """The job. ``texts_kept_s`` is None where texts are kept for good."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        alarms: Alarms,
        tasks: Tasks,
        conversations: Conversations,
        texts_kept_s: float | None,
    ) -> None:
        self._clock = clock
        self._store = store
        self._alarms = alarms
        self._tasks = tasks
        self._conversations = conversations
        self._texts_kept_s = texts_kept_s

    def start(self) -> None:
        """Look for the first time in an hour."""
        self._alarms.set(("ages", ""), self._clock.now() + RETENTION_SWEPT_S, self._sweep_soon)

    async def sweep(self) -> None:
        """Deletes expired data. Raises ``Unavailable``; the rest is deleted next time."""
        now = self._clock.now()
        await self._store.forget_pairings(now - PAIRING_KEPT_S)
        while ended := await self._store.rooms_ended(now - ENDED_ROOM_KEPT_S, AT_ONCE):
            for room in ended:
                await self._store.drop(room)
                self._conversations.forget(room)
        if self._texts_kept_s is not None:
            await self._blank(now - self._texts_kept_s)

    async def _blank(self, before: float) -> None:
        last = ""
        while some := await self._store.conversations_from(last, AT_ONCE):
            for conversation in some:
                await self._store.blank_before(conversation, before)
            last = some[-1]

    def _sweep_soon(self) -> None:
        self.start()
        self._tasks.spawn(self._sweep())

    async def _sweep(self) -> None:
        try:
            await self.sweep()
        except ChatError:
            return  # at the next time
