"""The backplane of one process: logs of ephemeral conversations, and hints between its nodes."""

from collections.abc import Callable, Sequence

from chat_core.adapters.memory.log import MemoryLog
from chat_core.model.conversation import Conversation, Room, RoomState
from chat_core.model.events import (
    Logged,
)
from chat_core.model.limits import EPHEMERAL_EVENTS_MAX, EPHEMERAL_KEPT_S
from chat_core.ports import Change, Clock, Hint


class InProcessBackplane(MemoryLog):
    """``ports.Backplane`` for the nodes of one process: hints are passed on at once."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(events_max=EPHEMERAL_EVENTS_MAX)
        self._clock = clock
        self._hints: list[Hint] = []

    @property
    def is_shared(self) -> bool:
        return len(self._hints) > 1

    async def append(self, change: Change) -> None:
        self._append(change)
        room = change.after
        if isinstance(room, Room) and room.state is RoomState.ENDED:
            self._clock.call_at(self._clock.now() + EPHEMERAL_KEPT_S, lambda: self.forget(room.id))

    def publish(self, after: Conversation, events: Sequence[Logged]) -> None:
        for hint in tuple(self._hints):
            hint(after, events)

    def listen(self, hint: Hint) -> Callable[[], None]:
        self._hints.append(hint)

        def end() -> None:
            if hint in self._hints:
                self._hints.remove(hint)

        return end

    async def close(self) -> None:
        self._hints.clear()
