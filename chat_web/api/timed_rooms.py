"""P3's timed rooms: the caller's rooms, the queue for a new one, and the decisions of their members."""

from typing import Annotated, Any, Literal

import attrs
import msgspec
from aiohttp import web

from chat_core import (
    TIMED,
    CancelSearch,
    Command,
    Committed,
    Decline,
    End,
    Keep,
    OpenRoom,
    Placed,
    Room,
    Search,
    Start,
)
from chat_web.api import schemas
from chat_web.encoding import wire
from chat_web.http.auth import found
from chat_web.http.operations import Call, NoBody, NoQuery, nothing, operation, reply


class NewRoom(msgspec.Struct, frozen=True, rename={"other": "with"}):
    """The body of ``POST /chat/rooms``. A ``Struct``: ``with`` is a Python keyword."""

    other: Annotated[str, msgspec.Meta(max_length=255)] | None = None


@attrs.frozen
class Liking:
    """The body of ``POST /chat/like/{room_id}``."""

    like: bool


@attrs.frozen
class Response:
    """The body of ``POST /simple-countdown/response/{room_id}``."""

    response: Literal["keep", "end"]


@operation(answers={200: list[schemas.Room]})
async def listed(call: Call[NoQuery, NoBody]) -> web.Response:
    """The caller's rooms, newest first."""
    return reply([_shown(call, room) for room in await call.chat.reading.rooms(call.person)])


@operation(
    answers={200: schemas.Room, 201: schemas.Room, 202: schemas.Waiting},
    errors=("guests_may_not", "unknown_user", "invalid", "wrong_state"),
)
async def create(call: Call[NoQuery, NewRoom]) -> web.Response:
    """Open a room with a user. Without a name, join the queue of the timed lobby."""
    if call.body.other is None:
        return await _searched(call)
    other = await found(call.chat, call.person, call.body.other)
    result = await call.chat.do(call.person, OpenRoom(other=other))
    is_new = isinstance(result, Committed) and not result.repeated
    return reply(_room(call, result), 201 if is_new else 200)


@operation(answers={200: schemas.Queue})
async def queue(call: Call[NoQuery, NoBody]) -> web.Response:
    """The caller's place in the timed lobby's queue."""
    placed = call.chat.lobbies.waiting(TIMED, call.person.id)
    return reply({"status": "idle"} if placed is None else _waiting(placed))


@operation(answers={204: None})
async def leave_queue(call: Call[NoQuery, NoBody]) -> web.Response:
    """Leave the timed lobby's queue."""
    await call.chat.do(call.person, CancelSearch(lobby=TIMED))
    return nothing()


@operation(answers={200: schemas.Room}, errors=("unknown_room", "wrong_state"))
async def keep(call: Call[NoQuery, NoBody]) -> web.Response:
    """Vote to keep the room. The other members are asked."""
    return await _decided(call, Keep(room=call.path("room_id")))


@operation(answers={200: schemas.Room}, errors=("unknown_room", "wrong_state", "nothing_to_answer"))
async def like(call: Call[NoQuery, Liking]) -> web.Response:
    """Answer a member who asked to keep the room: yes, or not yet."""
    room = call.path("room_id")
    return await _decided(call, Keep(room=room, in_answer=True) if call.body.like else Decline(room=room))


@operation(answers={200: schemas.Room}, errors=("unknown_room", "wrong_state"))
async def start(call: Call[NoQuery, NoBody]) -> web.Response:
    """Start a room's countdown."""
    return await _decided(call, Start(room=call.path("room_id")))


@operation(answers={200: schemas.Room}, errors=("unknown_room", "wrong_state"))
async def respond(call: Call[NoQuery, Response]) -> web.Response:
    """Vote to keep or to end the room."""
    room = call.path("room_id")
    return await _decided(call, Keep(room=room) if call.body.response == "keep" else End(room=room))


@operation(answers={200: schemas.Room}, errors=("unknown_room",))
async def status(call: Call[NoQuery, NoBody]) -> web.Response:
    """The current state of a room."""
    return reply(_shown(call, await call.chat.reading.room(call.person, call.path("room_id"))))


async def _searched(call: Call[NoQuery, NewRoom]) -> web.Response:
    call.chat.visit(call.person, seeks=True)
    result = await call.chat.do(call.person, Search(lobby=TIMED))
    if isinstance(result, Placed) and result.room is None:
        return reply(_waiting(result), 202)
    is_new = isinstance(result, Placed) and not result.repeated
    return reply(_room(call, result), 201 if is_new else 200)


async def _decided(call: Call[NoQuery, Any], command: Command) -> web.Response:
    return reply(_room(call, await call.chat.do(call.person, command)))


def _room(call: Call[NoQuery, Any], result: object) -> dict[str, Any]:
    match result:
        case Committed(conversation=Room() as room) | Placed(room=Room() as room):
            return _shown(call, room)
        case _:
            raise TypeError(f"{result} contains no room")


def _shown(call: Call[NoQuery, Any], room: Room) -> dict[str, Any]:
    return wire.room(room, now=call.now, me=call.person.id)


def _waiting(placed: Placed) -> dict[str, Any]:
    since = wire.stamp_or_none(placed.since)
    return {"status": "waiting", "position": placed.position, "since": since}
