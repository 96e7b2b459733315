"""Slots: the conversations that this node has in memory, as it knows them.

A slot becomes what a turn has stored, what another node has stored, or what is
read again because nobody here knows any more (after a failed write, say). Each
fact becomes a commit once on this node. Kept out: deciding, and where commits go.
"""

from collections.abc import Sequence

import attrs

from chat_core.engine.conversations.commit import Commit, Commits
from chat_core.engine.delivery.hub import Hub
from chat_core.engine.results import Reply
from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.logs import Logs
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.commands import ConversationCommand
from chat_core.model.conversation import Conversation
from chat_core.model.errors import ChatError, Refused
from chat_core.model.events import Logged
from chat_core.model.ids import ConversationId
from chat_core.model.limits import CONVERSATIONS_LOADED_MAX, RETRY_S
from chat_core.model.person import Person
from chat_core.ports import Clock, Log

_HISTORY_READ = 300  # events a read, when a slot catches up with its log


@attrs.define(eq=False)
class PendingCommand:
    """A command that waits for its conversation's turn."""

    command: ConversationCommand
    by: Person | None
    at: float
    reply: Reply
    seen: bool = False  # it found its way into a receipt


@attrs.define(eq=False)
class Slot:
    """One conversation in memory. ``state`` is None when it must be read again."""

    id: ConversationId
    log: Log
    state: Conversation | None
    known: Conversation  # the last state whose consequences were drawn
    asks: list[PendingCommand] = attrs.field(factory=list)
    is_turning: bool = False
    doubts: int = 0  # how often it was doubted
    in_doubt: bool = False  # a write of this node may have come through, and no other node knows


class Slots:
    """All slots by conversation, loaded as they are needed."""

    def __init__(
        self,
        *,
        clock: Clock,
        logs: Logs,
        commits: Commits,
        hub: Hub,
        tasks: Tasks,
        alarms: Alarms,
    ) -> None:
        self._clock = clock
        self._logs = logs
        self._commits = commits
        self._hub = hub
        self._tasks = tasks
        self._alarms = alarms
        self._slots: dict[ConversationId, Slot] = {}

    def get(self, conversation: ConversationId) -> Slot | None:
        return self._slots.get(conversation)

    async def find(self, conversation: ConversationId) -> Slot | None:
        """The slot, loaded when it is not; None where there is no such conversation."""
        slot = self._slots.get(conversation)
        if slot is not None:
            return slot
        found = await self._logs.load(conversation)
        if found is None:
            return None
        log, state = found
        return self.keep(Slot(conversation, log, state, state))

    def adopt(self, conversation: Conversation) -> Slot:
        """The slot of a conversation as it was just stored, or read elsewhere."""
        known = self._slots.get(conversation.id)
        slot = Slot(conversation.id, self._logs.of(conversation), conversation, conversation)
        return known or self.keep(slot)

    def keep(self, slot: Slot) -> Slot:
        """Keep the slot, or the one that came first; forget idle ones when there are too many."""
        slot = self._slots.setdefault(slot.id, slot)
        if len(self._slots) > CONVERSATIONS_LOADED_MAX:
            for other in list(self._slots.values())[: CONVERSATIONS_LOADED_MAX // 10]:
                if not other.is_turning and other is not slot and other.id not in self._hub:
                    del self._slots[other.id]
        return slot

    def forget(self, conversation: ConversationId) -> None:
        """Drop what is known of it: its log is gone or no longer of interest."""
        slot = self._slots.get(conversation)
        if slot is not None and not slot.is_turning:
            del self._slots[conversation]

    # Becoming

    def become(self, slot: Slot, commit: Commit, *, ours: bool) -> None:
        """From here on it is true, here and for everybody whom it concerns."""
        slot.state = slot.known = commit.after
        self._commits.apply(commit, ours=ours)

    def hear(self, after: Conversation, events: Sequence[Logged]) -> None:
        """A hint: these were stored, by another node or by this one. Lost, late or doubled does no harm."""
        slot = self._slots.get(after.id)
        if slot is None:
            self._commits.tell(after, events)
        elif after.head <= slot.known.head:
            return
        elif events and events[0].seq == slot.known.head + 1 and events[-1].seq == after.head:
            self._catch_up(slot, after, events, ours=False)
        else:
            self.doubt(slot)

    def _catch_up(self, slot: Slot, after: Conversation, events: Sequence[Logged], *, ours: bool) -> None:
        """Become what was stored without a turn of this node."""
        told = Commit.of(slot.known, events).personal
        self.become(slot, Commit(slot.known, after, events, told), ours=ours)
        self._hub.flush_soon(slot.id)

    # Catching up

    def doubt(self, slot: Slot, *, ours: bool = False) -> None:
        """What is known may no longer be true: it is read again, as soon as the log answers."""
        slot.state = None
        slot.doubts += 1
        slot.in_doubt = slot.in_doubt or ours
        self._tasks.spawn(self._reload(slot))

    async def compare(self, conversation: ConversationId) -> None:
        """Catch up with the log if it has gone on without this node's hearing of it."""
        slot = self._slots.get(conversation)
        if slot is not None and not slot.is_turning:
            slot.state = None
            await self._reload(slot)

    async def _reload(self, slot: Slot) -> None:
        if slot.state is not None:
            return
        try:
            await self.fresh(slot)
        except Refused:
            return
        except ChatError:
            when = self._clock.now() + RETRY_S
            self._alarms.set(("reload", slot.id), when, lambda: self._tasks.spawn(self._reload(slot)))

    async def fresh(self, slot: Slot) -> Conversation:
        """The conversation as it is now. Raises ``Unavailable``, and ``Refused`` when it is gone."""
        while slot.state is None:
            known, doubts = slot.known, slot.doubts
            state = await slot.log.load(slot.id)
            if state is None:
                if self._slots.get(slot.id) is slot:
                    del self._slots[slot.id]
                raise Refused("unknown_room", "There is no such conversation any more.")
            missed = await self._missed(slot, known, state)
            if slot.known is not known or slot.state is not None or slot.doubts != doubts:
                continue  # a turn, a hint or another reading was faster, or this one began before the doubt
            if state.head > known.head:
                self._catch_up(slot, state, missed, ours=slot.in_doubt)
                self._hub.compare(state)  # what the log no longer has is admitted at once
            slot.state = slot.known = state
            slot.in_doubt = False
        return slot.state

    async def _missed(self, slot: Slot, known: Conversation, state: Conversation) -> Sequence[Logged]:
        """The events from ``known`` to ``state``; none where the log no longer has all of them."""
        missed: list[Logged] = []
        while known.head + len(missed) < state.head:
            events = await slot.log.after(slot.id, known.head + len(missed), _HISTORY_READ)
            if not events or events[0].seq != known.head + len(missed) + 1:
                return ()
            missed.extend(event for event in events if event.seq <= state.head)
        return missed
