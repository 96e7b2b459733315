"""One open connection of a person, whatever carries it.

A transport (a WebSocket, for instance) gives a ``Sink`` and an ``Encoder``; the connection
follows conversations, asks, and hears. ``chat_core.engine.delivery.local_client`` is the one for
programs that embed Parley.
"""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import attrs

from chat_core.engine.delivery.hub import Encoder, Hub
from chat_core.engine.disconnects import REVOKED
from chat_core.engine.presence.followers import Followers
from chat_core.engine.presence.people import OnlinePerson, People
from chat_core.engine.presence.status import StatusFeed
from chat_core.engine.results import START, Position, Recent, Recovery, Reply
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.commands import Command
from chat_core.model.conversation import Conversation, Room, RoomState
from chat_core.model.errors import ChatError, Refused
from chat_core.model.events import Logged, Matched, Personal
from chat_core.model.ids import ConversationId
from chat_core.model.limits import RECOVERY_EVENTS_MAX, TOPICS_PER_CONNECTION_MAX
from chat_core.model.message import Message
from chat_core.model.person import Person

F = TypeVar("F")
F_contra = TypeVar("F_contra", contravariant=True)


class Sink(Protocol[F_contra]):
    """Where a connection's events go. Nothing here may wait or raise."""

    def deliver(self, frames: F_contra) -> None:
        """Take what the encoder joined."""

    def push(self, event: Personal) -> None:
        """Take what concerns the person."""

    def unsubscribed(self, conversation: ConversationId, *, recoverable: bool) -> None:
        """This conversation is no longer followed, unasked.

        ``recoverable``: its log has a hole, follow again; else it was left or deleted.
        """

    def end(self, code: int, reason: str) -> None:
        """End the connection; the code says whether to come back."""


class History(Protocol):
    """The history that a connection reads. Raises ``Unavailable`` if the log does not answer."""

    async def conversation(self, person: Person, conversation: ConversationId) -> Conversation:
        """A conversation that the person may read. Refuses the rest, all alike."""

    async def events_after(self, state: Conversation, seq: int, limit: int) -> Sequence[Logged]:
        """The log after a seq."""

    async def recent(
        self, state: Conversation, wanted: Recent, *, up_to: int
    ) -> tuple[Sequence[Message], bool]:
        """The messages that ``wanted`` means, up to a seq; and whether there are more after its own."""


class Node(Protocol):
    """The parts of a node that a connection uses."""

    @property
    def hub(self) -> Hub: ...

    @property
    def people(self) -> People: ...

    @property
    def followers(self) -> Followers: ...

    @property
    def status_feed(self) -> StatusFeed: ...

    @property
    def tasks(self) -> Tasks: ...

    @property
    def reading(self) -> History: ...

    def ask(self, person: Person, command: Command, reply: Reply) -> None:
        """Ask for something; ``reply`` is called exactly once. Never raises."""

    def peek(self, conversation: ConversationId) -> Conversation | None:
        """The conversation as this node knows it, None when it is not loaded."""

    def has_ended(self, sid: str) -> bool:
        """Whether this session is known to have ended."""


