"""Conversations: decide, store, become, tell. One writer for each.

All that was asked while the last commit was under way is decided together,
appended in one call, then told in order, then answered. If the log refuses,
nothing happened and nobody heard. Turns are tasks of the core: who asked may go
away without stopping one half way.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from chat_core.engine.hub import Hub
from chat_core.engine.receipts import Receipt, Reply
from chat_core.engine.tasks import Tasks
from chat_core.ports import Backplane, Change, ClientIdTaken, Clock, Log, Stale, Store
from chat_core.rules import log as log_rules
from chat_core.rules import messages as message_rules
from chat_core.words.commands import (
    ConversationCommand,
    Delete,
    DeleteChannel,
    Edit,
    JoinChannel,
    LeaveChannel,
    Post,
    React,
    Unreact,
)
from chat_core.words.conversation import Channel, Conversation, Retention
from chat_core.words.errors import ChatError, Refused, Unavailable
from chat_core.words.events import Logged, MessagePosted
from chat_core.words.ids import ConversationId, MessageId, PersonId
from chat_core.words.limits import ASKS_WAITING_MAX, CONVERSATIONS_LOADED_MAX, TURN_ASKS_MAX, TURN_TRIES_MAX
from chat_core.words.message import Message
from chat_core.words.person import Person, PersonKind

_log = logging.getLogger(__name__)

_HISTORY_READ = 300  # events a read, when a slot catches up with its log


class Consequences(Protocol):
    """What follows from facts beside their being told: alarms, notices, places in lobbies."""

    def __call__(self, before: Conversation, after: Conversation, events: Sequence[Logged]) -> None: ...


@attrs.define(eq=False)
class _Ask:
    command: ConversationCommand
    by: Person | None
    at: float
    reply: Reply
    seen: bool = False  # it found its way into a receipt


@attrs.define(eq=False)
class _Slot:
    """One conversation in memory. ``state`` is None when it must be read again."""

    id: ConversationId
    log: Log
    state: Conversation | None
    known: Conversation | None  # the last state whose consequences were drawn
    asks: list[_Ask] = attrs.field(factory=list)
    is_turning: bool = False


@attrs.define
class _Plan:
    """What a batch comes to: the state after it, its facts, and each one's answer."""

    after: Conversation
    events: list[Logged] = attrs.field(factory=list)
    answers: list[tuple[_Ask, Receipt | Refused]] = attrs.field(factory=list)


