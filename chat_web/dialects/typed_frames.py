"""Frames that are one JSON object with a ``type``, as the older products write them: P1, P3 and P4.

Kept out: which types there are, the matter of each dialect.
"""

from typing import Any, Final

import msgspec

from chat_core import ChatError, Message, Refused
from chat_web.dialects.intents import Complain, Say
from chat_web.encoding.strict_json import glimpsed
from chat_web.transports.frames import text_frame

encode = msgspec.json.Encoder().encode


class _Marked(msgspec.Struct):
    client_id: str | None = None


_MARKED: Final = msgspec.json.Decoder(_Marked)


def frame(type: str, **rest: Any) -> bytes:
    """A finished frame of this type."""
    return text_frame(encode({"type": type, **rest}))


def say(type: str, **rest: Any) -> Say:
    return Say(frame(type, **rest))


def error(code: str, message: str, client_id: str | None = None) -> bytes:
    """An error; ``client_id`` says which message it is about."""
    shown = {"code": code, "message": message}
    return frame("error", **shown, **({} if client_id is None else {"client_id": client_id}))


def refusal(error_: ChatError, client_id: str | None = None) -> Say:
    """What went wrong, as a frame."""
    if isinstance(error_, Refused):
        return Say(error(error_.code, error_.message, client_id))
    return Say(error("unavailable", "The server cannot do this now. Try again.", client_id))


def not_understood(message: str = "This frame was not understood.") -> Complain:
    """The answer to what is no frame of the dialect; it counts."""
    return Complain(error("bad_request", message))


def unread(text: str, refused: Refused) -> Say:
    """The answer to a frame that is not to be carried out."""
    marked = glimpsed(_MARKED, text)
    return refusal(refused, None if marked is None else marked.client_id)


def marked_own(message: Message, shown: dict[str, Any]) -> dict[str, Any]:
    """How the author sees a message: with the ``client_id`` that it was given."""
    return shown if message.client_id is None else {**shown, "client_id": message.client_id}


def both(message: Message, shown: dict[str, Any]) -> tuple[bytes, bytes]:
    """The frame of a message for its author, and the one for all others; the same where it can be."""
    others = text_frame(encode(shown))
    if message.client_id is None:
        return others, others
    return text_frame(encode(marked_own(message, shown))), others
