"""Loaded conversations: those that this node has in memory, as it knows them.

Its state is what a turn stored, what another node stored, or what was read again
because the state was unknown (after a failed write, for instance). Each event is
applied as a commit once per node. Kept out: deciding, and delivering commits.
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

_HISTORY_READ = 300  # events per read, when a conversation catches up with its log


@attrs.define(eq=False)
class PendingCommand:
    """A command that waits for its conversation's turn."""

    command: ConversationCommand
    by: Person | None
    at: float
    reply: Reply
    seen: bool = False  # it got its reply


@attrs.define(eq=False)
class LoadedConversation:
    """One conversation in memory. ``state`` is None when it must be read again."""

    id: ConversationId
    log: Log
    state: Conversation | None
    known: Conversation  # the last state that was broadcast
    asks: list[PendingCommand] = attrs.field(factory=list)
    is_turning: bool = False
    doubts: int = 0  # how often it was doubted
    in_doubt: bool = False  # a write of this node may have succeeded, unknown to other nodes


class LoadedConversations:
    """All loaded conversations by id, loaded on demand."""

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
        self._loaded: dict[ConversationId, LoadedConversation] = {}

    def get(self, conversation: ConversationId) -> LoadedConversation | None:
        return self._loaded.get(conversation)

    async def find(self, conversation: ConversationId) -> LoadedConversation | None:
        """The loaded conversation, read from its log if necessary; None if it does not exist."""
        loaded = self._loaded.get(conversation)
        if loaded is not None:
            return loaded
        found = await self._logs.load(conversation)
        if found is None:
            return None
        log, state = found
        return self.keep(LoadedConversation(conversation, log, state, state))

    def adopt(self, conversation: Conversation) -> LoadedConversation:
        """Loads a conversation that was just stored, or read elsewhere."""
        known = self._loaded.get(conversation.id)
        loaded = LoadedConversation(conversation.id, self._logs.of(conversation), conversation, conversation)
        return known or self.keep(loaded)

    def keep(self, loaded: LoadedConversation) -> LoadedConversation:
        """Keeps it, or the one that was loaded first; forgets idle ones if there are too many."""
        loaded = self._loaded.setdefault(loaded.id, loaded)
        if len(self._loaded) > CONVERSATIONS_LOADED_MAX:
            for other in list(self._loaded.values())[: CONVERSATIONS_LOADED_MAX // 10]:
                if not other.is_turning and other is not loaded and other.id not in self._hub:
                    del self._loaded[other.id]
        return loaded

    def forget(self, conversation: ConversationId) -> None:
        """Unloads it: its log is gone or no longer needed."""
        loaded = self._loaded.get(conversation)
        if loaded is not None and not loaded.is_turning:
            del self._loaded[conversation]

    # Applying

    def apply_committed(self, loaded: LoadedConversation, commit: Commit, *, ours: bool) -> None:
        """Makes it the state, and broadcasts it."""
        loaded.state = loaded.known = commit.after
        self._commits.apply(commit, ours=ours)

    def on_published(self, after: Conversation, events: Sequence[Logged]) -> None:
        """A hint that a node stored these events. It may be lost, late or doubled."""
        loaded = self._loaded.get(after.id)
        if loaded is None:
            self._commits.push(after, events)
        elif after.head <= loaded.known.head:
            return
        elif events and events[0].seq == loaded.known.head + 1 and events[-1].seq == after.head:
            self._apply_elsewhere(loaded, after, events, ours=False)
        else:
            self.doubt(loaded)

    def _apply_elsewhere(
        self, loaded: LoadedConversation, after: Conversation, events: Sequence[Logged], *, ours: bool
    ) -> None:
        """Applies events that were stored without a turn of this node."""
        personal = Commit.of(loaded.known, events).personal
        self.apply_committed(loaded, Commit(loaded.known, after, events, personal), ours=ours)
        self._hub.flush_soon(loaded.id)

    # Catching up

    def doubt(self, loaded: LoadedConversation, *, ours: bool = False) -> None:
        """Marks the state as possibly stale; it is read again as soon as the log answers."""
        loaded.state = None
        loaded.doubts += 1
        loaded.in_doubt = loaded.in_doubt or ours
        self._tasks.spawn(self._reload(loaded))

    async def catch_up(self, conversation: ConversationId) -> None:
        """Catches up with the log, if this node missed events."""
        loaded = self._loaded.get(conversation)
        if loaded is not None and not loaded.is_turning:
            loaded.state = None
            await self._reload(loaded)

    async def _reload(self, loaded: LoadedConversation) -> None:
        if loaded.state is not None:
            return
        try:
            await self.fresh(loaded)
        except Refused:
            return
        except ChatError:
            when = self._clock.now() + RETRY_S
            self._alarms.set(("reload", loaded.id), when, lambda: self._tasks.spawn(self._reload(loaded)))

    async def fresh(self, loaded: LoadedConversation) -> Conversation:
        """The current conversation. Raises ``Unavailable``, and ``Refused`` if it is gone."""
        while loaded.state is None:
            known, doubts = loaded.known, loaded.doubts
            state = await loaded.log.load(loaded.id)
            if state is None:
                if self._loaded.get(loaded.id) is loaded:
                    del self._loaded[loaded.id]
                raise Refused("unknown_room", "This conversation no longer exists.")
            missed = await self._missed(loaded, known, state)
            if loaded.known is not known or loaded.state is not None or loaded.doubts != doubts:
                continue  # a turn, a hint or another reading was faster, or this one began before the doubt
            if state.head > known.head:
                self._apply_elsewhere(loaded, state, missed, ours=loaded.in_doubt)
                self._hub.catch_up(state)  # what the log no longer has is admitted at once
            loaded.state = loaded.known = state
            loaded.in_doubt = False
        return loaded.state

    async def _missed(
        self, loaded: LoadedConversation, known: Conversation, state: Conversation
    ) -> Sequence[Logged]:
        """The events from ``known`` to ``state``; none where the log no longer has all of them."""
        missed: list[Logged] = []
        while known.head + len(missed) < state.head:
            events = await loaded.log.after(loaded.id, known.head + len(missed), _HISTORY_READ)
            if not events or events[0].seq != known.head + len(missed) + 1:
                return ()
            missed.extend(event for event in events if event.seq <= state.head)
        return missed
