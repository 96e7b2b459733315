"""The frames of P3: the room with a countdown, and the notifications."""

from typing import Any, Final

from chat_web.dialects.timed_rooms import TimedRoomFrame
from chat_web.documents.dialect_docs import Dialogue, Frame
from chat_web.documents.examples.frame_example import ANN, AT, BOB, MESSAGE, ROOM, SHOWN_ROOM, error, frame

_SHOWN: Final = {
    **MESSAGE,
    "room_id": ROOM,
    "user": ANN,
    "content": "hi",
    "attachments": [],
    "timestamp": AT,
}
_MINE: Final = {
    **SHOWN_ROOM,
    "me": {"id": ANN["id"]},
    "lobby": "timed",
    "epoch": "018bcfe5-6800-7f00-ba59-b849de305d16",
}

TIMED_ROOMS: Final = Dialogue(
    name="timed_rooms",
    shapes=(TimedRoomFrame,),
    title="P3, the room with a countdown",
    address="/ws/chat/{room_id}",
    summary="The talk in one room, with ?token=.",
    asked=(
        frame("message", "Write.", type="message", content="hi"),
        frame("typing", "Say that one types.", type="typing"),
        frame("keep", "Keep the room.", type="keep"),
        frame("end", "End the room.", type="end"),
    ),
    told=(
        frame("history", "The last messages, first of all.", type="history", messages=[_SHOWN]),
        frame("room_state_first", "The room as it is, with the own card.", type="room_state", **_MINE),
        frame("room_state", "The room after a change.", type="room_state", **SHOWN_ROOM),
        frame("posted", "Somebody wrote.", **_SHOWN),
        frame("types", "Somebody types.", type="typing", user=BOB),
        frame("user_joined", "A member's first connection.", type="user_joined", user=BOB),
        frame("user_left", "A member's last connection is gone, or the member.", type="user_left", user=BOB),
        error("wrong_state", "This room has ended."),
    ),
)


def _notification(kind: str, summary: str, **more: Any) -> Frame:
    return frame(kind, summary, type=kind, room_id=ROOM, room=_MINE, at=AT, **more)


NOTIFICATIONS: Final = Dialogue(
    name="notifications",
    title="P3, notifications",
    address="/ws/notifications",
    summary="Everything that concerns one person, with ?token=; first what no device was told.",
    asked=(),
    told=(
        _notification("match_found", "A lobby has paired one."),
        _notification("invited", "Somebody made a room with one.", **{"from": BOB}),
        _notification("countdown_started", "The countdown runs."),
        _notification("keep_request", "Another member wants to keep the room.", **{"from": BOB}),
        _notification("decision", "Keep or end? NOTIFICATION has begun."),
        _notification("room_kept", "All said keep."),
        _notification("room_ended", "The room is over."),
        frame("mention", "A message names one.", type="mention", room_id=ROOM, **{"from": BOB}, at=AT),
        error("bad_request", "This socket takes no messages."),
    ),
)
