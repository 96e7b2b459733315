"""Turns: decide, store, apply, broadcast. One writer per conversation.

All that was asked while the last commit was under way is decided together,
appended in one call, then told in order, then answered. If the log refuses,
nothing happened and nobody heard. Turns are tasks of the core: who asked may go
away without stopping one half way.
"""

import logging
from collections.abc import Callable, Iterable, Sequence

import attrs

from chat_core.engine.conversations.commit import Commit, Commits
from chat_core.engine.conversations.loaded import LoadedConversation, LoadedConversations, PendingCommand
from chat_core.engine.delivery.hub import Hub
from chat_core.engine.results import Committed, Reply, Result
from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.logs import Logs
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.commands import (
    AddMember,
    ConversationCommand,
    Delete,
    DeleteChannel,
    Edit,
    JoinChannel,
    LeaveChannel,
    Post,
    PublishData,
    Purge,
    React,
    RemoveMember,
    SetRole,
    Unreact,
)
from chat_core.model.conversation import Channel, Conversation, Persistence
from chat_core.model.errors import ChatError, Refused, Unavailable
from chat_core.model.events import AnyNotification, Logged, MessagePosted, Personal
from chat_core.model.ids import ConversationId, MessageId, PersonId
from chat_core.model.limits import ASKS_WAITING_MAX, RETRY_S, TURN_ASKS_MAX, TURN_TRIES_MAX
from chat_core.model.message import Message
from chat_core.model.person import Person, PersonKind
from chat_core.ports import Change, ClientIdTaken, Clock, Stale
from chat_core.rules import channel as channel_rules
from chat_core.rules import log as log_rules
from chat_core.rules import messages as message_rules
from chat_core.rules import notifications as notification_rules
from chat_core.rules import room as room_rules

_log = logging.getLogger(__name__)


@attrs.define
class _Plan:
    """The plan of a batch: its events, the state after them, the notifications, and each reply."""

    before: Conversation
    after: Conversation
    events: list[Logged] = attrs.field(factory=list)
    personal: list[Personal] = attrs.field(factory=list)
    answers: list[tuple[PendingCommand, Committed | Refused]] = attrs.field(factory=list)

    def take(self, events: Iterable[Logged]) -> None:
        """These happen too."""
        for event in events:
            self.after = log_rules.evolve(self.after, event)
            self.events.append(event)
            self.personal.extend(notification_rules.personal(self.after, event))

    def commit(self) -> Commit:
        return Commit(self.before, self.after, tuple(self.events), self.personal)

    def client_ids(self) -> list[tuple[PersonId, str]]:
        """The (author, client_id) pairs of what it posts."""
        posted = [event.message for event in self.events if isinstance(event, MessagePosted)]
        return [(message.by, message.client_id) for message in posted if message.client_id is not None]


