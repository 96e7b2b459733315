"""Ports: the engine's interfaces to the outside, as Protocols. Adapters do not inherit from them.

Each method is atomic; each docstring gives its purpose, order, failures and the
effect of cancellation. One contract suite per port is in
``chat_core.testing.contracts`` and runs on every adapter.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import attrs

from chat_core.model.commands import Command
from chat_core.model.conversation import Channel, Conversation, Room
from chat_core.model.errors import ChatError, Refused
from chat_core.model.events import AnyNotification, Logged, NotificationKey
from chat_core.model.ids import ConversationId, LobbyName, MessageId, PersonId
from chat_core.model.message import Cursor, Message
from chat_core.model.person import Card, Person, PersonKind
from chat_core.model.values import value


class Stale(ChatError):
    """Another write came first: load the conversation again and decide again."""


class ClientIdTaken(ChatError):
    """A post with this author and client_id exists already. ``pairs`` has at least one such pair."""

    def __init__(self, *pairs: tuple[PersonId, str]) -> None:
        super().__init__("client_id taken")
        self.pairs = pairs


class NameTaken(ChatError):
    """A channel with this name exists already."""


@value(kw_only=True)
class Change:
    """The events of one turn in one conversation.

    ``events`` follow directly on ``expected`` (None: the conversation is new),
    and ``after`` is the conversation with the events applied. ``notifications``
    are for delivery to people; only a store keeps them.
    """

    after: Conversation
    expected: int | None
    events: Sequence[Logged]
    notifications: Sequence[AnyNotification] = ()


@attrs.frozen(kw_only=True)
class Pairing:
    """One pairing of a lobby that keeps no text: the two people and the times. Never a text."""

    id: ConversationId
    lobby: LobbyName
    user_a: PersonId
    user_b: PersonId
    started_at: float
    ended_at: float | None = None


class Alarm(Protocol):
    """A scheduled call."""

    def cancel(self) -> None:
        """Cancels the call. Idempotent; no effect after the call."""


class Clock(Protocol):
    """Wall-clock time, because deadlines are stored and shared between nodes."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC. Never goes back within a process."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Alarm:
        """Call ``callback`` once ``now() >= when``, in order of ``when``, never before this returns.

        With a time in the past, calls soon.
        """


class Log(Protocol):
    """Conversations and their events.

    Cancelling a call leaves its outcome unknown: the engine discards its copy of
    the conversation and loads it again. ``Unavailable`` means the same.
    """

    async def append(self, change: Change) -> None:
        """Writes the events and the state atomically; on return they are durable.

        Raises ``Stale`` if the version is not ``change.expected`` (or a new
        conversation exists already), ``ClientIdTaken``, ``NameTaken``,
        ``Unavailable``. Concurrent calls for different conversations may share
        one commit; a stale call fails alone.
        """

    async def load(self, conversation: ConversationId) -> Conversation | None:
        """The current state of the conversation; None if it does not exist."""

    async def after(self, conversation: ConversationId, seq: int, limit: int) -> Sequence[Logged]:
        """The first ``limit`` events with a higher seq, in order. Starts later if the log was truncated.

        A message has its current text: a deleted message is a tombstone.
        """

    async def messages(
        self, conversation: ConversationId, *, before: int | None, after: int | None, limit: int
    ) -> Sequence[Message]:
        """Messages in their current state, oldest first.

        The last ``limit`` below ``before`` (None: the newest), or, with ``after``
        and without ``before``, the first ``limit`` above it.
        """

    async def message(self, message: MessageId) -> Message | None:
        """One message in its current state."""

    async def posted(
        self, conversation: ConversationId, pairs: Sequence[tuple[PersonId, str]]
    ) -> Mapping[tuple[PersonId, str], Message]:
        """The messages posted with these (author, client_id) pairs; missing ones are left out."""


