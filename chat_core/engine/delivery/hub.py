"""The hub: which connections follow a conversation, and how an event reaches them.

An event is encoded once for each encoder (dialect) that has a listener. The
frames of one topic and encoder are gathered, joined once, and handed to each
listener in one call per flush: at the end of the loop's current round when the
topic was quiet, else at most every ``flush_s``. Nothing here awaits a
connection. The sender may get its own copy.

A topic remembers which seq it told last. What comes twice is passed over; a
hole is healed from the log; what the log no longer has is admitted to the
listeners (``lost``).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol, TypeVar

import attrs

from chat_core.engine.delivery.flush_queue import FlushQueue
from chat_core.model.conversation import Channel, Conversation
from chat_core.model.errors import ChatError
from chat_core.model.events import Ephemeral, Event, Logged, StatusChanged
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.limits import HOLD_EVENTS_MAX
from chat_core.model.person import Person

F = TypeVar("F")

SMALL_TOPIC: Final = 4  # listeners; up to that many, gathering longer than one loop round gains nothing

_log = logging.getLogger(__name__)


class Encoder(Protocol[F]):
    """How one dialect writes events down. Pure, and the same object for all its connections."""

    def encode(self, event: Event, conversation: Conversation) -> tuple[F | None, F | None]:
        """The frame for who caused the event, and the one for everybody else; None: nothing to tell.

        Where both read alike it is the same object twice.
        """

    def join(self, frames: Sequence[F]) -> F:
        """Several frames as one piece, in order."""


class Listener(Protocol):
    """A connection, as the hub sees it. Nothing here may wait or raise."""

    @property
    def person(self) -> Person: ...

    @property
    def encoder(self) -> Encoder[Any]: ...

    def deliver(self, frames: Any) -> None:
        """Take what ``encoder.join`` made."""

    def unsubscribed(self, conversation: ConversationId, *, recoverable: bool) -> None:
        """The listener was dropped.

        With ``recoverable`` events are missing that the log no longer has: it may
        follow again from here. Otherwise the conversation is no longer its own.
        """


class Watcher(Listener, Protocol):
    """A listener that also receives status changes of people in its channels."""

    def push(self, event: StatusChanged) -> None:
        """Hand on what concerns its person."""


@attrs.define
class _Group:
    """The listeners of one topic that share an encoder, and what waits for the next flush."""

    encoder: Encoder[Any]
    listeners: dict[Listener, None] = attrs.field(factory=dict)
    frames: list[tuple[PersonId | None, Any, Any]] = attrs.field(factory=list)

    def flush(self) -> None:
        frames, self.frames = self.frames, []
        if len(frames) == 1:  # the most common case, without the general one's cost
            self._hand_out(*frames[0])
            return
        authors = {by for by, own, others in frames if own is not others}
        others = [frame for _, _, frame in frames if frame is not None]
        shared = self.encoder.join(others) if others else None
        for listener in tuple(self.listeners):
            if authors and (person := listener.person.id) in authors:
                own = [mine if by == person else theirs for by, mine, theirs in frames]
                if kept := [frame for frame in own if frame is not None]:
                    listener.deliver(self.encoder.join(kept))
            elif shared is not None:
                listener.deliver(shared)

    def _hand_out(self, by: PersonId | None, own: Any, others: Any) -> None:
        shared = None if others is None else self.encoder.join((others,))
        if own is others:
            for listener in tuple(self.listeners) if shared is not None else ():
                listener.deliver(shared)
            return
        mine = None if own is None else self.encoder.join((own,))
        for listener in tuple(self.listeners):
            frame = shared if listener.person.id != by else mine
            if frame is not None:
                listener.deliver(frame)


@attrs.define(eq=False)
class Topic:
    """One conversation with followers on this node."""

    conversation: Conversation
    broadcast_seq: int  # the newest seq that was broadcast
    groups: dict[Encoder[Any], _Group] = attrs.field(factory=dict)
    holds: dict[Listener, list[tuple[Event, Conversation]]] = attrs.field(factory=dict)
    watchers: dict[Listener, Watcher] = attrs.field(factory=dict)
    listeners: int = 0
    is_due: bool = False  # it is flushed at the end of this round, or when the timer rings
    timer: asyncio.TimerHandle | None = None
    flushed_at: float = 0.0
    healing: bool = False

    def flush_due(self) -> None:
        """Delivers pending frames, unless they were delivered already."""
        if self.is_due:
            self.is_due = False
            self.timer = None
            for group in tuple(self.groups.values()):
                if group.frames:
                    group.flush()

    def flush(self) -> None:
        """Hand out what waits, and what comes of that."""
        self.is_due = False
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        while waiting := [group for group in self.groups.values() if group.frames]:
            for group in waiting:  # delivering may end a connection, which tells others that it went
                group.flush()


class Hub:
    """Topics by conversation. ``spawn`` starts a task; ``read_after`` reads the conversation's log."""

    def __init__(
        self,
        *,
        flush_s: float,
        flush_queue: FlushQueue,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        read_after: Callable[[Conversation, int], Coroutine[Any, Any, Sequence[Logged]]],
    ) -> None:
        self._flush_s = flush_s
        self._flush_queue = flush_queue
        self._spawn = spawn
        self._read_after = read_after
        self._topics: dict[ConversationId, Topic] = {}
        self._watched: dict[ConversationId, Topic] = {}  # with watchers, or with none left

    def __contains__(self, conversation: ConversationId) -> bool:
        return conversation in self._topics

    def topics(self) -> Sequence[Topic]:
        return tuple(self._topics.values())

    # Who follows

    def attach(self, listener: Listener, conversation: Conversation, *, hold: bool = False) -> int:
        """Subscribes the listener; returns the seq after which it receives events.

        With ``hold`` what comes is kept back until ``release``: the listener's
        history is still being read. Attaching twice keeps the first.
        """
        self.flush(conversation.id)  # first: who is slow may go, and the topic with it
        topic = self._topics.get(conversation.id)
        if topic is None:
            topic = self._topics[conversation.id] = Topic(conversation, broadcast_seq=conversation.head)
        group = topic.groups.get(listener.encoder)
        if group is None:
            group = topic.groups[listener.encoder] = _Group(listener.encoder)
        if listener not in group.listeners and listener not in topic.holds:
            topic.listeners += 1
            if hold:
                topic.holds[listener] = []
            else:
                group.listeners[listener] = None
        return topic.broadcast_seq

    def release(self, listener: Listener, conversation: ConversationId) -> None:
        """Delivers the held events and goes live. Does nothing if the listener is gone."""
        topic = self._topics.get(conversation)
        if topic is None or listener not in topic.holds:
            return
        topic.flush()
        held = topic.holds.pop(listener, None)
        if held is None:
            return  # what was just delivered was too much for it
        if len(held) > HOLD_EVENTS_MAX:
            topic.listeners -= 1
            self._drop_if_empty(topic)
            listener.unsubscribed(conversation, recoverable=True)
            return
        frames = []
        for event, state in held:
            own, others = listener.encoder.encode(event, state)
            frame = own if event.by == listener.person.id else others
            if frame is not None:
                frames.append(frame)
        topic.groups[listener.encoder].listeners[listener] = None
        if frames:
            listener.deliver(listener.encoder.join(frames))

    def detach(self, listener: Listener, conversation: ConversationId) -> Topic | None:
        """Unsubscribes the listener. Earlier events are delivered first.

        Returns the topic it was following, None when it was not.
        """
        topic = self._topics.get(conversation)
        if topic is None:
            return None
        topic.flush()
        group = topic.groups.get(listener.encoder)
        if group is not None and listener in group.listeners:
            del group.listeners[listener]
        elif listener in topic.holds:
            del topic.holds[listener]
        else:
            return None
        topic.watchers.pop(listener, None)
        topic.listeners -= 1
        self._drop_if_empty(topic)
        return topic

    def watch(self, watcher: Watcher, conversation: ConversationId) -> None:
        """As long as it listens to this conversation, it is one of the ``watchers``. Idempotent."""
        topic = self._topics.get(conversation)
        if topic is not None:
            topic.watchers[watcher] = watcher
            self._watched[conversation] = topic

    def watchers(self, person: PersonId) -> Sequence[Watcher]:
        """The watchers of the channels in which the person is, each once."""
        found: dict[Watcher, None] = {}
        for conversation, topic in tuple(self._watched.items()):
            if not topic.watchers or self._topics.get(conversation) is not topic:
                del self._watched[conversation]
            elif isinstance(topic.conversation, Channel) and topic.conversation.member(person) is not None:
                found.update(dict.fromkeys(topic.watchers.values()))
        return tuple(found)

    def listeners(self, conversation: ConversationId) -> Sequence[Listener]:
        """Everybody who follows it here, in no order that means anything."""
        topic = self._topics.get(conversation)
        if topic is None:
            return ()
        live = [listener for group in topic.groups.values() for listener in group.listeners]
        return (*live, *topic.holds)

    # What is told

    def broadcast(self, after: Conversation, events: Sequence[Logged]) -> None:
        """Hand on stored events. Doubles are passed over, a hole is healed from the log."""
        topic = self._topics.get(after.id)
        if topic is None:
            return
        if after.head > topic.conversation.head:
            topic.conversation = after
        for event in events:
            if event.seq == topic.broadcast_seq + 1 and not topic.healing:  # first: it comes most often
                topic.broadcast_seq = event.seq
                self._gather(topic, event)
            elif event.seq > topic.broadcast_seq:
                self._heal(topic)
                return

    def broadcast_ephemeral(self, event: Ephemeral) -> None:
        """Broadcasts an ephemeral event; does nothing without followers."""
        topic = self._topics.get(event.conversation)
        if topic is not None:
            self._gather(topic, event)
            self._flush_soon(topic)

    def flush_soon(self, conversation: ConversationId) -> None:
        """Schedules a flush: at once if the topic was quiet, else at the end of its window."""
        topic = self._topics.get(conversation)
        if topic is not None:
            self._flush_soon(topic)

    def flush(self, conversation: ConversationId) -> None:
        """Flushes at once."""
        topic = self._topics.get(conversation)
        if topic is not None:
            topic.flush()

    def catch_up(self, conversation: Conversation) -> None:
        """Heal the topic if it is behind what is known to be stored."""
        topic = self._topics.get(conversation.id)
        if topic is not None and topic.broadcast_seq < conversation.head:
            self._heal(topic)

    def drop(self, conversation: ConversationId) -> None:
        """Drops the topic: delivers pending events and unsubscribes every listener."""
        topic = self._topics.pop(conversation, None)
        if topic is not None:
            self._let_go(topic, recoverable=False)

    @property
    def is_flushing(self) -> bool:
        """True while events wait for a flush."""
        return any(topic.is_due for topic in self._topics.values())

    def stop(self) -> None:
        """Delivers pending events, then forgets every topic."""
        for topic in tuple(self._topics.values()):
            topic.flush()
        self._topics.clear()
        self._watched.clear()

    def _gather(self, topic: Topic, event: Event) -> None:
        for group in topic.groups.values():
            if not group.listeners:
                continue
            try:
                own, others = group.encoder.encode(event, topic.conversation)
            except Exception:
                _log.exception("event_encoding_failed: %s", type(event).__name__)
                continue
            if own is not None or others is not None:
                group.frames.append((event.by, own, others))
        if topic.holds:
            for held in topic.holds.values():
                if len(held) <= HOLD_EVENTS_MAX:
                    held.append((event, topic.conversation))

    def _flush_soon(self, topic: Topic) -> None:
        if topic.is_due:
            return
        topic.is_due = True
        if topic.listeners > SMALL_TOPIC and self._flush_s:
            loop = asyncio.get_running_loop()
            now = loop.time()
            wait = topic.flushed_at + self._flush_s - now
            if wait > 0:
                topic.flushed_at = now + wait
                topic.timer = loop.call_at(topic.flushed_at, topic.flush_due)
                return
            topic.flushed_at = now
        self._flush_queue.at_end(topic.flush_due)

    def _heal(self, topic: Topic) -> None:
        if not topic.healing:
            topic.healing = True
            self._spawn(self._healed(topic))

    async def _healed(self, topic: Topic) -> None:
        """Read what is missing and tell it; admit what cannot be had."""
        conversation = topic.conversation.id
        try:
            while self._topics.get(conversation) is topic:
                before = topic.broadcast_seq
                events = await self._read_after(topic.conversation, before)
                if events and events[0].seq > topic.broadcast_seq + 1:
                    topic.broadcast_seq = events[-1].seq
                    del self._topics[conversation]
                    self._let_go(topic, recoverable=True)
                    return
                for event in events:
                    if event.seq == topic.broadcast_seq + 1:
                        topic.broadcast_seq = event.seq
                        self._gather(topic, event)
                if topic.broadcast_seq == before or topic.broadcast_seq >= topic.conversation.head:
                    return
        except ChatError:
            return  # the next comparison of heads tries again
        finally:
            topic.healing = False
            if self._topics.get(conversation) is topic:
                self._flush_soon(topic)

    def _let_go(self, topic: Topic, *, recoverable: bool) -> None:
        """Ends the topic: delivers pending events, then unsubscribes its listeners."""
        topic.flush()
        live = [listener for group in topic.groups.values() for listener in group.listeners]
        for listener in (*live, *topic.holds):
            listener.unsubscribed(topic.conversation.id, recoverable=recoverable)

    def _drop_if_empty(self, topic: Topic) -> None:
        if not topic.listeners and self._topics.get(topic.conversation.id) is topic:
            del self._topics[topic.conversation.id]
