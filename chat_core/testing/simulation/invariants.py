"""The invariants of the core, and where a simulation checks each. All raise ``InvariantBroken``.

    at each commit (``Journal.committed``)
        I-1   seqs are 1..head, without holes or reuse
        I-2   one author and client_id is one message; nobody posts the same twice
        I-3   the state is the fold of the events, and the version is their number
        I-11  a room moves by its table (``rules.room.evolve`` raises), ENDED is final
        I-12  no deadline acts early
        I-13  kept if and only if all who are present said keep, in time
        I-14  a deadline is never further away than its phase is long
    at each event told (``Journal.told``)
        I-4   it was committed before, and is the one that stands at its seq
        I-6   who hears it is a member, or was when it happened
    at each answer (``Journal.acked``)
        I-4   what is acknowledged is in the log
    after each step (``check_lines``)
        I-2   one place in a lobby (promise 5); I-8 the line stands in rank order
    whenever nothing is ready to run (``check_at_rest``)
        I-7   a pair: two people, one partition, no block that was acknowledged before
        I-9   no two who may be paired both wait longer than a matcher's cycle
        I-10  who is gone waits in no line and sits in no anonymous room
        I-12  what is due was done a second later
        I-6   who follows may read; I-15, I-17  follows, topics and attendance agree with the open connections

I-5, I-16, I-18 and I-20 are the simulation's (``simulator``, ``crowd``): a refused
post is nowhere, an outbox is bounded, a change is whole whoever asked, the trace
repeats. I-19 is no matter of the core.
"""

from typing import Final

import attrs

from chat_core.engine.chat import Chat
from chat_core.engine.results import Committed
from chat_core.model.conversation import (
    Channel,
    Conversation,
    Decision,
    EndReason,
    Persistence,
    Room,
    RoomState,
)
from chat_core.model.errors import InvariantBroken
from chat_core.model.events import (
    ChannelDeleted,
    DecisionOpened,
    KeepAsked,
    Logged,
    MemberJoined,
    MemberLeft,
    MessageEdited,
    MessagePosted,
    RoomEnded,
    RoomEvent,
    RoomKept,
)
from chat_core.model.ids import ConversationId, MessageId, PersonId
from chat_core.model.limits import EPHEMERAL_EVENTS_MAX, HEAL_S, MATCHER_CYCLE_S
from chat_core.ports import Change
from chat_core.rules import log as log_rules
from chat_core.rules.lobby import WaitingQueue

LATE_S: Final = 1.0  # what is due is done within it
HAIR: Final = 1e-6


@attrs.define
class Book:
    """The truth about one conversation: everything that was ever committed."""

    state: Conversation
    events: list[Logged] = attrs.field(factory=list)
    left_at: dict[PersonId, int] = attrs.field(
        factory=dict
    )  # the seq at which somebody ceased to be a member
    posted: dict[tuple[PersonId, str], MessageId] = attrs.field(factory=dict)