class Conversations:
    """All conversations of this node, loaded as they are needed."""

    def __init__(
        self,
        *,
        clock: Clock,
        logs: Logs,
        is_durable: bool,
        loaded: LoadedConversations,
        commits: Commits,
        hub: Hub,
        tasks: Tasks,
        alarms: Alarms,
        new_id: Callable[[], str],
        guests_may_post: bool,
    ) -> None:
        self._clock = clock
        self._logs = logs
        self._is_durable = is_durable
        self._loaded = loaded
        self._commits = commits
        self._hub = hub
        self._tasks = tasks
        self._alarms = alarms
        self._new_id = new_id
        self._guests_may_post = guests_may_post

    async def open(self, commit: Commit, notifications: Sequence[AnyNotification] = ()) -> None:
        """Store a new conversation with its first events, and ``notifications`` besides those of the events.

        Raises as ``Log.append`` does.
        """
        after = commit.after
        kept = (*notifications, *commit.notifications)
        change = Change(after=after, expected=None, events=commit.events, notifications=kept)
        await self._logs.of(after).append(change)
        self._loaded.adopt(after)

    def begin(self, commit: Commit) -> None:
        """Draw the consequences of a conversation that ``open`` stored."""
        self._commits.entail(commit)

    def adopt(self, conversation: Conversation) -> None:
        """Take up a stored conversation that was read elsewhere (after a restart)."""
        self._loaded.adopt(conversation)

    def forget(self, conversation: ConversationId) -> None:
        """Drop what is known of it: its log is gone or no longer of interest."""
        self._loaded.forget(conversation)

    async def catch_up(self, conversation: ConversationId) -> None:
        """Catches up with the log, if this node missed events."""
        await self._loaded.catch_up(conversation)

    def peek(self, conversation: ConversationId) -> Conversation | None:
        """The conversation as this node knows it, None when it is not loaded."""
        loaded = self._loaded.get(conversation)
        return None if loaded is None else loaded.known

    async def state(self, conversation: ConversationId) -> Conversation | None:
        """The conversation as it is now, None where there is none. Raises ``Unavailable``."""
        loaded = await self._loaded.find(conversation)
        return None if loaded is None else await self._loaded.fresh(loaded)

    def ask(
        self, conversation: ConversationId, command: ConversationCommand, by: Person | None, reply: Reply
    ) -> None:
        """Decide the command in this conversation's next turn; commands are taken in the order asked."""
        ask = PendingCommand(command, by, self._clock.now(), reply)
        loaded = self._loaded.get(conversation)
        if loaded is None:
            self._tasks.spawn(self._ask_unloaded(conversation, ask))
        else:
            self._enqueue(loaded, ask)

    async def _ask_unloaded(self, conversation: ConversationId, ask: PendingCommand) -> None:
        try:
            loaded = await self._loaded.find(conversation)
        except ChatError as error:
            ask.reply(error)
            return
        if loaded is None:
            ask.reply(unknown(ask.command))
        else:
            self._enqueue(loaded, ask)

    def _enqueue(self, loaded: LoadedConversation, ask: PendingCommand) -> None:
        if len(loaded.asks) >= ASKS_WAITING_MAX:
            ask.reply(Unavailable("This conversation is busy. Try again."))
            return
        loaded.asks.append(ask)
        if not loaded.is_turning:
            loaded.is_turning = True
            self._tasks.begin(self._turns(loaded))

    def ask_with_retry(
        self, conversation: ConversationId, command: ConversationCommand, by: Person | None
    ) -> None:
        """Ask on Parley's own behalf, again and again until the log answers."""

        def done(result: Result | ChatError) -> None:
            if isinstance(result, Unavailable):
                key = f"{type(command).__name__} {conversation} {'' if by is None else by.id}"
                when = self._clock.now() + RETRY_S
                self._alarms.set(
                    ("insist", key), when, lambda: self.ask_with_retry(conversation, command, by)
                )

        self.ask(conversation, command, by, done)

    # Turns

    async def _turns(self, loaded: LoadedConversation) -> None:
        try:
            while loaded.asks:
                batch, loaded.asks = loaded.asks[:TURN_ASKS_MAX], loaded.asks[TURN_ASKS_MAX:]
                try:
                    await self._turn(loaded, batch)
                except ChatError as error:
                    self._loaded.doubt(loaded, ours=True)  # nobody knows: read again before the next turn
                    _answer_rest(batch, error)
                except Exception:
                    _log.exception("turn_failed")
                    self._loaded.doubt(loaded, ours=True)
                    _answer_rest(batch, Unavailable("Something went wrong. Try again."))
        finally:
            loaded.is_turning = False

    async def _turn(self, loaded: LoadedConversation, batch: Sequence[PendingCommand]) -> None:
        repeated: dict[tuple[PersonId, str], Message] = {}
        for _ in range(TURN_TRIES_MAX):
            before = loaded.state if loaded.state is not None else await self._loaded.fresh(loaded)
            targets = await self._targets(loaded, batch) if any(map(_target, batch)) else {}
            plan = self._plan(before, batch, targets, repeated.copy())
            if not plan.events:
                break
            commit = plan.commit()
            try:
                await loaded.log.append(_change(commit))
            except Stale:
                loaded.state = None
                continue
            except ClientIdTaken:
                repeated.update(await loaded.log.posted(loaded.id, plan.client_ids()))
                continue
            except ChatError as error:
                _answer_refused(plan)
                raise error
            if loaded.known.head < commit.after.head:  # else a reading was faster, and has told it
                self._loaded.apply_committed(loaded, commit, ours=True)
            break
        else:
            raise Unavailable("This conversation is busy. Try again.")
        if plan.events:
            self._hub.flush_soon(loaded.id)  # before the answers, so that an answer leaves with its own copy
        for ask, answer in plan.answers:
            ask.seen = True
            ask.reply(answer)

    def _plan(
        self,
        state: Conversation,
        batch: Sequence[PendingCommand],
        targets: dict[MessageId, Message],
        repeated: dict[tuple[PersonId, str], Message],
    ) -> _Plan:
        plan = _Plan(state, state)
        for ask in batch:
            try:
                plan.answers.append((ask, self._decided(plan, ask, targets, repeated)))
            except Refused as refusal:
                plan.answers.append((ask, refusal))
        return plan

    def _decided(
        self,
        plan: _Plan,
        ask: PendingCommand,
        targets: dict[MessageId, Message],
        repeated: dict[tuple[PersonId, str], Message],
    ) -> Committed:
        command, by = ask.command, ask.by
        if not self._guests_may_post:
            _check_guest(plan.after, command, by)
        if isinstance(command, Post):
            return self._posted(plan, command, ask, targets, repeated)
        about = _target(ask)
        message = None if about is None else targets.get(about)
        events = log_rules.decide(plan.after, command, by=by, now=ask.at, target=message)
        plan.take(events)
        if message is not None:
            for event in events:
                message = message_rules.apply(message, event)
            targets[message.id] = message
        return self._committed(plan, events, message)

    def _posted(
        self,
        plan: _Plan,
        post: Post,
        ask: PendingCommand,
        targets: dict[MessageId, Message],
        repeated: dict[tuple[PersonId, str], Message],
    ) -> Committed:
        by, client_id, reply_to = ask.by, post.client_id, post.reply_to
        earlier = repeated.get((by.id, client_id)) if client_id is not None and by is not None else None
        events = log_rules.decide(
            plan.after,
            post,
            by=by,
            now=ask.at,
            new_id=self._new_id(),
            target=targets.get(reply_to) if reply_to is not None else None,
            repeated=earlier,
        )
        plan.take(events)
        message = earlier
        for event in events:  # what had fallen due in the room may come before
            if isinstance(event, MessagePosted):
                message = targets[event.message.id] = event.message
                if client_id is not None:
                    repeated[message.by, client_id] = message
        return self._committed(plan, events, message, repeated=earlier is not None)

    def _committed(
        self, plan: _Plan, events: tuple[Logged, ...], message: Message | None, *, repeated: bool = False
    ) -> Committed:
        return Committed(
            conversation=plan.after,
            events=events,
            message=message,
            repeated=repeated,
            durable=self._is_durable and plan.after.persistence is Persistence.PERSISTENT,
        )

    async def _targets(
        self, loaded: LoadedConversation, batch: Sequence[PendingCommand]
    ) -> dict[MessageId, Message]:
        targets: dict[MessageId, Message] = {}
        for ask in batch:
            about = _target(ask)
            if about is not None and about not in targets:
                message = await loaded.log.message(about)
                if message is not None:
                    targets[about] = message
        return targets