class PersonalData(Protocol):
    """One person's stored data, for export and erasure."""

    async def conversations_of(self, person: PersonId) -> Sequence[ConversationId]:
        """Every conversation of which the person is or was a member, by id."""

    async def written_by(
        self, conversation: ConversationId, person: PersonId, *, after: int, limit: int
    ) -> Sequence[Message]:
        """The first ``limit`` messages of the person above a seq, in their current state."""

    async def reactions_of(
        self, conversation: ConversationId, card_id: PersonId
    ) -> Sequence[tuple[MessageId, str]]:
        """The person's reactions: the messages and the emoji."""

    async def blocks_of(self, person: PersonId) -> Mapping[PersonId, float]:
        """The people whom the person blocks, with the time of each block."""

    async def marks_of(self, person: PersonId) -> Mapping[ConversationId, int]:
        """The person's read marks."""

    async def pairings_of(self, person: PersonId) -> Sequence[Pairing]:
        """The person's pairings in lobbies that keep no text, oldest first."""

    async def anonymise(self, conversation: ConversationId, person: PersonId, card: Card) -> None:
        """Anonymises the person in the conversation: keeps the id, takes the names from ``card``.

        Replaces their remaining texts by tombstones. Writes no event: a process with
        the conversation in memory must load it again.
        """

    async def forget_person(self, person: PersonId) -> None:
        """Deletes the person's blocks (both ways), read marks, notifications and memberships.

        Removes the person from their pairings."""


class RetentionStore(Protocol):
    """Finds and deletes data past its retention period. Times are seconds since 1970."""

    async def conversations_from(self, after: ConversationId, limit: int) -> Sequence[ConversationId]:
        """The first ``limit`` conversations above an id, by id."""

    async def blank_before(self, conversation: ConversationId, before: float) -> int:
        """Turns older messages into tombstones without reactions; returns how many.

        Writes no event: a client that shows an old text keeps it until it reads again.
        """

    async def rooms_ended(self, before: float, limit: int) -> Sequence[ConversationId]:
        """At most ``limit`` rooms that ended earlier, in the order of their ends."""

    async def drop(self, conversation: ConversationId) -> None:
        """Deletes a conversation and all of its data. Idempotent."""

    async def forget_pairings(self, before: float) -> int:
        """Deletes the pairings that ended earlier; returns how many."""


class Store(Log, PersonalData, RetentionStore, Protocol):
    """Persistent data: persistent conversations, pairings, blocks, read marks.

    ``durable``: whether acknowledged writes survive a power cut.
    """

    durable: bool

    async def live_rooms(self) -> Sequence[Room]:
        """Every room that is neither kept nor ended, by id: each may have a deadline."""

    async def rooms_of(self, person: PersonId) -> Sequence[Room]:
        """The rooms that list the person, also after they left; newest first, at most 200."""

    async def channels_of(self, person: PersonId) -> Sequence[ConversationId]:
        """The channels of which the person is a member, by id."""

    async def open_rooms_of(self, person: PersonId) -> Sequence[Room]:
        """Every open room of which the person is currently a member, newest first.

        The engine decides by this list, so it has no limit.
        """

    async def open_rooms_of_two(self, one: PersonId, other: PersonId) -> Sequence[Room]:
        """Every open room of which both are currently members, newest first; no limit."""

    async def channels_listed(
        self, person: PersonId, *, after: str, part: str, limit: int
    ) -> Sequence[ConversationId]:
        """The first ``limit`` channels, by name, that are public or have the person as a member.

        Only names above ``after`` that contain ``part``.
        """

    async def messages_across(
        self,
        conversations: Sequence[ConversationId],
        *,
        before: Cursor | None,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Message]:
        """Messages of all these conversations, in the order of the cursors; pages as ``messages``."""

    async def messages_by(
        self, person: PersonId, *, before: Cursor | None, after: Cursor | None, limit: int
    ) -> Sequence[Message]:
        """The person's messages that are not deleted, in the order of the cursors; pages as ``messages``.

        Leaves out messages in deleted channels.
        """

    async def search(
        self,
        person: PersonId,
        text: str,
        *,
        within: ConversationId | None,
        author: str | None,
        before: Cursor | None,
        limit: int,
    ) -> Sequence[Message]:
        """The last ``limit`` messages below ``before`` that match these words, newest first.

        A message matches if each word of ``text`` is a prefix of one of its words, in
        any order (``rules.search_terms``); a text without a word finds nothing.
        Searches the conversations of which the person is currently a member, and
        public channels. ``author`` is a user name. Refuses ``search_off`` if texts
        are stored encrypted.
        """

    async def channel_named(self, name: str) -> Channel | None:
        """The channel with this name; None if there is none or it was deleted."""

    async def open_pairing(self, pairing: Pairing) -> None:
        """Records that two people met. Idempotent."""

    async def close_pairing(self, pairing: ConversationId, ended_at: float) -> None:
        """Records when they parted. Idempotent: the first time stays."""

    async def close_open_pairings(self, ended_at: float) -> int:
        """Closes pairings left open by a crash; returns how many. Called before the first connection."""

    async def block(self, by: PersonId, person: PersonId, at: float) -> None:
        """Records that ``by`` blocks ``person``. Idempotent."""

    async def unblock(self, by: PersonId, person: PersonId) -> None:
        """Removes the block. Idempotent."""

    async def blocked_with(self, person: PersonId) -> frozenset[PersonId]:
        """Everybody in a block with the person, in either direction."""

    async def mark_read(self, conversation: ConversationId, person: PersonId, seq: int) -> bool:
        """Moves the person's read mark forward; False if it was there or further already."""

    async def read_marks(self, conversation: ConversationId) -> Mapping[PersonId, int]:
        """The read marks of all members."""

    async def notifications_of(self, person: PersonId) -> Sequence[AnyNotification]:
        """The person's undelivered notifications, oldest first: the newest 100.

        A room is as it was at the time, except that its members are the current ones.
        """

    async def drop_notifications(self, person: PersonId, keys: Sequence[NotificationKey]) -> None:
        """Deletes these notifications after delivery. Idempotent."""

    async def check(self) -> None:
        """Raises ``Unavailable`` unless a write would succeed now."""

    async def close(self) -> None:
        """Finishes pending work and closes the files. Idempotent."""