@attrs.define
class Journal:
    """The truth, written down at the moment of each commit."""

    books: dict[ConversationId, Book] = attrs.field(factory=dict)
    deadlines: dict[ConversationId, float] = attrs.field(factory=dict)
    contents: dict[str, ConversationId] = attrs.field(factory=dict)  # every text that was ever stored
    blocked: dict[tuple[PersonId, PersonId], float] = attrs.field(factory=dict)  # since when, both ways
    claimed: set[tuple[ConversationId, int]] = attrs.field(factory=set)
    commits: int = 0

    def committed(self, change: Change) -> None:
        """Check a change that has just become true."""
        self.commits += 1
        after = change.after
        book = self.books.get(after.id)
        if book is None:
            book = self.books[after.id] = Book(self._new(change))
        elif change.expected is None:
            raise InvariantBroken(f"I-3: {after.id} was made twice")
        before = book.state
        if (change.expected or 0) != before.head:
            raise InvariantBroken(f"I-3: written over {change.expected}, stands at {before.head}")
        state = before
        for event in change.events:
            if event.conversation != after.id or event.seq != state.head + 1:
                raise InvariantBroken(f"I-1: seq {event.seq} after {state.head} in {event.conversation}")
            following = log_rules.evolve(state, event)
            self._check_event(book, state, event, following)
            state = following
            book.events.append(event)
        if state != after:
            raise InvariantBroken(f"I-3: the state is not the fold of its events: {after}, {state}")
        book.state = after
        if isinstance(after, Room):
            if after.deadline is None:
                self.deadlines.pop(after.id, None)
            else:
                self.deadlines[after.id] = after.deadline

    def forget(self, conversation: ConversationId) -> None:
        """Drops all data in memory, as the end of a process does."""
        self.books.pop(conversation, None)
        self.deadlines.pop(conversation, None)

    def told(self, person: PersonId, event: Logged) -> None:
        """Check an event that has just reached a connection of ``person``."""
        book = self.books.get(event.conversation)
        if book is None:
            return  # it was lost with its process
        if event.seq > len(book.events):
            raise InvariantBroken(f"I-4: told before its commit: {event}")
        true = book.events[event.seq - 1]
        if true is not event and (
            type(true) is not type(event) or true.at != event.at or true.by != event.by
        ):
            raise InvariantBroken(f"I-4: told {event}, stored {true}")
        state = book.state
        knew = event.seq <= book.left_at.get(person, 0) or event.by == person
        if not (knew or state.member(person) or _is_public(state)):
            raise InvariantBroken(f"I-6: {person} is no member and hears {event}")

    def acked(self, committed: Committed) -> None:
        """Check what was acknowledged to somebody."""
        conversation = committed.conversation
        if committed.durable is not (conversation.persistence is Persistence.PERSISTENT):
            raise InvariantBroken(f"I-4: durable is {committed.durable} in {conversation.id}")
        book = self.books.get(conversation.id)
        if book is None:
            return
        if conversation.head > len(book.events):
            raise InvariantBroken(f"I-4: acknowledged at {conversation.head} before its commit")
        for event in committed.events:
            if book.events[event.seq - 1] is not event:
                raise InvariantBroken(f"I-4: acknowledged but not in the log: {event}")
            if (conversation.id, event.seq) in self.claimed:
                raise InvariantBroken(f"I-2: acknowledged twice: {event}")
            self.claimed.add((conversation.id, event.seq))

    def block(self, one: PersonId, other: PersonId, now: float) -> None:
        """A block was acknowledged."""
        self.blocked[one, other] = self.blocked[other, one] = now

    def unblock(self, one: PersonId, other: PersonId) -> None:
        """An end of a block was asked for: from now on nothing is sure."""
        self.blocked.pop((one, other), None)
        self.blocked.pop((other, one), None)

    def head(self, conversation: ConversationId) -> int | None:
        book = self.books.get(conversation)
        return None if book is None else len(book.events)

    def _new(self, change: Change) -> Conversation:
        """The conversation before its first event, got by undoing what its first events did."""
        after = change.after
        if isinstance(after, Room):
            pair = tuple(after.members)
            if after.lobby and (
                len(pair) != 2 or self.blocked.get(pair, after.created_at) < after.created_at
            ):
                raise InvariantBroken(f"I-7: a pair that may not be: {pair}")
            return attrs.evolve(after, head=0, state=RoomState.IDLE, deadline=None)
        if isinstance(after, Channel):
            return attrs.evolve(after, head=0, members={})
        raise InvariantBroken(f"neither a room nor a channel: {after}")

    def _check_event(self, book: Book, before: Conversation, event: Logged, after: Conversation) -> None:
        match event:
            case MessagePosted():
                self._check_post(book, event)
            case MessageEdited(content=content):
                self.contents[content] = event.conversation
            case MemberLeft(member=member):
                book.left_at[member] = event.seq
            case MemberJoined(member=member):
                book.left_at.pop(member, None)
            case ChannelDeleted():
                book.left_at.update(dict.fromkeys(before.members, event.seq))
        if isinstance(before, Room) and isinstance(after, Room) and isinstance(event, RoomEvent):
            _check_countdown(before, event, after)

    def _check_post(self, book: Book, event: MessagePosted) -> None:
        message = event.message
        again = book.state.persistence is Persistence.EPHEMERAL and len(book.events) >= EPHEMERAL_EVENTS_MAX
        if message.content in self.contents and not again:
            raise InvariantBroken(f"I-2: posted twice: {message}")
        self.contents[message.content] = event.conversation
        if message.client_id is not None:
            key = (message.by, message.client_id)
            if key in book.posted and not again:
                raise InvariantBroken(f"I-2: one client_id, two messages: {message}")
            book.posted[key] = message.id


def _check_countdown(before: Room, event: RoomEvent, after: Room) -> None:
    due = before.deadline
    if isinstance(event, DecisionOpened) and (due is None or event.at < due):
        raise InvariantBroken(f"I-12: early: {event}, due {due}")
    if event.reason is EndReason.NO_RESPONSE and (due is None or event.at < due):
        raise InvariantBroken(f"I-12: early: {event}, due {due}")
    if isinstance(event, KeepAsked) and due is not None and event.at >= due:
        raise InvariantBroken(f"I-13: an answer at {event.at} counts, due {due}")
    keepers = sum(after.answers.get(person) is Decision.KEEP for person in after.present())
    all_keep = keepers == sum(1 for _ in after.present())
    if isinstance(event, RoomKept) and not all_keep:
        raise InvariantBroken(f"I-13: kept although not all keep: {after}")
    if isinstance(event, RoomEnded) and event.reason is EndReason.NO_RESPONSE and all_keep:
        raise InvariantBroken(f"I-13: ended although all keep: {after}")
    if after.deadline is not None:
        longest = max(after.rules.countdown_s or 0.0, after.rules.notification_s)
        if not 0 <= after.deadline - event.at <= longest + HAIR:
            raise InvariantBroken(f"I-14: {after.deadline - event.at} s left of {longest}")


