"""Ports: what the engine needs from outside, as Protocols. Adapters do not inherit from them.

Each method is atomic; each docstring says what it does, in which order, how it
fails and what cancelling means. One contract suite per port is in
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
    """A post with this author and client_id is there already. ``pairs`` names at least one of them."""

    def __init__(self, *pairs: tuple[PersonId, str]) -> None:
        super().__init__("client_id taken")
        self.pairs = pairs


class NameTaken(ChatError):
    """A channel of this name is there already."""


@value(kw_only=True)
class Change:
    """One turn's facts about one conversation.

    ``events`` follow directly on ``expected`` (None: the conversation is new),
    and ``after`` is the conversation once they have happened. ``notifications`` are
    to be told to people; only a store keeps them.
    """

    after: Conversation
    expected: int | None
    events: Sequence[Logged]
    notifications: Sequence[AnyNotification] = ()


@attrs.frozen(kw_only=True)
class Pairing:
    """One pairing of a lobby that keeps no text: who met, and when. No text, ever."""

    id: ConversationId
    lobby: LobbyName
    user_a: PersonId
    user_b: PersonId
    started_at: float
    ended_at: float | None = None


class Alarm(Protocol):
    """A call that has been asked for."""

    def cancel(self) -> None:
        """Do not call. Harmless afterwards and twice."""


class Clock(Protocol):
    """Wall time, because deadlines are stored and shared between nodes."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC. Never goes back within a process."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Alarm:
        """Call ``callback`` once ``now() >= when``, in order of ``when``, never before this returns.

        A time that has passed means: soon.
        """


class Log(Protocol):
    """Conversations and their events.

    Cancelling a call leaves its outcome unknown: the engine forgets what it
    knew of the conversation and loads it again. ``Unavailable`` means the same.
    """

    async def append(self, change: Change) -> None:
        """Write the events and the state atomically; on return they are durable.

        Raises ``Stale`` when the version is not ``change.expected`` (or a new
        conversation is there already), ``ClientIdTaken``, ``NameTaken``,
        ``Unavailable``. Concurrent calls for different conversations may share
        one commit; one that is stale fails alone.
        """

    async def load(self, conversation: ConversationId) -> Conversation | None:
        """The conversation as it is now, None where there is none."""

    async def after(self, conversation: ConversationId, seq: int, limit: int) -> Sequence[Logged]:
        """The first ``limit`` events with a higher seq, in order. May start later where a log was cut.

        A message's text is the current one: deleted text comes as a tombstone.
        """

    async def messages(
        self, conversation: ConversationId, *, before: int | None, after: int | None, limit: int
    ) -> Sequence[Message]:
        """Messages as they are now, oldest first.

        The last ``limit`` below ``before`` (None: the newest), or, with ``after``
        and without ``before``, the first ``limit`` above it.
        """

    async def message(self, message: MessageId) -> Message | None:
        """One message as it is now."""

    async def posted(
        self, conversation: ConversationId, pairs: Sequence[tuple[PersonId, str]]
    ) -> Mapping[tuple[PersonId, str], Message]:
        """The messages posted under these (author, client_id) pairs; missing ones are left out."""


class PersonalData(Protocol):
    """One person's stored data, for export and erasure."""

    async def conversations_of(self, person: PersonId) -> Sequence[ConversationId]:
        """Every conversation of which the person is, or ever was, a member, by id."""

    async def written_by(
        self, conversation: ConversationId, person: PersonId, *, after: int, limit: int
    ) -> Sequence[Message]:
        """The first ``limit`` messages of the person above a seq, as they are now."""

    async def reactions_of(
        self, conversation: ConversationId, card_id: PersonId
    ) -> Sequence[tuple[MessageId, str]]:
        """Which messages the person has reacted to, and with which emoji."""

    async def blocks_of(self, person: PersonId) -> Mapping[PersonId, float]:
        """Whom the person blocks, and since when."""

    async def marks_of(self, person: PersonId) -> Mapping[ConversationId, int]:
        """How far the person has read, wherever it has."""

    async def pairings_of(self, person: PersonId) -> Sequence[Pairing]:
        """The person's pairings in lobbies that keep no text, oldest first."""

    async def anonymise(self, conversation: ConversationId, person: PersonId, card: Card) -> None:
        """Anonymises the person in the conversation: only the id stays, names become those of ``card``.

        Texts that are left become tombstones. No event is written: whoever has
        the conversation in memory reads it again.
        """

    async def forget_person(self, person: PersonId) -> None:
        """Drop blocks from and of the person, read marks, pairings, notices, and where it was a member."""


class RetentionStore(Protocol):
    """Finds and deletes data past its retention period. Times are seconds since 1970."""

    async def conversations_from(self, after: ConversationId, limit: int) -> Sequence[ConversationId]:
        """The first ``limit`` conversations above an id, by id."""

    async def blank_before(self, conversation: ConversationId, before: float) -> int:
        """Turns older messages into tombstones without reactions; returns how many.

        No event is written: whoever shows an old text goes on until it looks again.
        """

    async def rooms_ended(self, before: float, limit: int) -> Sequence[ConversationId]:
        """At most ``limit`` rooms that ended before, in the order of their ends."""

    async def drop(self, conversation: ConversationId) -> None:
        """Remove a conversation and all that is of it. Idempotent."""

    async def forget_pairings(self, before: float) -> int:
        """Remove the pairings that ended before; returns how many."""


