"""Channels: creating, listing, joining, leaving and deleting them, and their members."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import attrs
import msgspec
from aiohttp import web

from chat_core import (
    AddMember,
    Channel,
    Command,
    Committed,
    CreateChannel,
    DeleteChannel,
    JoinChannel,
    LeaveChannel,
    PersonId,
    RemoveMember,
    Role,
    SetRole,
    unknown_user,
)
from chat_web.api import schemas
from chat_web.api.cursors import cursor, name_of
from chat_web.encoding import wire
from chat_web.http.auth import found
from chat_web.http.operations import Call, NoBody, NoQuery, nothing, operation, reply

Limit = Annotated[int, msgspec.Meta(ge=1, le=100)]
Text = Annotated[str, msgspec.Meta(max_length=255)]

_OUT_OF_PLACE: Final = ("guests_may_not", "unknown_channel")
_OWNERS: Final = (*_OUT_OF_PLACE, "not_owner")


@attrs.frozen
class NewChannel:
    """The body of ``POST /api/channels``."""

    name: Text
    description: str = ""
    private: bool = False


@attrs.frozen
class Listed:
    """The query of a list: ``after`` is the ``next`` of a page, ``q`` is part of the name."""

    limit: Limit = 50
    after: Text | None = None
    q: Text = ""


@attrs.frozen
class Leaving:
    """The body of ``…/leave``: an owner names the next owner."""

    new_owner: Text | None = None


@attrs.frozen
class NewMember:
    """The body of ``POST …/members``."""

    username: Text


@attrs.frozen
class NewRole:
    """The body of ``PUT …/members/{username}``."""

    role: Literal["member", "moderator"]


@operation(answers={201: schemas.Channel}, errors=("channel_exists", "guests_may_not", "invalid"))
async def create(call: Call[NoQuery, NewChannel]) -> web.Response:
    """Create a channel that the caller owns."""
    asked = call.body
    command = CreateChannel(name=asked.name, description=asked.description, private=asked.private)
    return await _changed(call, command, 201)


@operation(answers={200: schemas.Channels})
async def listed(call: Call[Listed, NoBody]) -> web.Response:
    """The channels that the caller may read, sorted by name."""
    query = call.query
    channels = await call.chat.reading.channels(
        call.person, after=name_of(query.after, "after"), part=query.q, limit=query.limit + 1
    )
    return reply(_page(channels, query.limit))


@operation(answers={200: schemas.Channels})
async def mine(call: Call[Listed, NoBody]) -> web.Response:
    """The channels that the caller is a member of, sorted by name."""
    query, after = call.query, name_of(call.query.after, "after")
    channels = await call.chat.reading.channels_of(call.person)
    listed = [channel for channel in channels if channel.name > after and query.q in channel.name]
    return reply(_page(listed, query.limit))


@operation(answers={200: schemas.Channel}, errors=("unknown_channel",))
async def one(call: Call[NoQuery, NoBody]) -> web.Response:
    """One channel that the caller may read."""
    return reply(wire.channel(await call.chat.channel(call.person, call.path("name"))))


@operation(answers={200: schemas.Channel}, errors=(*_OUT_OF_PLACE, "wrong_state"))
async def join(call: Call[NoQuery, NoBody]) -> web.Response:
    """Join a public channel."""
    return await _changed(call, JoinChannel(name=call.path("name")))


@operation(answers={200: schemas.Channel}, errors=(*_OUT_OF_PLACE, "owner_must_stay"))
async def leave(call: Call[NoQuery, Leaving]) -> web.Response:
    """Leave a channel. Its owner must name another member as new_owner."""
    name, heir = call.path("name"), call.body.new_owner
    if heir is not None:
        channel = await call.chat.channel(call.person, name)
        heir = channel.member_named(heir) or heir
    return await _changed(call, LeaveChannel(name=name, new_owner=heir))


@operation(answers={204: None}, errors=_OWNERS)
async def delete(call: Call[NoQuery, NoBody]) -> web.Response:
    """Delete a channel that the caller owns; its members are notified."""
    await call.chat.do(call.person, DeleteChannel(name=call.path("name")))
    return nothing()


@operation(answers={200: schemas.Channel}, errors=(*_OWNERS, "unknown_user", "wrong_state"))
async def add_member(call: Call[NoQuery, NewMember]) -> web.Response:
    """Add a person to a channel. Only its owner and moderators may do this."""
    name = call.path("name")
    await call.chat.channel(call.person, name)  # before the person is looked up
    person = await found(call.chat, call.person, call.body.username)
    return await _changed(call, AddMember(name=name, person=person))


@operation(answers={200: schemas.Channel}, errors=(*_OWNERS, "unknown_user", "owner_must_stay"))
async def set_role(call: Call[NoQuery, NewRole]) -> web.Response:
    """Change the role of a member. Only the owner may do this."""
    member = await _member(call)
    return await _changed(call, SetRole(name=call.path("name"), member=member, role=Role(call.body.role)))


@operation(answers={200: schemas.Channel}, errors=(*_OWNERS, "unknown_user", "owner_must_stay"))
async def remove_member(call: Call[NoQuery, NoBody]) -> web.Response:
    """Remove a member. Only the owner and moderators may do this."""
    member = await _member(call)
    return await _changed(call, RemoveMember(name=call.path("name"), member=member))


async def _changed(call: Call[NoQuery, Any], command: Command, status: int = 200) -> web.Response:
    """Runs the command and returns the channel as it is afterwards."""
    result = await call.chat.do(call.person, command)
    if not isinstance(result, Committed) or not isinstance(result.conversation, Channel):
        raise TypeError(f"{command} is answered by {result}")
    return reply(wire.channel(result.conversation), status)


async def _member(call: Call[NoQuery, Any]) -> PersonId:
    channel = await call.chat.channel(call.person, call.path("name"))
    member = channel.member_named(call.path("username"))
    if member is None:
        raise unknown_user()
    return member


def _page(channels: Sequence[Channel], limit: int) -> dict[str, Any]:
    """The first ``limit`` channels, and the cursor of the next page."""
    has_more = len(channels) > limit
    shown = channels[:limit]
    return {
        "items": [wire.channel(channel) for channel in shown],
        "next": cursor(shown[-1].name) if has_more else None,
    }
