"""Frames that are one JSON object with a ``type``, as the older products write them: P1, P3 and P4.

Kept out: which types there are, the matter of each dialect.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Final, Protocol

import attrs
import msgspec

from chat_core import SERVER_ERROR, ChatError, Committed, Done, Message, Refused
from chat_web.dialects.intents import Dialect, Disconnect, IntentResult, Intents, RejectFrame, Send
from chat_web.encoding.strict_json import NotUnderstood, decoded, encoded, glimpsed
from chat_web.transports.frames import text_frame


class _Marked(msgspec.Struct):
    client_id: str | None = None


_MARKED: Final = msgspec.json.Decoder(_Marked)


class TypedFrames(Dialect, Protocol):
    """A dialect whose client sends such frames: ``decoder`` reads one, ``asked`` is what it means."""

    decoder: ClassVar[msgspec.json.Decoder[Any]]

    def received(self, client: Any, text: str) -> Intents:
        try:
            frame = decoded(self.decoder, text)
        except NotUnderstood:
            return (not_understood(),)
        return self.asked(client, frame)

    def asked(self, client: Any, frame: Any) -> Intents:
        """One frame came, of the type that the decoder makes."""

    def refused(self, text: str, error: Refused) -> Intents:
        return (unread(text, error),)


@attrs.frozen
class Ref:
    """The request of an answer: the ``client_id`` of the frame."""

    client_id: str | None


def frame(type: str, **rest: Any) -> bytes:
    """A finished frame of this type."""
    return text_frame(encoded({"type": type, **rest}))


def send(type: str, **rest: Any) -> Send:
    return Send(frame(type, **rest))


def error(code: str, message: str, client_id: str | None = None) -> bytes:
    """An error; ``client_id`` says which message it is about."""
    shown = {"code": code, "message": message}
    return frame("error", **shown, **({} if client_id is None else {"client_id": client_id}))


def refusal(error_: ChatError, client_id: str | None = None) -> Send:
    """An error as a frame."""
    if isinstance(error_, Refused):
        return Send(error(error_.code, error_.message, client_id))
    return Send(error("unavailable", "The server cannot do this now. Try again.", client_id))


def not_understood(message: str = "This frame was not understood.") -> RejectFrame:
    """The answer to what is no frame of the dialect; it counts."""
    return RejectFrame(error("bad_request", message))


def unread(text: str, refused: Refused) -> Send:
    """The answer to a frame that is not to be carried out."""
    marked = glimpsed(_MARKED, text)
    return refusal(refused, None if marked is None else marked.client_id)


def marked_own(message: Message, shown: dict[str, Any]) -> dict[str, Any]:
    """How the author sees a message: with the ``client_id`` that it was given."""
    return shown if message.client_id is None else {**shown, "client_id": message.client_id}


def both(message: Message, shown: dict[str, Any]) -> tuple[bytes, bytes]:
    """The frame of a message for its author, and the one for all others; the same where it can be."""
    others = text_frame(encoded(shown))
    if message.client_id is None:
        return others, others
    return text_frame(encoded(marked_own(message, shown))), others


def carried_out(ref: Ref, answer: IntentResult, shown: Callable[[Message], dict[str, Any]]) -> Intents:
    """The answer to a command: an error, the own copy of a message that was posted twice, or nothing."""
    match answer:
        case Committed(repeated=False) | Done():  # first: it comes most often
            return ()
        case Committed(message=Message() as message):
            return (own_copy(message, shown(message)),)
        case Committed():
            return ()
        case ChatError():
            return (refusal(answer, ref.client_id),)
        case _:
            return (Disconnect(*SERVER_ERROR),)


def own_copy(message: Message, shown: dict[str, Any]) -> Send:
    """A message for its author alone."""
    return Send(text_frame(encoded(marked_own(message, shown))))