class Store(Log, PersonalData, RetentionStore, Protocol):
    """Persistent data: persistent conversations, pairings, blocks, read marks.

    ``durable`` says whether what was acknowledged survives a power cut.
    """

    durable: bool

    async def live_rooms(self) -> Sequence[Room]:
        """Every room that is neither kept nor ended, by id: their deadlines are to be met."""

    async def rooms_of(self, person: PersonId) -> Sequence[Room]:
        """The rooms in which the person is listed, newest first, at most 200."""

    async def channels_of(self, person: PersonId) -> Sequence[ConversationId]:
        """The channels that the person is a member of, by id."""

    async def open_rooms_of(self, person: PersonId) -> Sequence[Room]:
        """Every room that has not ended and that the person is a member of now, newest first.

        Decisions rest on this, so it has no limit.
        """

    async def open_rooms_of_two(self, one: PersonId, other: PersonId) -> Sequence[Room]:
        """Every room that has not ended and that both are members of now, newest first; no limit."""

    async def channels_listed(
        self, person: PersonId, *, after: str, part: str, limit: int
    ) -> Sequence[ConversationId]:
        """The first ``limit`` channels, by name, that are public or have the person as a member.

        Only names above ``after`` that have ``part`` in them.
        """

    async def messages_across(
        self,
        conversations: Sequence[ConversationId],
        *,
        before: Cursor | None,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Message]:
        """Messages of all these conversations, in the order of their marks; pages as ``messages``."""

    async def messages_by(
        self, person: PersonId, *, before: Cursor | None, after: Cursor | None, limit: int
    ) -> Sequence[Message]:
        """The person's messages that are not deleted, in the order of the cursors; pages as ``messages``.

        What stands in a deleted channel is left out.
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
        """The last ``limit`` messages below ``before`` that have these words, the newest first.

        A message is found where each word of ``text`` begins one of its own, in
        any order (``rules.terms``); a text without a word finds nothing. Only of
        conversations in which the person is a member now, and of public channels.
        ``author`` is a user name. Refuses ``search_off`` where texts are kept
        encrypted.
        """

    async def channel_named(self, name: str) -> Channel | None:
        """The channel of this name, unless it was deleted."""

    async def open_pairing(self, pairing: Pairing) -> None:
        """Write down that two met. Idempotent."""

    async def close_pairing(self, pairing: ConversationId, ended_at: float) -> None:
        """Write down when they parted, unless that is known already."""

    async def close_open_pairings(self, ended_at: float) -> int:
        """Close what a crash left open; returns how many. Called before anybody is let in."""

    async def block(self, by: PersonId, person: PersonId, at: float) -> None:
        """Remember that ``by`` blocks ``person``. Idempotent."""

    async def unblock(self, by: PersonId, person: PersonId) -> None:
        """Forget it."""

    async def blocked_with(self, person: PersonId) -> frozenset[PersonId]:
        """Everybody whom the person blocks, or who blocks the person."""

    async def mark_read(self, conversation: ConversationId, person: PersonId, seq: int) -> bool:
        """Move the person's read mark forward; False when it stood there or further already."""

    async def read_marks(self, conversation: ConversationId) -> Mapping[PersonId, int]:
        """Everybody's read mark."""

    async def notifications_of(self, person: PersonId) -> Sequence[AnyNotification]:
        """The person's notices that were not dropped, oldest first: the newest 100.

        A room looks as it did then, except its members, which are the current ones.
        """

    async def drop_notifications(self, person: PersonId, keys: Sequence[NotificationKey]) -> None:
        """Deletes these notifications after delivery. Idempotent."""

    async def check(self) -> None:
        """Raise ``Unavailable`` unless a write would succeed now."""

    async def close(self) -> None:
        """Finishes pending work and closes the files. Idempotent."""


Hint: TypeAlias = Callable[[Conversation, Sequence[Logged]], None]


class Backplane(Log, Protocol):
    """Live data: fan-out between nodes, and the logs of ephemeral conversations.

    Its ``Log`` keeps the last 100 events of a conversation, until 2 minutes
    after its room has ended, and never on a disk. ``is_shared`` says whether
    other nodes are on it too, so that the store may change behind one's back.
    """

    @property
    def is_shared(self) -> bool: ...

    def publish(self, after: Conversation, events: Sequence[Logged]) -> None:
        """Tell every listener, at most once, that these were stored. Never waits, never fails.

        A hint may be lost, late or doubled: a receiver that misses one sees the hole in
        ``seq`` and reads the log.
        """

    def listen(self, hint: Hint) -> Callable[[], None]:
        """Hand on what is published, also by this node. Returns what ends it."""

    async def close(self) -> None:
        """Let go of connections. Idempotent."""


class BadToken(Refused):
    """A token that opens nothing."""

    def __init__(self, message: str) -> None:
        super().__init__("unauthenticated", message)


class TokenExpired(BadToken):
    """It was good once: fetch a new one."""


class TokenInvalid(BadToken):
    """It was never good, or is no longer known. The message does not tell which."""


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
        """How long a token of this kind of person is valid."""

    def issue_access(
        self, person_id: PersonId, name: str, kind: PersonKind, sid: str, now: float, *, jti: str = ""
    ) -> str:
        """A signed token that is valid from ``now`` on. Without a ``jti`` it gets a random one."""

    def verify(self, token: str, now: float) -> Claims:
        """The claims of a good token. Raises ``TokenExpired`` or ``TokenInvalid``, nothing else."""


class Policy(Protocol):
    """An embedder's own rules: may this person ask for this?"""

    def __call__(self, person: Person, command: Command, *, now: float) -> None:
        """Raise ``Refused`` with a reason, or return. Called before every command, in order.

        It must return at once. Anything else that it raises is reported, and
        the command is refused as ``Unavailable``: a broken policy lets nobody by.
        """