class Conversations:
    """All conversations of this node, loaded as they are needed."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        backplane: Backplane,
        hub: Hub,
        tasks: Tasks,
        new_id: Callable[[], str],
        guests_may_post: bool,
        consequences: Consequences,
    ) -> None:
        self._clock = clock
        self._store = store
        self._backplane = backplane
        self._hub = hub
        self._tasks = tasks
        self._new_id = new_id
        self._guests_may_post = guests_may_post
        self._consequences = consequences
        self._slots: dict[ConversationId, _Slot] = {}

    def log_of(self, conversation: Conversation) -> Log:
        return self._store if conversation.retention is Retention.STORED else self._backplane

    async def open(self, conversation: Conversation, events: Sequence[Logged]) -> Conversation:
        """Store a new conversation with its first facts. Raises as ``Log.append`` does."""
        after = log_rules.fold(conversation, events)
        log = self.log_of(conversation)
        await log.append(Change(after=after, expected=None, events=events))
        self._keep(_Slot(after.id, log, after, after))
        return after

    def begin(self, before: Conversation, after: Conversation, events: Sequence[Logged]) -> None:
        """Draw the consequences of a conversation that ``open`` stored."""
        self._consequences(before, after, events)

    def adopt(self, conversation: Conversation) -> None:
        """Take up a stored conversation that was read elsewhere (after a restart)."""
        if conversation.id not in self._slots:
            self._keep(_Slot(conversation.id, self.log_of(conversation), conversation, conversation))

    def peek(self, conversation: ConversationId) -> Conversation | None:
        """The conversation as this node knows it, None when it is not loaded."""
        slot = self._slots.get(conversation)
        return None if slot is None else slot.state

    async def state(self, conversation: ConversationId) -> Conversation | None:
        """The conversation as it is now, None where there is none. Raises ``Unavailable``."""
        slot = await self._slot(conversation)
        if slot is None:
            return None
        return slot.state if slot.state is not None else await self._refreshed(slot)

    def ask(
        self, conversation: ConversationId, command: ConversationCommand, by: Person | None, reply: Reply
    ) -> None:
        """Decide the command in this conversation's next turn; commands are taken in the order asked."""
        ask = _Ask(command, by, self._clock.now(), reply)
        slot = self._slots.get(conversation)
        if slot is None:
            self._tasks.spawn(self._ask_unloaded(conversation, ask))
        else:
            self._enqueue(slot, ask)

    async def _ask_unloaded(self, conversation: ConversationId, ask: _Ask) -> None:
        try:
            slot = await self._slot(conversation)
        except ChatError as error:
            ask.reply(error)
            return
        if slot is None:
            ask.reply(unknown(ask.command))
        else:
            self._enqueue(slot, ask)

    def _enqueue(self, slot: _Slot, ask: _Ask) -> None:
        if len(slot.asks) >= ASKS_WAITING_MAX:
            ask.reply(Unavailable("This conversation is very busy. Try again."))
            return
        slot.asks.append(ask)
        if not slot.is_turning:
            slot.is_turning = True
            self._tasks.begin(self._turns(slot))

    def forget(self, conversation: ConversationId) -> None:
        """Drop what is known of it: its log is gone or no longer of interest."""
        slot = self._slots.get(conversation)
        if slot is not None and not slot.is_turning:
            del self._slots[conversation]

    # Turns

    async def _turns(self, slot: _Slot) -> None:
        try:
            while slot.asks:
                batch, slot.asks = slot.asks[:TURN_ASKS_MAX], slot.asks[TURN_ASKS_MAX:]
                try:
                    await self._turn(slot, batch)
                except ChatError as error:
                    slot.state = None  # the outcome is unknown: read again before the next turn
                    _answer_rest(batch, error)
                except Exception:
                    _log.exception("a turn failed")
                    slot.state = None
                    _answer_rest(batch, Unavailable("Something went wrong here. Try again."))
        finally:
            slot.is_turning = False

    async def _turn(self, slot: _Slot, batch: Sequence[_Ask]) -> None:
        repeated: dict[tuple[PersonId, str], Message] = {}
        for _ in range(TURN_TRIES_MAX):
            before = slot.state if slot.state is not None else await self._refreshed(slot)
            targets = await self._targets(slot, batch) if any(map(_target, batch)) else {}
            plan = self._plan(before, batch, targets, dict(repeated))
            if not plan.events:
                break
            try:
                await slot.log.append(
                    Change(after=plan.after, expected=before.head, events=tuple(plan.events))
                )
            except Stale:
                slot.state = None
                continue
            except ClientIdTaken as taken:
                repeated.update(await slot.log.posted(slot.id, taken.pairs))
                continue
            except ChatError as error:
                _answer_refused(plan)
                raise error
            self._become(slot, before, plan.after, plan.events)
            break
        else:
            raise Unavailable("This conversation is very busy. Try again.")
        if plan.events:
            self._hub.flush_soon(slot.id)  # before the answers, so that an answer leaves with its own copy
        for ask, answer in plan.answers:
            ask.seen = True
            ask.reply(answer)

    def _plan(
        self,
        state: Conversation,
        batch: Sequence[_Ask],
        targets: dict[MessageId, Message],
        repeated: dict[tuple[PersonId, str], Message],
    ) -> _Plan:
        plan = _Plan(after=state)
        for ask in batch:
            try:
                plan.answers.append((ask, self._decided(plan, ask, targets, repeated)))
            except Refused as refusal:
                plan.answers.append((ask, refusal))
        return plan

    def _decided(
        self,
        plan: _Plan,
        ask: _Ask,
        targets: dict[MessageId, Message],
        repeated: dict[tuple[PersonId, str], Message],
    ) -> Receipt:
        command, by = ask.command, ask.by
        self._check_guest(plan.after, command, by)
        earlier = None
        new_id = ""
        if isinstance(command, Post):
            new_id = self._new_id()
            if by is not None and command.client_id is not None:
                earlier = repeated.get((by.id, command.client_id))
        about = _target(ask)
        target = None if about is None else targets.get(about)
        events = log_rules.decide(
            plan.after, command, by=by, now=ask.at, new_id=new_id, target=target, repeated=earlier
        )
        plan.after = log_rules.fold(plan.after, events)
        plan.events.extend(events)
        message = earlier if earlier is not None else target
        for event in events:
            if isinstance(event, MessagePosted):
                message = targets[event.message.id] = event.message
                if message.client_id is not None:
                    repeated[message.by, message.client_id] = message
            elif message is not None and not isinstance(command, Post):
                message = targets[message.id] = message_rules.apply(message, event)
        return Receipt(
            conversation=plan.after,
            events=events,
            message=message,
            repeated=earlier is not None,
            durable=plan.after.retention is Retention.STORED and self._store.durable,
        )

    def _check_guest(self, state: Conversation, command: ConversationCommand, by: Person | None) -> None:
        if (
            by is not None
            and by.kind is PersonKind.GUEST
            and not self._guests_may_post
            and isinstance(state, Channel)
            and not state.private
        ):
            raise Refused("guests_may_not", "Guests can read channels. Sign in to join and write.")

    async def _targets(self, slot: _Slot, batch: Sequence[_Ask]) -> dict[MessageId, Message]:
        targets: dict[MessageId, Message] = {}
        for ask in batch:
            about = _target(ask)
            if about is not None and about not in targets:
                message = await slot.log.message(about)
                if message is not None:
                    targets[about] = message
        return targets

    def _become(
        self, slot: _Slot, before: Conversation, after: Conversation, events: Sequence[Logged]
    ) -> None:
        """From here on it is true: tell it, and draw the consequences."""
        slot.state = slot.known = after
        self._backplane.publish(after, events)
        if after.members is not before.members:
            for person in before.present():
                if after.member(person) is None:
                    self._drop(after, person)
        self._consequences(before, after, events)

    def _drop(self, conversation: Conversation, person: PersonId) -> None:
        """Who is no member any more hears no more (a public channel goes on being readable)."""
        if isinstance(conversation, Channel) and not (conversation.private or conversation.deleted):
            return
        for listener in self._hub.listeners(conversation.id):
            if listener.person.id == person:
                self._hub.detach(listener, conversation.id)
                listener.lost(conversation.id, may_follow=False)

    # Slots

    async def _slot(self, conversation: ConversationId) -> _Slot | None:
        slot = self._slots.get(conversation)
        if slot is not None:
            return slot
        for log in (self._backplane, self._store):
            state = await log.load(conversation)
            if state is not None:
                return self._keep(_Slot(conversation, log, state, state))
        return None

    def _keep(self, slot: _Slot) -> _Slot:
        """Keep the slot, or the one that came first; forget idle ones when there are too many."""
        slot = self._slots.setdefault(slot.id, slot)
        if len(self._slots) > CONVERSATIONS_LOADED_MAX:
            for other in list(self._slots.values())[: CONVERSATIONS_LOADED_MAX // 10]:
                if not other.is_turning and other is not slot and other.id not in self._hub:
                    del self._slots[other.id]
        return slot

    async def _refreshed(self, slot: _Slot) -> Conversation:
        """Read the conversation again, and draw the consequences of what was not known of it."""
        state = await slot.log.load(slot.id)
        if state is None:
            self._slots.pop(slot.id, None)
            raise Refused("unknown_room", "There is no such conversation any more.")
        known = slot.known
        if known is not None and known.head < state.head:
            missed: list[Logged] = []
            while events := await slot.log.after(slot.id, known.head + len(missed), _HISTORY_READ):
                missed.extend(event for event in events if event.seq <= state.head)
                if events[-1].seq >= state.head:
                    break
            self._become(slot, known, state, missed)
            self._hub.flush_soon(slot.id)
        slot.state = slot.known = state
        return state


def unknown(command: ConversationCommand) -> Refused:
    """The refusal for a conversation that is not there."""
    match command:
        case JoinChannel() | LeaveChannel() | DeleteChannel():
            return Refused("unknown_channel", "There is no such channel.")
        case Edit() | Delete() | React() | Unreact():
            return message_rules.unknown()
        case _:
            return Refused("unknown_room", "There is no such room for you.")


def _target(ask: _Ask) -> MessageId | None:
    """The message that a command points at."""
    command = ask.command
    if isinstance(command, Post):
        return command.reply_to
    if isinstance(command, Edit | Delete | React | Unreact):
        return command.message
    return None


def _answer_refused(plan: _Plan) -> None:
    """The log failed: who was refused anyway is told why, the others hear of the failure."""
    for ask, answer in plan.answers:
        if isinstance(answer, Refused):
            ask.seen = True
            ask.reply(answer)


def _answer_rest(batch: Sequence[_Ask], error: ChatError) -> None:
    for ask in batch:
        if not ask.seen:
            ask.seen = True
            ask.reply(error)
