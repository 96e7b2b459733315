"""The frames of P4, the open room."""

from typing import Final

from chat_web.dialects.open_rooms import OpenRoomFrame
from chat_web.documents.dialect_docs import Dialogue
from chat_web.documents.examples.frame_example import ANN, AT, BOB, MESSAGE, ROOM, error, frame

_BOB: Final = {"user_id": BOB["id"], "username": "bob"}

OPEN_ROOMS: Final = Dialogue(
    name="open_rooms",
    shapes=(OpenRoomFrame,),
    title="P4, the open room",
    address="/api/ws/{name}",
    summary="The conversation of this id, with ?token=; opening a public one joins it.",
    asked=(
        frame("message", "Write.", type="message", content="hi"),
        frame("typing", "Say that one types, or has stopped.", type="typing", is_typing=True),
    ),
    told=(
        frame(
            "posted",
            "Somebody wrote.",
            **MESSAGE,
            room_id=ROOM,
            user_id=ANN["id"],
            username="ann",
            content="hi",
            created_at=AT,
        ),
        frame("types", "Somebody types, or has stopped.", type="typing", **_BOB, is_typing=True),
        frame("user_joined", "A member's first connection.", type="user_joined", **_BOB),
        frame("user_left", "A member's last connection is gone, or the member.", type="user_left", **_BOB),
        error("bad_request", "Send a message with content, or typing."),
    ),
)
