"""Pairing records: stores when an anonymous pair parted.

Parting never waits for the store: a row that could not be closed is closed a
little later, and after a crash the next start closes what was left open.
"""

from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.errors import ChatError
from chat_core.model.ids import ConversationId
from chat_core.model.limits import RETRY_S
from chat_core.ports import Clock, Store


class PairingRecords:
    """The ends that the store does not know yet."""

    def __init__(self, store: Store, alarms: Alarms, clock: Clock, tasks: Tasks) -> None:
        self._store = store
        self._alarms = alarms
        self._clock = clock
        self._tasks = tasks
        self._open_ends: dict[ConversationId, float] = {}
        self._closing = False

    def close(self, room: ConversationId, ended_at: float) -> None:
        """Write the end down, soon."""
        self._open_ends[room] = ended_at
        self._close_soon()

    async def finish(self) -> None:
        """Write down what is left; give up where the store does not answer (the next start does it)."""
        await self._close_all()

    def _close_soon(self) -> None:
        if not self._closing:
            self._closing = True
            self._tasks.spawn(self._close_all())

    async def _close_all(self) -> None:
        try:
            while self._open_ends:
                pairing, ended_at = next(iter(self._open_ends.items()))
                await self._store.close_pairing(pairing, ended_at)
                self._open_ends.pop(pairing, None)
        except ChatError:
            self._alarms.set(("sessions", ""), self._clock.now() + RETRY_S, self._close_soon)
        finally:
            self._closing = False
