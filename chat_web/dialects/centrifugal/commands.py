"""The commands of the Centrifugal protocol v2, as they stand in a frame. Unknown fields are ignored."""

from typing import Annotated, Any, Final

import msgspec

SESSION_LENGTH_MAX: Final = 64

Text = Annotated[str, msgspec.Meta(max_length=255)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Id = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


class Connect(msgspec.Struct):
    token: str = ""


class Subscribe(msgspec.Struct):
    channel: Text
    recover: bool = False
    epoch: Text = ""
    offset: Number = 0
    delta: str = ""
    type: int = 0
    flag: Number = 0


class Unsubscribe(msgspec.Struct):
    channel: Text


class Published(msgspec.Struct):
    """The data of ``publish`` on a conversation."""

    content: str
    client_id: str | None = None


class Publish(msgspec.Struct):
    channel: Text
    data: Published


class PublishJson(Publish):
    """``publish`` where channels are open to all: anything is data."""

    data: msgspec.Raw  # type: ignore[assignment]  # read by its own decoder


class Presence(msgspec.Struct):
    channel: Text
    is_stats: bool = False


class PresenceStats(msgspec.Struct):
    channel: Text


class Since(msgspec.Struct):
    offset: Number = 0
    epoch: Text = ""


class History(msgspec.Struct):
    channel: Text
    limit: Annotated[int, msgspec.Meta(ge=-1, le=2**31)] = 0
    since: Since | None = None
    reverse: bool = False


class Rpc(msgspec.Struct):
    method: Text
    data: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))  # a schema can show no Raw


class RefreshRequest(msgspec.Struct):
    token: str


class SubRefresh(msgspec.Struct):
    """Would renew a subscription's own token; none has one here."""

    channel: Text = ""


class Send(msgspec.Struct):
    data: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))


class Numbered(msgspec.Struct):
    """The part of a line that is read even if its command is invalid."""

    id: Id = 0


class Command(msgspec.Struct):
    """One line: an id and exactly one of the rest."""

    id: Id = 0
    connect: Connect | None = None
    subscribe: Subscribe | None = None
    unsubscribe: Unsubscribe | None = None
    publish: Publish | None = None
    presence: Presence | None = None
    presence_stats: PresenceStats | None = None
    history: History | None = None
    rpc: Rpc | None = None
    refresh: RefreshRequest | None = None
    send: Send | None = None
    ping: dict[str, None] | None = None
    sub_refresh: SubRefresh | None = None

    def asked(self) -> Any:
        """The one command of the line; None when there is none, or more than one."""
        parts = msgspec.structs.astuple(self)[1:]
        if parts.count(None) != len(parts) - 1:
            return None
        if self.publish is not None:  # first: it comes most often
            return self.publish
        only = next(part for part in parts if part is not None)
        return Presence(only.channel, is_stats=True) if isinstance(only, PresenceStats) else only


class FirstCommand(msgspec.Struct):
    """The line that opens a stream over HTTP."""

    id: Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
    connect: Connect


class OpenCommand(Command):
    """One line where channels are open to all."""

    publish: PublishJson | None = None


class Said(msgspec.Struct):
    """A client's request on a stream: ``data`` is a string of commands, one per line, or one object."""

    session: Annotated[str, msgspec.Meta(max_length=SESSION_LENGTH_MAX)]
    data: msgspec.Raw
    node: Annotated[str, msgspec.Meta(max_length=SESSION_LENGTH_MAX)] = ""
