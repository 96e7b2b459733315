"""P4's rooms: public channels and the caller's rooms in one list, created by name and read by id."""

from typing import Annotated, Any, Final

import attrs
import msgspec
from aiohttp import web

from chat_core import Channel, Committed, Conversation, CreateChannel, Room
from chat_web.api import schemas
from chat_web.encoding import wire
from chat_web.http.operations import Call, NoBody, NoQuery, operation, reply

CHANNELS_LISTED_MAX: Final = 300

Limit = Annotated[int, msgspec.Meta(ge=1, le=100)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


@attrs.frozen
class NewOpenRoom:
    """The body of ``POST /api/rooms``."""

    name: Annotated[str, msgspec.Meta(max_length=255)]
    description: str = ""


@attrs.frozen
class BySeq:
    """The query of a page: ``before`` and ``after`` are seq numbers."""

    limit: Limit = 50
    before: Seq | None = None
    after: Seq | None = None


@operation(answers={200: list[schemas.OpenRoom]})
async def listed(call: Call[NoQuery, NoBody]) -> web.Response:
    """Public channels and the caller's rooms."""
    reading = call.chat.reading
    channels = await reading.channels(call.person, limit=CHANNELS_LISTED_MAX)
    shown: list[Conversation] = [channel for channel in channels if not channel.private]
    return reply([_shown(one) for one in (*shown, *await reading.rooms(call.person))])


@operation(answers={201: schemas.OpenRoom}, errors=("channel_exists", "guests_may_not", "invalid"))
async def create(call: Call[NoQuery, NewOpenRoom]) -> web.Response:
    """Create a public room, which is a channel that the caller owns."""
    command = CreateChannel(name=call.body.name, description=call.body.description)
    result = await call.chat.do(call.person, command)
    if not isinstance(result, Committed):
        raise TypeError(f"{command} is answered by {result}")
    return reply(_shown(result.conversation), 201)


@operation(answers={200: list[schemas.Message]}, errors=("unknown_room",))
async def messages(call: Call[BySeq, NoBody]) -> web.Response:
    """Messages of a room or channel, oldest first."""
    query, room = call.query, call.path("id")
    state = await call.chat.conversation(call.person, room)
    found = await call.chat.messages(
        call.person, room, before=query.before, after=query.after, limit=query.limit
    )
    if query.before is not None and query.after is not None:
        found = [message for message in found if message.seq > query.after]
    return reply([wire.message(message, state) for message in found])


def _shown(conversation: Conversation) -> dict[str, Any]:
    is_channel = isinstance(conversation, Channel)
    return {
        "id": conversation.id,
        "name": conversation.name if isinstance(conversation, Channel) else None,
        "kind": "channel" if is_channel else "room",
        "state": conversation.state if isinstance(conversation, Room) else None,
        "member_count": sum(1 for _ in conversation.present()),
        "created_at": wire.stamp(conversation.created_at),
    }
