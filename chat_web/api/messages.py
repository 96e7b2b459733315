"""Messages: posting, editing, deleting, reactions, read marks, pages of messages, and search."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import attrs
import msgspec
from aiohttp import web

from chat_core import (
    Command,
    Committed,
    Conversation,
    Delete,
    Edit,
    MarkRead,
    Message,
    MessagePage,
    Post,
    React,
    Unreact,
)
from chat_web.api import schemas
from chat_web.api.cursors import cursor, mark_cursor, mark_of, mark_or_time, page, seq_of
from chat_web.encoding import wire
from chat_web.http.operations import Call, NoBody, NoQuery, nothing, operation, reply, wrong_field

Limit = Annotated[int, msgspec.Meta(ge=1, le=100)]
Text = Annotated[str, msgspec.Meta(max_length=255)]

_ABOUT_ONE: Final = ("guests_may_not", "not_member", "unknown_message", "unknown_room", "wrong_state")


@attrs.frozen
class NewMessage:
    """The body of ``POST /api/conversations/{id}/messages``."""

    content: str
    client_id: Text | None = None
    reply_to: Text | None = None
    attachments: tuple[Text, ...] = ()


@attrs.frozen
class NewContent:
    """The body of ``PATCH /api/messages/{id}``."""

    content: str


@attrs.frozen
class ReadMark:
    """The body of ``PUT /api/conversations/{id}/read``: everything up to ``seq`` has been read."""

    seq: Annotated[int, msgspec.Meta(ge=0, le=2**53)]


@attrs.frozen
class Paged:
    """The query of a list: ``after`` is the ``next`` of a page, ``before`` its ``previous``."""

    limit: Limit = 50
    before: Text | None = None
    after: Text | None = None


@attrs.frozen
class Recent(Paged):
    channel: Text | None = None


class Searched(msgspec.Struct, frozen=True, rename={"within": "in", "author": "from"}):
    """The query of a search. A ``Struct``: two of its names are Python keywords."""

    q: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    within: Text | None = None
    author: Text | None = None
    before: Text | None = None
    limit: Limit = 50


@operation(
    answers={200: schemas.Message, 201: schemas.Message},
    errors=(*_ABOUT_ONE, "client_id_reused", "invalid"),
)
async def post(call: Call[NoQuery, NewMessage]) -> web.Response:
    """Post a message. Idempotent per client_id: a repetition returns the first message with 200."""
    asked = call.body
    command = Post(
        conversation=call.path("id"),
        content=asked.content,
        client_id=asked.client_id,
        reply_to=asked.reply_to,
        attachments=asked.attachments,
    )
    committed, message = await _done(call, command)
    return reply(wire.message(message, committed.conversation), 200 if committed.repeated else 201)


@operation(answers={200: schemas.Message}, errors=(*_ABOUT_ONE, "not_yours", "invalid"))
async def edit(call: Call[NoQuery, NewContent]) -> web.Response:
    """Change the text of the caller's own message."""
    committed, message = await _done(call, Edit(message=call.path("id"), content=call.body.content))
    return reply(wire.message(message, committed.conversation))


@operation(answers={204: None}, errors=(*_ABOUT_ONE, "not_yours"))
async def delete(call: Call[NoQuery, NoBody]) -> web.Response:
    """Delete the caller's own message, or any as the channel's owner or moderator. A tombstone remains."""
    await _done(call, Delete(message=call.path("id")))
    return nothing()


@operation(answers={200: schemas.Reactions}, errors=(*_ABOUT_ONE, "invalid"))
async def react(call: Call[NoQuery, NoBody]) -> web.Response:
    """React to a message with an emoji."""
    return await _reacted(call, React(message=call.path("id"), emoji=call.path("emoji")))


@operation(answers={200: schemas.Reactions}, errors=_ABOUT_ONE)
async def unreact(call: Call[NoQuery, NoBody]) -> web.Response:
    """Remove a reaction."""
    return await _reacted(call, Unreact(message=call.path("id"), emoji=call.path("emoji")))