def _is_public(state: Conversation) -> bool:
    return isinstance(state, Channel) and not state.private


# Places


def check_lines(chat: Chat) -> None:
    """One place for each person in a lobby, and the line in rank order."""
    for queue in chat.lobbies.queues.values():
        places = [person for person, _ in queue.people()]
        if len(places) != len(set(places)):
            raise InvariantBroken(f"I-2: two places in {queue.rules.name}: {places}")
        last = 0
        for seeker in queue.waiting():
            if seeker.rank <= last:
                raise InvariantBroken(f"I-8: rank {seeker.rank} after {last} in {queue.rules.name}")
            last = seeker.rank


def check_at_rest(chat: Chat, journal: Journal, *, now: float, calm_since: float, nodes: int) -> None:
    """Invariants that are valid while nothing runs and nothing has failed since ``calm_since``."""
    calm_s = now - calm_since - HAIR
    for queue in chat.lobbies.queues.values():
        if calm_s > 2 * MATCHER_CYCLE_S:
            _check_limbo(queue, now)
            _check_ghosts(chat, queue, journal)
        if calm_s > (HEAL_S if nodes > 1 else 0.0) + 2 * MATCHER_CYCLE_S:
            _check_places(queue, journal)
    _check_follows(chat)


def check_deadlines(journal: Journal, *, now: float, calm_since: float) -> None:
    """Everything that is due was done within ``LATE_S``."""
    for room, deadline in journal.deadlines.items():
        if now > max(deadline, calm_since) + LATE_S + HAIR:
            raise InvariantBroken(f"I-12: {now - deadline} s late in {room}")


def _check_limbo(queue: WaitingQueue, now: float) -> None:
    waiting = queue.waiting()
    then = now - MATCHER_CYCLE_S - HAIR
    for index, a in enumerate(waiting):
        for b in waiting[index + 1 :]:
            if a.since <= then and b.since <= then and queue.may_pair(a, b, now=then):
                raise InvariantBroken(f"I-9: {a} and {b} wait for nothing")


def _check_places(queue: WaitingQueue, journal: Journal) -> None:
    """Each person with a place is in a live room without a blocked person."""
    for person, _ in queue.people():
        book = journal.books.get(queue.room_of(person) or "")
        if book is None or not isinstance(room := book.state, Room):
            continue
        if not room.holds_place or room.member(person) is None:
            raise InvariantBroken(f"I-2: {person} holds a place for {room}")
        if tuple(room.members) in journal.blocked:
            raise InvariantBroken(f"I-7: a pair that may not be: {room}")


def _check_ghosts(chat: Chat, queue: WaitingQueue, journal: Journal) -> None:
    """Nobody waits, or sits in an anonymous room, who has been gone for longer than the grace."""
    for person, _ in queue.people():
        if chat.people.is_here(person):
            continue
        book = journal.books.get(queue.room_of(person) or "")
        if queue.room_of(person) is None or (book and book.state.persistence is Persistence.EPHEMERAL):
            raise InvariantBroken(f"I-10: {person} is gone and has a place in {queue.rules.name}")


def _check_follows(chat: Chat) -> None:
    """A topic's listeners are just the open connections that follow it, and no follow is counted twice."""
    counted: dict[int, dict[ConversationId, None]] = {}
    for topic in chat.hub.topics():
        conversation = topic.conversation.id
        for listener in chat.hub.listeners(conversation):
            if not getattr(listener, "is_open", True) or conversation not in getattr(listener, "follows", ()):
                raise InvariantBroken(f"I-17: a topic of {conversation} refers to what has ended")
            if not chat.may_read(listener.person.id, topic.conversation):
                raise InvariantBroken(f"I-6: {listener.person.id} follows {conversation} and may not read it")
            counted.setdefault(id(listener), {})[conversation] = None
    for online in chat.people:
        live: dict[ConversationId, None] = {}
        for connection in online.connections:
            here = counted.get(id(connection), {})
            if here.keys() != set(connection.follows):
                who = online.person.id
                raise InvariantBroken(f"I-15: {who} follows {connection.follows}, the hub knows {here}")
            live.update(here)
        if not live.keys().isdisjoint(online.last_positions):
            who = online.person.id
            raise InvariantBroken(f"I-15: {who} follows {live}, and still awaits {online.last_positions}")
