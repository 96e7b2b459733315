"""Slots: the conversations that this node has in memory, as it knows them.

A slot becomes what a turn has stored, what another node has stored, or what is
read again because nobody here knows any more (after a failed write, say). Each
fact is told, and its consequences drawn, once on this node. Kept out: deciding.
"""

from collections.abc import Sequence
from typing import Protocol

import attrs

from chat_core.engine.delivery.hub import Hub, Listener
from chat_core.engine.results import Reply
from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.commands import ConversationCommand
from chat_core.model.conversation import Channel, Conversation, Retention
from chat_core.model.errors import ChatError, Refused
from chat_core.model.events import ChannelDeleted, Logged, MemberLeft
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.limits import CONVERSATIONS_LOADED_MAX, RETRY_S
from chat_core.model.person import Person
from chat_core.ports import Backplane, Clock, Log, Store

_HISTORY_READ = 300  # events a read, when a slot catches up with its log


class Consequences(Protocol):
    """What follows from facts beside their being told: alarms, notices, places in lobbies."""

    def __call__(self, before: Conversation, after: Conversation, events: Sequence[Logged]) -> None: ...


@attrs.define(eq=False)
class Ask:
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
    asks: list[Ask] = attrs.field(factory=list)
    is_turning: bool = False
    doubts: int = 0  # how often it was doubted
    in_doubt: bool = False  # a write of this node may have come through, and no other node knows


class Slots:
    """All slots by conversation, loaded as they are needed."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        backplane: Backplane,
        hub: Hub,
        tasks: Tasks,
        alarms: Alarms,
        consequences: Consequences,
    ) -> None:
        self._clock = clock
        self._store = store
        self._backplane = backplane
        self._hub = hub
        self._tasks = tasks
        self._alarms = alarms
        self._consequences = consequences
        self._slots: dict[ConversationId, Slot] = {}

    def log_of(self, conversation: Conversation) -> Log:
        return self._store if conversation.retention is Retention.STORED else self._backplane

    def get(self, conversation: ConversationId) -> Slot | None:
        return self._slots.get(conversation)

    async def find(self, conversation: ConversationId) -> Slot | None:
        """The slot, loaded when it is not; None where there is no such conversation."""
        slot = self._slots.get(conversation)
        if slot is not None:
            return slot
        for log in (self._backplane, self._store):
            state = await log.load(conversation)
            if state is not None:
                return self.keep(Slot(conversation, log, state, state))
        return None

    def adopt(self, conversation: Conversation) -> Slot:
        """The slot of a conversation as it was just stored, or read elsewhere."""
        known = self._slots.get(conversation.id)
        slot = Slot(conversation.id, self.log_of(conversation), conversation, conversation)
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

    def become(
        self, slot: Slot, before: Conversation, after: Conversation, events: Sequence[Logged], *, ours: bool
    ) -> None:
        """From here on it is true: tell it, here and (``ours``) to other nodes, and draw the consequences."""
        slot.state = slot.known = after
        self._tell(before, after, events)
        if ours:
            self._backplane.publish(after, events)
        self._consequences(before, after, events)

    def hear(self, after: Conversation, events: Sequence[Logged]) -> None:
        """A hint: these were stored, by another node or by this one. Lost, late or doubled does no harm."""
        slot = self._slots.get(after.id)
        if slot is None:
            self._hub.tell(after, events)
            self._hub.flush_soon(after.id)
        elif after.head <= slot.known.head:
            return
        elif events and events[0].seq == slot.known.head + 1 and events[-1].seq == after.head:
            self.become(slot, slot.known, after, events, ours=False)
            self._hub.flush_soon(slot.id)
        else:
            self.doubt(slot)

    def _tell(self, before: Conversation, after: Conversation, events: Sequence[Logged]) -> None:
        """Hand the events to who follows; who ceases to be a member hears nothing that others do next."""
        if after.members is not before.members:
            for person in tuple(before.present()):
                if after.member(person) is None:
                    last = _last_heard(events, person)
                    self._hub.tell(after, events[:last])
                    events = events[last:]
                    self._drop(after, person)
        self._hub.tell(after, events)
        if isinstance(after, Channel) and after.deleted:
            for listener in self._hub.listeners(after.id):  # also who only read
                self._let_go(listener, after)

    def _drop(self, conversation: Conversation, person: PersonId) -> None:
        """Who is no member any more hears no more (a public channel goes on being readable)."""
        if isinstance(conversation, Channel) and not conversation.private:
            return
        for listener in self._hub.listeners(conversation.id):
            if listener.person.id == person:
                self._let_go(listener, conversation)

    def _let_go(self, listener: Listener, conversation: Conversation) -> None:
        self._hub.detach(listener, conversation.id)
        listener.lost(conversation.id, may_follow=False)

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
                self.become(slot, known, state, missed, ours=slot.in_doubt)
                self._hub.compare(state)  # what the log no longer has is admitted at once
                self._hub.flush_soon(slot.id)
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


def _last_heard(events: Sequence[Logged], person: PersonId) -> int:
    """How many of the events one hears who ceases to be a member with one of them."""
    for index, event in enumerate(events):
        if isinstance(event, ChannelDeleted) or (isinstance(event, MemberLeft) and event.member == person):
            end = index + 1
            while end < len(events) and events[end].by == person:
                end += 1
            return end
    return 0
