"""Lines of the Centrifugal protocol, and how each transport frames them.

Every reply and push is a line of JSON. A WebSocket joins lines into one text
frame; HTTP streaming ends each; server-sent events make ``data:`` of them.

There is one encoder for each framing, and one more for each where channels are open to
all. There a channel has two names, ``test`` and ``channel:test``: an event is encoded
once, and made a line once for each name that a connection used (``ChannelLines``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs

from chat_core import Channel, Conversation, Ephemeral, Event, PersonTyped
from chat_web.dialects.centrifugal import publications
from chat_web.encoding.strict_json import encoded
from chat_web.transports.frames import text_frame

Framing: TypeAlias = Callable[[bytes], bytes]
"""Lines, with newlines between, as bytes that may be sent."""


def reply(id: int, **result: Any) -> bytes:
    """The answer to the command with this id."""
    return encoded({"id": id, **result})


def push(channel: str, **what: Any) -> bytes:
    """Something that was not asked for."""
    return encoded({"push": {"channel": channel, **what}})


def disconnect(code: int, reason: str) -> bytes:
    """The last push where the transport has no close codes of its own."""
    return encoded({"push": {"disconnect": {"code": code, "reason": reason}}})


def as_lines(lines: bytes) -> bytes:
    return lines + b"\n"


def as_events(lines: bytes) -> bytes:
    return b"data: %b\n\n" % lines.replace(b"\n", b"\ndata: ")


@attrs.frozen(eq=False)
class Lines:
    """Encoder of one framing. An event is one line, the same for everybody except the person who types."""

    frame: Framing

    def encode(self, event: Event, conversation: Conversation) -> tuple[bytes | None, bytes | None]:
        publication = publications.publication(event, conversation, now=event.at)
        if publication is None:
            return None, None
        name = publications.name_of(conversation)
        line = push(name, pub=publication)
        if isinstance(event, PersonTyped):
            return None, line
        if isinstance(event, Ephemeral) and (presence := publications.presence(event)) is not None:
            line += b"\n" + push(name, **presence)
        return line, line

    def join(self, frames: Sequence[bytes]) -> bytes:
        return self.frame(b"\n".join(frames))


@attrs.frozen(eq=False)
class ChannelLines:
    """The pushes of one channel. The lines are built once per name, on first use."""

    channel: str
    pushes: tuple[bytes, ...]  # each in JSON, without the name and the braces
    frame: Framing
    framed: dict[str, bytes] = attrs.field(factory=dict)

    def under(self, name: str) -> bytes:
        """The lines with this name of the channel, framed."""
        framed = self.framed.get(name)
        if framed is None:
            head = b'{"push":{"channel":' + encoded(name)
            lines = b"\n".join(b"%b,%b}}" % (head, what) for what in self.pushes)
            framed = self.framed[name] = self.frame(lines)
        return framed


@attrs.frozen(eq=False)
class OpenLines:
    """Encoder of one framing where channels are open to all; everything but channels is as in ``Lines``."""

    lines: Lines

    def encode(
        self, event: Event, conversation: Conversation
    ) -> tuple[bytes | ChannelLines | None, bytes | ChannelLines | None]:
        if not isinstance(conversation, Channel):
            return self.lines.encode(event, conversation)
        publication = publications.publication(event, conversation, now=event.at)
        if publication is None:
            return None, None
        pushes = [{"pub": publication}]
        if isinstance(event, Ephemeral) and (presence := publications.presence(event)) is not None:
            pushes.append(presence)
        bare = tuple(encoded(what)[1:-1] for what in pushes)
        told = ChannelLines(conversation.name, bare, self.lines.frame)
        return (None if isinstance(event, PersonTyped) else told), told

    def join(self, frames: Sequence[bytes | ChannelLines]) -> bytes | ChannelLines:
        """Those of a channel stay together until it is known under which name."""
        first = frames[0]
        if isinstance(first, bytes):
            return self.lines.join([frame for frame in frames if isinstance(frame, bytes)])
        if len(frames) == 1:
            return first
        told = (frame for frame in frames if isinstance(frame, ChannelLines))
        return ChannelLines(first.channel, tuple(what for one in told for what in one.pushes), first.frame)


OVER_WEBSOCKET: Final = Lines(text_frame)
OVER_HTTP_STREAM: Final = Lines(as_lines)
OVER_SSE: Final = Lines(as_events)
_OPEN: Final[Mapping[Lines, OpenLines]] = {
    lines: OpenLines(lines) for lines in (OVER_WEBSOCKET, OVER_HTTP_STREAM, OVER_SSE)
}


def open_to_all(lines: Lines) -> OpenLines:
    """The encoder of this framing where channels are open to all: one object for all connections."""
    return _OPEN[lines]