class Connection(Generic[F]):
    """One open connection. Made by ``Chat.attach``; the transport calls ``close`` when it ends.

    ``autofollow`` says which conversations to follow unasked when a lobby makes
    one for the person.
    """

    def __init__(
        self,
        node: Node,
        *,
        person: Person,
        encoder: Encoder[F],
        sink: Sink[F],
        may_return: bool,
        autofollow: Callable[[Conversation], bool] | None,
        sid: str = "",
    ) -> None:
        self.person = person
        self.sid = sid
        self.encoder = encoder
        self.deliver = sink.deliver  # the sink's own method: a call of ours between would double the price
        self._node = node
        self._sink = sink
        self._autofollow = autofollow
        self._follows: dict[ConversationId, None] = {}
        self._catching_up: dict[ConversationId, object] = {}  # the latest follow that is under way
        self._open = True
        self._watches = False
        self.shows_notifications = False
        self._online: OnlinePerson = node.people.enter(person, self, may_return=may_return)
        node.status_feed.look(self._online)

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def follows(self) -> Sequence[ConversationId]:
        """The conversations that this connection follows, in the order of subscription."""
        return tuple(self._follows)

    def is_following(self, conversation: ConversationId) -> bool:
        return conversation in self._follows

    def renew(self, sid: str) -> None:
        """Switches to another session of the person; an ended one closes the connection (3503)."""
        self.sid = sid
        if self._node.has_ended(sid):
            self.end(*REVOKED)

    # Asking

    def ask(self, command: Command, reply: Reply) -> None:
        """Sends a command; ``reply`` is called once, possibly before this returns. Never raises."""
        self._node.ask(self.person, command, reply)

    def follow(
        self,
        conversation: ConversationId,
        since: Position | None,
        ready: Callable[[Recovery | ChatError], None],
        recent: Recent | None = None,
    ) -> None:
        """Hear the conversation from here on, and what came after ``since`` first: all of it or nothing.

        ``recent`` asks for messages as well. ``ready`` is called once, perhaps
        before this returns; live events reach the sink after it has returned,
        without a hole or a double between the two.
        """
        self._node.tasks.spawn(self._follow(conversation, since, ready, recent))

    def watch_status(self) -> None:
        """Hear from here on who comes and goes of those that share a channel which is followed here."""
        if self._open and not self._watches:
            self._watches = True
            for conversation in self._follows:
                self._node.hub.watch(self, conversation)

    def unfollow(self, conversation: ConversationId) -> None:
        """Unsubscribes. Earlier events are delivered first."""
        if conversation in self._follows:
            self._node.hub.detach(self, conversation)
            self._forget(conversation)

    def close(self) -> None:
        """The transport has ended. Idempotent."""
        if not self._open:
            return
        self._open = False
        last_positions = {}
        for conversation in self._follows:
            topic = self._node.hub.detach(self, conversation)
            if topic is not None:
                last_positions[conversation] = Position(
                    epoch=topic.conversation.epoch, seq=topic.broadcast_seq
                )
        self._follows.clear()
        self._node.followers.dropped(self._online, self, last_positions)
        self._node.people.leave(self._online, self)

    # Hearing: called by the hub and by people

    def push(self, event: Personal) -> None:
        if isinstance(event, Matched) and self._autofollow is not None and self._autofollow(event.snapshot):
            self._begin_if_room(event.snapshot)
        self._sink.push(event)

    def unsubscribed(self, conversation: ConversationId, *, recoverable: bool) -> None:
        self._forget(conversation)
        self._sink.unsubscribed(conversation, recoverable=recoverable)

    def end(self, code: int, reason: str) -> None:
        self._sink.end(code, reason)

    async def _follow(
        self,
        conversation: ConversationId,
        since: Position | None,
        ready: Callable[[Recovery | ChatError], None],
        recent: Recent | None,
    ) -> None:
        try:
            state = await self._node.reading.conversation(self.person, conversation)
            offset = self._begin(state, hold=True)
        except ChatError as error:
            ready(error)
            return
        mine = self._catching_up[conversation] = object()
        answer: Recovery | ChatError
        try:
            answer = await self._recovery(state, offset, since)
            if recent is not None:
                answer = await self._with_recent(answer, recent)
        except ChatError as error:
            answer = error
            if self._catching_up.get(conversation) is mine:
                self.unfollow(conversation)
        ready(answer)
        if self._catching_up.get(conversation) is mine:  # else it was unfollowed, and followed again
            del self._catching_up[conversation]
            self._node.hub.release(self, conversation)

    async def _recovery(self, state: Conversation, offset: int, since: Position | None) -> Recovery:
        """Every event after ``since`` up to ``offset``, or none."""
        nothing = Recovery(conversation=state, offset=offset)
        if since is None or not 0 <= offset - since.seq <= RECOVERY_EVENTS_MAX:
            return nothing
        if since.epoch != state.epoch and since != START:
            return nothing
        missing = offset - since.seq
        try:
            events = await self._node.reading.events_after(state, since.seq, missing) if missing else ()
        except ChatError:
            return nothing
        if len(events) != missing or (missing and events[0].seq != since.seq + 1):
            return nothing
        return Recovery(conversation=state, offset=offset, events=tuple(events), recovered=True)

    async def _with_recent(self, recovery: Recovery, recent: Recent) -> Recovery:
        history = self._node.reading
        messages, has_gap = await history.recent(recovery.conversation, recent, up_to=recovery.offset)
        return attrs.evolve(recovery, messages=tuple(messages), has_gap=has_gap)

    def _begin(self, state: Conversation, *, hold: bool = False) -> int:
        """Attach to the topic; returns the seq after which events come."""
        if not self._open:
            raise Refused("wrong_state", "This connection is closed.")
        if state.id not in self._follows:
            if len(self._follows) >= TOPICS_PER_CONNECTION_MAX:
                raise Refused("too_many", "This connection follows too many conversations.")
            self._follows[state.id] = None
            self._node.followers.followed(self._online, self, state)
        offset = self._node.hub.attach(self, state, hold=hold)
        if not self.is_open:  # what was waiting for it was too much
            self._node.hub.detach(self, state.id)
            raise Refused("wrong_state", "This connection is closed.")
        if self._watches:
            self._node.hub.watch(self, state.id)
        return offset

    def _begin_if_room(self, state: Conversation) -> None:
        if len(self._follows) >= TOPICS_PER_CONNECTION_MAX:
            self._unfollow_ended()
        if len(self._follows) < TOPICS_PER_CONNECTION_MAX:
            self._begin(state)

    def _unfollow_ended(self) -> None:
        """Make room among the topics: nothing more comes of a room that has ended."""
        for conversation in tuple(self._follows):
            state = self._node.peek(conversation)
            if state is None or (isinstance(state, Room) and state.state is RoomState.ENDED):
                self.unfollow(conversation)

    def _forget(self, conversation: ConversationId) -> None:
        self._catching_up.pop(conversation, None)
        if conversation in self._follows:
            del self._follows[conversation]
            self._node.followers.unfollowed(self._online, conversation)
