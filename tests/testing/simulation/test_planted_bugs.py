"""The simulator finds bugs: each of these is planted, and found within a few seeds.

A simulator that finds nothing proves nothing. Each case replaces one function
by a faulty copy, as somebody might write it by mistake.
"""

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest

from chat_core.engine.conversations.commit import Commit, Commits
from chat_core.engine.conversations.loaded import LoadedConversation, LoadedConversations, PendingCommand
from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.delivery import hub as hubs
from chat_core.engine.delivery.hub import Hub
from chat_core.engine.lobby.pairing import Matchmaking
from chat_core.model.commands import Tick
from chat_core.model.conversation import Conversation, Room
from chat_core.model.events import Logged, RoomEvent
from chat_core.model.ids import ConversationId, PersonId
from chat_core.rules import room as room_rules
from chat_core.rules.lobby import Pair, Seeker, WaitingQueue
from chat_core.testing import SimulationFailed, simulate

SEEDS = 200
STEPS = 300

Plant = Callable[[pytest.MonkeyPatch], None]


# In the rules of the room


def deadline_a_hair_early(patch: pytest.MonkeyPatch) -> None:
    """The deadline acts before it is reached."""
    true = room_rules._due

    def faulty(room: Room, now: float) -> tuple[RoomEvent, ...]:
        early = room if room.deadline is None else attrs.evolve(room, deadline=room.deadline - 0.05)
        return true(early, now)

    patch.setattr(room_rules, "_due", faulty)


def keep_counts_after_the_deadline(patch: pytest.MonkeyPatch) -> None:
    """What is due is left to the alarm, so that an answer at the deadline still counts."""
    true = room_rules.decide

    def lenient(room: Room, now: float) -> tuple[RoomEvent, ...]:
        return ()

    def late(room: Room, command: Any, *, by: PersonId | None = None, now: float) -> tuple[Logged, ...]:
        if isinstance(command, Tick):
            return true(room, command, by=by, now=now)
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(room_rules, "_due", lenient)
            return true(room, command, by=by, now=now)

    patch.setattr(room_rules, "decide", late)


# In the lobby


def rank_is_not_restored(patch: pytest.MonkeyPatch) -> None:
    """A pair that came to nothing goes to the end of the line, whatever its rank."""

    def faulty(self: WaitingQueue, pair: Pair) -> None:
        for seeker in pair:
            self._seeking[seeker.person.id] = self._reserved.pop(seeker.person.id)

    patch.setattr(WaitingQueue, "release", faulty)


def places_are_not_freed(patch: pytest.MonkeyPatch) -> None:
    """Who ended the room keeps the place in it."""

    def faulty(
        self: WaitingQueue, person: PersonId, room: ConversationId, *, left_behind: bool = False
    ) -> None:
        if left_behind and self._rooms.get(person) == room:
            del self._rooms[person]
            self._room_ranks.pop(person, None)

    patch.setattr(WaitingQueue, "leave_room", faulty)


def blocks_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    """A block counts only from the side of who searches later."""

    def faulty(self: WaitingQueue, a: Seeker, b: Seeker, *, now: float) -> bool:
        return a.person.id != b.person.id and a.person.partition == b.person.partition

    patch.setattr(WaitingQueue, "may_pair", faulty)


def nobody_looks_again(patch: pytest.MonkeyPatch) -> None:
    """Who was released is not looked at again."""

    def faulty(self: Matchmaking, queue: WaitingQueue, pair: Pair) -> None:
        queue.release(pair)

    patch.setattr(Matchmaking, "_release", faulty)


# In the turn


def answers_come_before_the_append(patch: pytest.MonkeyPatch) -> None:
    """Who asked hears the result before it is stored."""
    true = Conversations._plan

    def faulty(self: Conversations, state: Conversation, batch: Sequence[PendingCommand], *rest: Any) -> Any:
        plan = true(self, state, batch, *rest)
        for ask, answer in plan.answers:
            ask.seen = True
            ask.reply(answer)
        plan.answers.clear()
        return plan

    patch.setattr(Conversations, "_plan", faulty)


def state_is_kept_after_a_failed_append(patch: pytest.MonkeyPatch) -> None:
    """A write whose outcome is unknown is taken for one that did not happen."""

    def faulty(self: LoadedConversations, loaded: LoadedConversation, *, ours: bool = False) -> None:
        return None

    patch.setattr(LoadedConversations, "doubt", faulty)


def told_order_is_turned_round(patch: pytest.MonkeyPatch) -> None:
    """The facts of one turn are told newest first."""
    true = Commits.apply

    def faulty(self: Commits, commit: Commit, *, ours: bool) -> None:
        topic = self._hub._topics.get(commit.after.id)
        if topic is not None and len(commit.events) > 1 and commit.after.members is commit.before.members:
            topic.broadcast_seq = commit.after.head
            for event in reversed(commit.events):
                self._hub._gather(topic, event)
        true(self, commit, ours=ours)

    patch.setattr(Commits, "apply", faulty)


