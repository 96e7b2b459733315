"""The people, rooms and messages that the frames of all dialects speak of."""

from typing import Any, Final

from chat_web.documents.dialect_docs import Frame

AT: Final = "2026-01-01T12:00:00.000Z"
ROOM: Final = "018bcfe5-6800-7e80-ba59-b849de305d16"
ANN: Final = {
    "id": "018bcfe5-6800-715c-8bf3-606d7492eb39",
    "username": "ann",
    "display_name": "Ann",
}
BOB: Final = {
    "id": "018bcfe5-6800-775c-a512-9fb7c6288e1a",
    "username": "bob",
    "display_name": "Bob",
}
SHOWN_ROOM: Final = {
    "id": ROOM,
    "members": [ANN, BOB],
    "state": "COUNTDOWN",
    "outcome": None,
    "deadline": "2026-01-01T12:05:00.000Z",
    "server_time": AT,
    "remaining": 300.0,
    "created_at": AT,
    "ended_at": None,
    "reason": None,
}
MESSAGE_ID: Final = "018bcfe5-6800-76e5-94bc-8cea309459a8"
MESSAGE: Final = {"type": "message", "id": MESSAGE_ID, "seq": 42}


def frame(name: str, summary: str, **example: Any) -> Frame:
    """A frame that is an object."""
    return Frame(name=name, summary=summary, example=example)


def error(code: str, message: str, **more: str) -> Frame:
    """How every refusal looks."""
    return frame(
        "error", "Something was refused or not understood.", type="error", code=code, message=message, **more
    )
