"""``/asyncapi.json``: AsyncAPI 3.0, made from the frames of the dialects."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

from chat_core import VERSION
from chat_web.documents.dialect_docs import CLOSE_CODES, Dialogue, Frame
from chat_web.documents.examples.p0 import ANONYMOUS_PAIR
from chat_web.documents.examples.p1 import CHANNEL_CHAT
from chat_web.documents.examples.p2 import SOCKET_IO
from chat_web.documents.examples.p3 import NOTIFICATIONS, TIMED_ROOMS
from chat_web.documents.examples.p4 import OPEN_ROOMS
from chat_web.documents.examples.p5 import CENTRIFUGE, HTTP_STREAM, SSE
from chat_web.documents.frame_schemas import FrameSchemas, schema_of

DIALOGUES: Final[tuple[Dialogue, ...]] = (
    CENTRIFUGE,
    ANONYMOUS_PAIR,
    CHANNEL_CHAT,
    SOCKET_IO,
    TIMED_ROOMS,
    NOTIFICATIONS,
    OPEN_ROOMS,
)
STREAMED: Final[tuple[Dialogue, ...]] = (HTTP_STREAM, SSE)

_PARAMETERS: Final = {"user_id": "A label", "name": "One's own user name, or an id", "room_id": "An id"}


async def asyncapi(request: web.Request) -> web.Response:
    """``/asyncapi.json``"""
    return web.Response(body=_DOCUMENT, content_type="application/json")


def document(dialogues: Sequence[Dialogue]) -> dict[str, Any]:
    """The description of every frame that is spoken at these addresses."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    schemas = FrameSchemas(dialogues)
    for dialogue in dialogues:
        both = {"send": dialogue.told, "receive": dialogue.asked}  # as the server sees it
        names = [_name(dialogue, way, frame) for way, frames in both.items() for frame in frames]
        channels[dialogue.name] = _channel(dialogue, names)
        for way, frames in both.items():
            own = [_name(dialogue, way, frame) for frame in frames]
            for name, frame in zip(own, frames, strict=True):
                is_told = way == "send"
                payload = schema_of(frame.example) if is_told else schemas.asked(dialogue, frame)
                messages[name] = _message(frame, payload)
            operations[f"{dialogue.name}_{way}"] = {
                "action": way,
                "channel": {"$ref": f"#/channels/{dialogue.name}"},
                "messages": [{"$ref": f"#/channels/{dialogue.name}/messages/{name}"} for name in own],
            }
    codes = "; ".join(f"{code} {words}" for code, words in CLOSE_CODES.items())
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Parley",
            "version": VERSION,
            "description": f"Close codes, 3000-3499 to come back and 3500-3999 not to: {codes}.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas.components},
    }


def _channel(dialogue: Dialogue, names: Sequence[str]) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": dialogue.address,
        "title": dialogue.title,
        "description": dialogue.summary + (f" With {dialogue.query}." if dialogue.query else ""),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }
    parameters = re.findall(r"\{(\w+)\}", dialogue.address)
    if parameters:
        channel["parameters"] = {name: {"description": _PARAMETERS[name]} for name in parameters}
    return channel


def _name(dialogue: Dialogue, way: str, frame: Frame) -> str:
    return f"{dialogue.name}_{way}_{frame.name}"


def _message(frame: Frame, payload: dict[str, Any]) -> dict[str, Any]:
    is_text = isinstance(frame.example, str)
    return {
        "name": frame.name,
        "summary": frame.summary,
        "contentType": "text/plain" if is_text else "application/json",
        "payload": payload,
        "examples": [{"name": frame.name, "payload": frame.example}],
    }


_DOCUMENT: Final = msgspec.json.encode(document((*DIALOGUES, *STREAMED)))
