"""Intents: what a dialect makes of a frame or an event, for the pump to carry out.

A dialect is pure: it sees frames, events and its own client, and says what it
wants. ``ref`` is the dialect's own note; it comes back with the answer.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import attrs

from chat_core import (
    AnyNotification,
    Card,
    ChatError,
    Command,
    Conversation,
    ConversationId,
    Encoder,
    Event,
    InitialState,
    Logged,
    Person,
    Personal,
    PersonId,
    Position,
    Recent,
    Recovery,
    Refused,
    Result,
)


@attrs.frozen
class Send:
    """Send this finished frame (or line, where the dialect joins lines)."""

    frame: bytes


@attrs.frozen
class Disconnect:
    """End the connection."""

    code: int
    reason: str


@attrs.frozen
class RejectFrame:
    """The frame was not understood: send this, and count it (see ``frame_limits.BAD_FRAMES_MAX``)."""

    frame: bytes | None


@attrs.frozen
class Execute:
    """Ask the core; answered with a ``Result``."""

    command: Command
    ref: Any = None


@attrs.frozen
class ExecuteInChannel:
    """Ask the core about the conversation that a channel's name means: ``command(id)``."""

    name: str
    command: Any  # Callable[[ConversationId], Command]
    ref: Any = None
    may_make: bool = False

    @property
    def address(self) -> "Address":
        return Address(channel=self.name, may_make=self.may_make)


@attrs.frozen
class Authenticate:
    """Say who this is, by token; a guest is made where there is none. Answered with ``Authenticated``."""

    token: str
    ref: Any = None


@attrs.frozen
class Refresh:
    """The same person with a newer token. Answered with ``Authenticated``."""

    token: str
    ref: Any = None


@attrs.frozen(kw_only=True)
class Address:
    """A conversation, by id or as a channel by name, which with ``may_make`` is made if it is missing."""

    id: ConversationId = ""
    channel: str = ""
    may_make: bool = False


@attrs.frozen
class Follow:
    """Hear a conversation; answered with ``Recovery``, after which its events come."""

    address: Address
    since: Position | None = None
    ref: Any = None
    recent: Recent | None = None


@attrs.frozen
class Unfollow:
    """Hear it no more. No answer."""

    conversation: ConversationId


@attrs.frozen
class WatchStatus:
    """Hear who comes and goes of those that share a followed channel with the person. No answer."""


@attrs.frozen
class ShowNotifications:
    """The client shows notifications: those sent here from now on count as delivered. No answer."""


@attrs.frozen
class FetchNotifications:
    """``ShowNotifications``, and those that no device got yet. Answered with ``PendingNotifications``."""

    ref: Any = None


@attrs.frozen
class Barrier:
    """Nothing but to wait for everything that was asked before. Answered with ``Done``."""

    ref: Any = None


@attrs.frozen
class Ponged:
    """The peer answered a ping."""


@attrs.frozen
class AskInitialState:
    """Asks for the person's initial state. Answered with ``InitialStateResult``."""

    ref: Any = None


@attrs.frozen
class AskPresence:
    """Asks for the followers of a conversation. Answered with ``PresenceResult``."""

    address: Address
    ref: Any = None


@attrs.frozen
class AskHistory:
    """A page of the log after ``seq``; answered with ``Page``."""

    address: Address
    seq: int
    limit: int
    is_newest_first: bool = False
    ref: Any = None


Intent: TypeAlias = (
    Send
    | Disconnect
    | RejectFrame
    | Execute
    | ExecuteInChannel
    | Authenticate
    | Refresh
    | Follow
    | Unfollow
    | WatchStatus
    | ShowNotifications
    | FetchNotifications
    | Barrier
    | Ponged
    | AskInitialState
    | AskPresence
    | AskHistory
)
Intents: TypeAlias = tuple[Intent, ...]


# Answers that the core has no word for


@attrs.frozen(kw_only=True)
class Authenticated:
    """The identity of this connection. ``expires_in_s`` is None if nothing expires."""

    person: Person
    connection: str
    expires_in_s: float | None


@attrs.frozen(kw_only=True)
class InitialStateResult:
    """The person's initial state, and their last positions in conversations."""

    initial_state: InitialState
    last_positions: dict[ConversationId, Position]


@attrs.frozen(kw_only=True)
class PresenceResult:
    """The followers: person id, card and number of connections."""

    conversation: Conversation
    people: dict[PersonId, tuple[Card, int]]


@attrs.frozen(kw_only=True)
class Page:
    """Events of a conversation, in the order asked for."""

    conversation: Conversation
    events: tuple[Logged, ...]


@attrs.frozen(kw_only=True)
class PendingNotifications:
    """Notifications that no device received yet, oldest first."""

    notifications: tuple[AnyNotification, ...]


IntentResult: TypeAlias = (
    Result
    | Recovery
    | Authenticated
    | InitialStateResult
    | PresenceResult
    | Page
    | PendingNotifications
    | ChatError
)


@attrs.frozen(eq=False)
class FinishedFrames:
    """An encoder whose frames are finished: they are sent one behind the other.

    ``encode`` is the half that differs between dialects. One object serves every connection.
    """

    encode: Callable[[Event, Conversation], tuple[bytes | None, bytes | None]]

    def join(self, frames: Sequence[bytes]) -> bytes:
        return b"".join(frames)


class Dialect(Protocol):
    """One product's protocol. Pure: no I/O, no clock, nothing shared but its own client.

    A dialect derives from this class, and leaves out what it has nothing to say to.
    """

    name: str
    message_bytes_max: int = 16 * 1024
    ping_frame: bytes | None = None  # None: the pings are WebSocket's own

    @property
    def encoder(self) -> Encoder[Any]:
        """Writes events down; shared by all connections that are to get the same bytes."""

    @property
    def finish(self) -> "Finish | None":
        """Finishes what the encoder joined, where connections differ in it; None where it is finished."""
        return None

    def client_state(self) -> Any:
        """The state that the dialect keeps for one connection."""

    def opened(self, client: Any, authenticated: Authenticated | None) -> Intents:
        """The connection opened; ``authenticated`` is set if the URL identified the person."""
        return ()

    def received(self, client: Any, text: str) -> Intents:
        """One text message came."""

    def refused(self, text: str, error: Refused) -> Intents:
        """A text message came that is not to be looked into, for this reason."""

    def answered(self, client: Any, ref: Any, answer: IntentResult, *, now: float) -> Intents:
        """The answer to an intent that had this ``ref``."""

    def pushed(self, client: Any, event: Personal, *, now: float) -> Intents:
        """Something that concerns the person happened."""
        return ()

    def unsubscribed(self, client: Any, conversation: ConversationId, *, recoverable: bool) -> Intents:
        """A conversation is no longer followed, unasked; with ``recoverable`` only its log had a hole."""
        return ()

    def follows_unasked(self, conversation: Conversation) -> bool:
        """Whether to follow a conversation that a lobby made for the person."""
        return False


Finish: TypeAlias = Callable[[Any, Any], bytes]
"""From a connection's client and the encoder's frames to the bytes for that connection."""


def person_of(authenticated: Authenticated | None) -> Person:
    """The person of a connection whose URL says who it is. ``TypeError`` where it does not."""
    if authenticated is None:
        raise TypeError("this dialect always knows who it is: from the URL, or a new guest")
    return authenticated.person