def _change(commit: Commit) -> Change:
    return Change(
        after=commit.after,
        expected=commit.before.head,
        events=commit.events,
        notifications=commit.notifications,
    )


def _check_guest(state: Conversation, command: ConversationCommand, by: Person | None) -> None:
    is_public = isinstance(state, Channel) and not state.private and not isinstance(command, PublishData)
    if is_public and by is not None and by.kind is PersonKind.GUEST:
        raise Refused("guests_may_not", "Guests can read channels. Sign in to join and write.")


def unknown(command: ConversationCommand) -> Refused:
    """The refusal for a conversation that is not there."""
    match command:
        case JoinChannel() | LeaveChannel() | DeleteChannel() | AddMember() | RemoveMember() | SetRole():
            return channel_rules.unknown()
        case Edit() | Delete() | React() | Unreact():
            return message_rules.unknown()
        case _:
            return room_rules.unknown()


def _target(ask: PendingCommand) -> MessageId | None:
    """The message that a command points at."""
    command = ask.command
    if isinstance(command, Post):
        return command.reply_to
    if isinstance(command, Edit | Delete | React | Unreact | Purge):
        return command.message
    return None


def _answer_refused(plan: _Plan) -> None:
    """After a failed append: replies to commands that were refused before it; the rest get the error."""
    for ask, answer in plan.answers:
        if isinstance(answer, Refused):
            ask.seen = True
            ask.reply(answer)
        elif answer.events:  # from here on they were decided upon what did not become true
            break


def _answer_rest(batch: Sequence[PendingCommand], error: ChatError) -> None:
    for ask in batch:
        if not ask.seen:
            ask.seen = True
            ask.reply(error)