Hint: TypeAlias = Callable[[Conversation, Sequence[Logged]], None]


class Backplane(Log, Protocol):
    """Live data: fan-out between nodes, and the logs of ephemeral conversations.

    Its ``Log`` keeps the last 100 events of a conversation, until 2 minutes
    after its room has ended, and never on a disk. ``is_shared``: whether other
    nodes use it too, so that another node may change the store.
    """

    @property
    def is_shared(self) -> bool: ...

    def publish(self, after: Conversation, events: Sequence[Logged]) -> None:
        """Notifies every listener, at most once, that these were stored. Never waits, never fails.

        A hint may be lost, late or duplicated: a receiver that misses one sees the gap in
        ``seq`` and reads the log.
        """

    def listen(self, hint: Hint) -> Callable[[], None]:
        """Calls ``hint`` for everything published, also by this node. Returns the function that stops it."""

    async def close(self) -> None:
        """Closes the connections. Idempotent."""


class BadToken(Refused):
    """A token that was not accepted."""

    def __init__(self, message: str) -> None:
        super().__init__("unauthenticated", message)


class TokenExpired(BadToken):
    """The token was valid once: fetch a new one."""


class TokenInvalid(BadToken):
    """The token was never valid, or is no longer known. The message does not say which."""


@attrs.frozen(kw_only=True)
class Claims:
    """The claims of a valid token. Times are seconds since 1970."""

    person_id: PersonId
    name: str
    kind: PersonKind
    sid: str
    jti: str
    issued_at: float
    expires_at: float


class Tokens(Protocol):
    """Access tokens: a person's identity, signed by this server."""

    def lifetime_s(self, kind: PersonKind) -> float:
        """The lifetime of a token for this kind of person, in seconds."""

    def issue_access(
        self, person_id: PersonId, name: str, kind: PersonKind, sid: str, now: float, *, jti: str = ""
    ) -> str:
        """A signed token, valid from ``now``. Without a ``jti`` it gets a random one."""

    def verify(self, token: str, now: float) -> Claims:
        """The claims of a valid token. Raises ``TokenExpired`` or ``TokenInvalid``, nothing else."""


class Policy(Protocol):
    """An embedder's own rules: may this person send this command?"""

    def __call__(self, person: Person, command: Command, *, now: float) -> None:
        """Raises ``Refused`` with a reason, or returns. Called before every command, in order.

        It must return at once. Any other exception is reported, and the command fails
        with ``Unavailable``: a broken policy allows nothing.
        """