def told_before_it_is_stored(patch: pytest.MonkeyPatch) -> None:
    """The facts are told while the log is still writing them."""

    true = Conversations._plan

    def faulty(self: Conversations, state: Conversation, batch: Sequence[PendingCommand], *rest: Any) -> Any:
        plan = true(self, state, batch, *rest)
        self._hub.broadcast(plan.after, plan.events)
        self._hub.flush(plan.after.id)
        return plan

    patch.setattr(Conversations, "_plan", faulty)


def a_slow_reading_sets_the_conversation_back(patch: pytest.MonkeyPatch) -> None:
    """A reading that a turn overtook counts all the same."""

    async def faulty(self: LoadedConversations, loaded: LoadedConversation) -> Conversation:
        while loaded.state is None:
            known = loaded.known
            state = await loaded.log.load(loaded.id)
            if state is None:
                raise RuntimeError("gone")
            missed = await self._missed(loaded, known, state)
            self.apply_committed(loaded, Commit(known, state, missed), ours=False)
        return loaded.state

    patch.setattr(LoadedConversations, "fresh", faulty)


# In the hub


def a_hole_is_not_healed(patch: pytest.MonkeyPatch) -> None:
    """Who misses a hint goes on with the next one."""

    def faulty(self: Hub, after: Conversation, events: Sequence[Logged]) -> None:
        topic = self._topics.get(after.id)
        if topic is None:
            return
        topic.conversation = after
        for event in events:
            if event.seq > topic.broadcast_seq:
                topic.broadcast_seq = event.seq
                self._gather(topic, event)

    patch.setattr(Hub, "broadcast", faulty)
    patch.setattr(LoadedConversations, "_missed", _last_only)


async def _last_only(
    self: LoadedConversations, loaded: LoadedConversation, known: Conversation, state: Conversation
) -> Sequence[Logged]:
    return await loaded.log.after(loaded.id, state.head - 1, 1)


def told_twice(patch: pytest.MonkeyPatch) -> None:
    """A topic forgets what it told."""
    true = Hub.broadcast

    def faulty(self: Hub, after: Conversation, events: Sequence[Logged]) -> None:
        topic = self._topics.get(after.id)
        true(self, after, events)
        if topic is not None and events and topic.broadcast_seq % 5 == 0:
            topic.broadcast_seq -= 1

    patch.setattr(Hub, "broadcast", faulty)


def release_drops_what_was_held(patch: pytest.MonkeyPatch) -> None:
    """What came while the history was read is forgotten."""
    true = Hub.release

    def faulty(self: Hub, listener: hubs.Listener, conversation: ConversationId) -> None:
        topic = self._topics.get(conversation)
        if topic is not None and listener in topic.holds:
            topic.holds[listener] = []
        true(self, listener, conversation)

    patch.setattr(Hub, "release", faulty)


def follows_without_holding(patch: pytest.MonkeyPatch) -> None:
    """Live events overtake the history."""
    true = Hub.attach

    def faulty(self: Hub, listener: hubs.Listener, conversation: Conversation, *, hold: bool = False) -> int:
        return true(self, listener, conversation)

    patch.setattr(Hub, "attach", faulty)


def who_left_goes_on_hearing(patch: pytest.MonkeyPatch) -> None:
    """A member who left is not taken off the topic."""

    def faulty(self: Commits, conversation: Conversation, person: PersonId) -> None:
        return None

    patch.setattr(Commits, "_drop", faulty)


PLANTS: tuple[Plant, ...] = (
    deadline_a_hair_early,
    keep_counts_after_the_deadline,
    rank_is_not_restored,
    places_are_not_freed,
    blocks_are_not_checked,
    nobody_looks_again,
    answers_come_before_the_append,
    state_is_kept_after_a_failed_append,
    told_order_is_turned_round,
    told_before_it_is_stored,
    a_slow_reading_sets_the_conversation_back,
    a_hole_is_not_healed,
    told_twice,
    release_drops_what_was_held,
    follows_without_holding,
    who_left_goes_on_hearing,
)


# A simulation that breaks off leaves coroutines behind; when they go is the collector's affair.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    found = _first_failure()
    assert found is not None, f"{plant.__name__} was not found in {SEEDS} seeds"
    print(f"{plant.__name__}: seed {found.seed}, step {found.step}: {found.why[:100]}")


def _first_failure() -> SimulationFailed | None:
    for seed in range(SEEDS):
        try:
            simulate(seed, steps=STEPS)
        except SimulationFailed as failed:
            return failed
    return None
