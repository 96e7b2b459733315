"""Lines of the Centrifugal protocol, and how each transport frames them.

Every reply and push is a line of JSON. A WebSocket joins lines into one text
frame; HTTP streaming ends each; server-sent events make ``data:`` of them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from chat_core import Channel, Conversation, Event, Passing, PersonTyped
from chat_web.dialects.centrifugal import publications
from chat_web.transports.frames import text_frame

Framing: TypeAlias = Callable[[bytes], bytes]
"""Lines, with newlines between, as bytes that may be sent."""

_encode: Final = msgspec.json.Encoder().encode


def reply(id: int, **result: Any) -> bytes:
    """The answer to the command with this id."""
    return _encode({"id": id, **result})


def push(channel: str, **what: Any) -> bytes:
    """Something that was not asked for."""
    return _encode({"push": {"channel": channel, **what}})


def disconnect(code: int, reason: str) -> bytes:
    """The last push where the transport has no close codes of its own."""
    return _encode({"push": {"disconnect": {"code": code, "reason": reason}}})


def as_lines(lines: bytes) -> bytes:
    return lines + b"\n"


def as_events(lines: bytes) -> bytes:
    return b"data: %b\n\n" % lines.replace(b"\n", b"\ndata: ")


class Lines:
    """An event is one line, the same for everybody but who types.

    ``names``: under which name a channel is known to this connection, where that
    is not ``channel:<name>``. Who has some has an encoder alone.
    """

    def __init__(self, frame: Framing, names: Mapping[str, str] | None = None) -> None:
        self._frame = frame
        self._names = names

    def encode(self, event: Event, conversation: Conversation) -> tuple[bytes | None, bytes | None]:
        publication = publications.publication(event, conversation, now=event.at)
        if publication is None:
            return None, None
        name = self.name_of(conversation)
        line = push(name, pub=publication)
        if isinstance(event, PersonTyped):
            return None, line
        if isinstance(event, Passing) and (attendance := publications.attendance(event)) is not None:
            line += b"\n" + push(name, **attendance)
        return line, line

    def join(self, frames: Sequence[bytes]) -> bytes:
        return self._frame(b"\n".join(frames))

    def naming(self, names: Mapping[str, str]) -> "Lines":
        """The same framing for one connection that knows channels by these names."""
        return Lines(self._frame, names)

    def name_of(self, conversation: Conversation) -> str:
        """The subscription name of a conversation."""
        if self._names and isinstance(conversation, Channel) and conversation.name in self._names:
            return self._names[conversation.name]
        return publications.name_of(conversation)


OVER_WEBSOCKET: Final = Lines(text_frame)
OVER_HTTP_STREAM: Final = Lines(as_lines)
OVER_SSE: Final = Lines(as_events)