@operation(answers={204: None}, errors=("not_member", "unknown_room", "invalid"))
async def read(call: Call[NoQuery, ReadMark]) -> web.Response:
    """Move the caller's read mark forward. It never moves back."""
    await call.chat.do(call.person, MarkRead(conversation=call.path("id"), seq=call.body.seq))
    return nothing()


@operation(answers={200: schemas.Messages}, errors=("unknown_channel",))
async def recent(call: Call[Recent, NoBody]) -> web.Response:
    """Messages of one channel, or of all the caller's channels, oldest first."""
    query = call.query
    _check_one_way(query)
    forward, from_cursor = query.after is not None, (query.after or query.before) is not None
    limit = query.limit + 1
    if query.channel is None:
        pages = await call.chat.reading.messages_of_channels(
            call.person,
            before=mark_of(query.before, "before"),
            after=mark_of(query.after, "after"),
            limit=limit,
        )
        found = page(pages.messages, query.limit, forward=forward, from_cursor=from_cursor)
        return reply(found.shown(_shown(pages.conversations), lambda message: mark_cursor(message.cursor)))
    channel = await call.chat.channel(call.person, query.channel)
    messages = await call.chat.messages(
        call.person,
        channel.id,
        before=seq_of(query.before, "before"),
        after=seq_of(query.after, "after"),
        limit=limit,
    )
    in_channel = page(messages, query.limit, forward=forward, from_cursor=from_cursor)
    return reply(in_channel.shown(_shown({channel.id: channel}), lambda message: cursor(message.seq)))


@operation(answers={200: schemas.Messages})
async def mine(call: Call[Paged, NoBody]) -> web.Response:
    """The caller's own messages in stored conversations, newest first."""
    query = call.query
    _check_one_way(query)
    back, from_cursor = query.before is not None, (query.after or query.before) is not None
    pages = await call.chat.reading.messages_by(
        call.person,
        before=mark_of(query.after, "after"),
        after=mark_of(query.before, "before"),
        limit=query.limit + 1,
    )
    newest_first = pages.messages[::-1]
    found = page(newest_first, query.limit, forward=not back, from_cursor=from_cursor)
    return reply(found.shown(_shown(pages.conversations), lambda message: mark_cursor(message.cursor)))


@operation(answers={200: schemas.Found}, errors=("unknown_channel", "search_off"))
async def search(call: Call[Searched, NoBody]) -> web.Response:
    """Messages that the caller may read with these words or words that begin with them, newest first."""
    query = call.query
    pages: MessagePage = await call.chat.reading.search(
        call.person,
        query.q,
        within=query.within,
        author=query.author,
        before=mark_or_time(query.before, "before"),
        limit=query.limit + 1,
    )
    found = page(pages.messages, query.limit, forward=True, from_cursor=False)
    shown = found.shown(_shown(pages.conversations), lambda message: mark_cursor(message.cursor))
    return reply({"items": shown["items"], "next": shown["next"]})


async def _done(call: Call[NoQuery, Any], command: Command) -> tuple[Committed, Message]:
    """Runs the command and returns its result with the message."""
    result = await call.chat.do(call.person, command)
    if not isinstance(result, Committed) or result.message is None:
        raise TypeError(f"{command} is answered by {result}")
    return result, result.message


async def _reacted(call: Call[NoQuery, Any], command: Command) -> web.Response:
    _, message = await _done(call, command)
    return reply({"reactions": {emoji: list(people) for emoji, people in message.reactions.items()}})


def _shown(conversations: Mapping[str, Conversation]) -> Any:
    return lambda message: wire.message(message, conversations.get(message.conversation))


def _check_one_way(query: Paged) -> None:
    if query.before is not None and query.after is not None:
        raise wrong_field("after", "Give either before or after, not both.")
