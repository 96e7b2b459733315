"""Seats: the connection for programs. Events come as objects; what nobody reads is bounded."""

import asyncio
from collections.abc import Sequence

import pytest

from chat_core import (
    Chat,
    Config,
    Disconnected,
    LocalClient,
    Matched,
    Position,
    Post,
    Refused,
    Search,
    Unavailable,
)
from chat_core.model.commands import Edit
from chat_core.model.conversation import Room
from chat_core.model.events import MessageEdited, MessagePosted, RoomEnded
from chat_core.model.ids import PersonId
from chat_core.model.limits import CONTENT_LENGTH_MAX, EVENT_OVERHEAD_BYTES, OUTBOX_BYTES_MAX
from chat_core.testing import FakeClock, World
from tests.support.failing_stores import FailingStore


async def test_a_seat_waits_for_the_next_event_of_a_kind(parley_chat: Chat) -> None:
    a, b = await _two(parley_chat)
    room = (await a.next(Matched)).room
    waiting = asyncio.ensure_future(b.next(MessagePosted))
    await asyncio.sleep(0)
    committed = await a.do(Post(conversation=room, content="hi"))
    assert (await waiting).message.content == "hi"
    await a.do(Edit(message=committed.message.id, content="ho"))  # type: ignore[union-attr]
    assert (await b.next(MessageEdited)).content == "ho"
    a.close()
    b.close()


async def test_what_was_not_read_is_read_at_once(parley_chat: Chat) -> None:
    a, b = await _two(parley_chat)
    await parley_chat.idle()
    assert any(isinstance(event, Matched) for event in b.unread())
    assert b.unread() == ()
    a.close()
    b.close()


async def test_a_seat_that_nobody_reads_is_ended_as_slow(parley_chat: Chat) -> None:
    a, b = await _two(parley_chat)
    room = (await a.next(Matched)).room
    text = "x" * CONTENT_LENGTH_MAX
    posts = OUTBOX_BYTES_MAX // (CONTENT_LENGTH_MAX + EVENT_OVERHEAD_BYTES) + 1
    for number in range(posts):
        await a.do(Post(conversation=room, content=text))
        await parley_chat.idle()
        if number % 20 == 0:
            a.unread()
    with pytest.raises(Disconnected) as slow:
        await b.next(RoomEnded)
    assert slow.value.code == 3008
    assert not parley_chat.people.get(b.person.id).connections  # type: ignore[union-attr]
    a.close()


async def test_a_seat_that_is_closed_can_do_nothing(parley_chat: Chat) -> None:
    ann = parley_chat.guest("ann")
    client = parley_chat.connect(ann)
    with pytest.raises(Disconnected):
        await client.follow("nowhere")
    async with client:
        client.close()
    for question in (
        client.do(Search(lobby="anonymous")),
        client.next(Matched),
        client.follow("nowhere", Position(epoch="", seq=0)),
    ):
        with pytest.raises(Disconnected) as closed:
            await question
        assert closed.value.code == 1000


async def test_a_seat_follows_what_the_person_has(parley_chat: Chat, parley_clock: FakeClock) -> None:
    a, b = await _two(parley_chat)
    room = (await a.next(Matched)).room
    async with parley_chat.connect(b.person) as second:
        await a.do(Post(conversation=room, content="hi"))
        assert (await second.next(MessagePosted)).message.content == "hi"
        with pytest.raises(Refused):
            await second.follow("nowhere")
    a.close()
    b.close()
    await parley_clock.advance(10)
    assert not list(parley_chat.people)


async def test_a_seat_that_cannot_open_leaves_nothing_behind() -> None:
    class Mute(FailingStore):
        async def open_rooms_of(self, person: PersonId) -> Sequence[Room]:
            raise Unavailable("no reading")

    async with World(Config(), store=Mute()) as world:
        ann = world.chat.guest("ann")
        with pytest.raises(Unavailable):
            async with world.chat.connect(ann):
                pass
        await world.advance(10)
        assert not list(world.chat.people)


async def test_a_server_ends_a_seat(parley_chat: Chat) -> None:
    async with parley_chat.connect(parley_chat.guest("ann")) as client:
        for connection in parley_chat.people.connections():
            connection.end(3503, "banned")
        with pytest.raises(Disconnected) as banned:
            await client.next(Matched)
    assert banned.value.code == 3503


async def _two(chat: Chat) -> tuple[LocalClient, LocalClient]:
    a, b = chat.connect(chat.guest("ann")), chat.connect(chat.guest("bob"))
    await a.open()
    await b.open()
    await a.do(Search(lobby="anonymous"))
    await b.do(Search(lobby="anonymous"))
    return a, b
