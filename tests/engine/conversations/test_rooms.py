"""Rooms made by hand, early keeps that are answered, and seekers without a connection."""

import asyncio

import pytest

from chat_core import (
    Committed,
    Keep,
    Matched,
    Notification,
    NotificationKind,
    OpenRoom,
    PersonKind,
    Placed,
    Refused,
    Room,
    RoomState,
    Search,
)
from chat_core.model.limits import VISIT_S
from chat_core.testing import World
from chat_core.testing.people import Actor


async def opened(one: Actor, other: Actor) -> tuple[Room, bool]:
    """The room of the two, and whether they had it already."""
    committed = await one.does(OpenRoom(other=other.person))
    assert isinstance(committed, Committed)
    assert isinstance(committed.conversation, Room)
    return committed.conversation, committed.repeated


async def test_a_room_made_by_hand_is_idle_and_the_other_is_told(parley_world: World) -> None:
    ann, bob = await parley_world.user("ann"), await parley_world.user("bob")
    room, repeated = await opened(ann, bob)
    assert (room.state, room.deadline, room.lobby, repeated) == (RoomState.IDLE, None, "", False)
    assert list(room.present()) == [ann.id, bob.id]
    notification = bob.sees(Notification)
    assert (notification.kind, notification.room.id, notification.sender) == (
        NotificationKind.INVITED,
        room.id,
        ann.person.card,
    )
    ann.sees_no(Notification)


async def test_two_have_one_room_until_it_has_ended(parley_world: World) -> None:
    ann, bob = await parley_world.user("ann"), await parley_world.user("bob")
    room, _ = await opened(ann, bob)
    assert await opened(bob, ann) == (room, True)
    bob.room = room.id
    await bob.ends()
    other, repeated = await opened(ann, bob)
    assert other.id != room.id
    assert not repeated


async def test_two_who_ask_at_once_get_the_same_room(parley_world: World) -> None:
    ann, bob = await parley_world.user("ann"), await parley_world.user("bob")
    rooms = await asyncio.gather(opened(ann, bob), opened(bob, ann), opened(ann, bob))
    assert len({room.id for room, _ in rooms}) == 1
    assert sorted(repeated for _, repeated in rooms) == [False, True, True]


async def test_the_room_that_a_lobby_made_is_the_room_of_the_two(parley_world: World) -> None:
    ann, bob = await parley_world.user("ann"), await parley_world.user("bob")
    await parley_world.match(ann, bob, lobby="timed")
    room, repeated = await opened(bob, ann)
    assert (room.id, repeated) == (ann.room, True)


async def test_who_blocked_cannot_be_told_from_who_is_not_there(parley_world: World) -> None:
    ann, bob = await parley_world.user("ann"), await parley_world.user("bob")
    await bob.blocks(ann)
    refusal = await ann.is_refused(OpenRoom(other=bob.person))
    assert (refusal.code, refusal.message) == ("unknown_user", "User not found.")
    bob.sees_no(Notification)


async def test_no_room_with_oneself_and_none_for_guests(parley_world: World) -> None:
    ann, guest = await parley_world.user("ann"), await parley_world.comes("guest")
    assert (await ann.is_refused(OpenRoom(other=ann.person))).code == "invalid"
    assert (await guest.is_refused(OpenRoom(other=ann.person))).code == "guests_may_not"


async def test_an_answer_to_keep_needs_somebody_who_asked(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    answer = Keep(room=ann.room, in_answer=True)
    assert (await ann.is_refused(answer)).code == "nothing_to_answer"
    await bob.keeps()
    assert (await bob.is_refused(answer)).code == "nothing_to_answer"
    await ann.does(answer)
    assert (await ann.sees_room()).outcome == "kept"
    assert (await ann.is_refused(answer)).code == "wrong_state"


# Seekers without a connection


async def placed(world: World, name: str) -> tuple[Placed, str]:
    """Somebody who asks over HTTP."""
    person = world.chat.person(world.chat.new_id(), name, PersonKind.USER)
    world.chat.visit(person, seeks=True)
    result = await world.chat.do(person, Search(lobby="timed"))
    await world.settle()
    assert isinstance(result, Placed)
    return result, person.id


async def test_two_who_only_ask_over_http_are_matched(parley_world: World) -> None:
    first, _ = await placed(parley_world, "ann")
    second, _ = await placed(parley_world, "bob")
    assert (first.room, first.position) == (None, 1)
    assert second.room is not None
    assert second.room.state is RoomState.COUNTDOWN


async def test_a_seeker_without_a_connection_keeps_the_place_for_a_minute(parley_world: World) -> None:
    world = parley_world
    _, ann = await placed(world, "ann")
    await world.advance(VISIT_S - 1)
    assert world.chat.lobbies.waiting("timed", ann) is not None
    await world.advance(1)
    assert world.chat.lobbies.waiting("timed", ann) is None


async def test_each_request_begins_the_minute_anew_for_who_seeks_alone(parley_world: World) -> None:
    world = parley_world
    _, ann = await placed(world, "ann")
    person = world.chat.person(ann, "ann", PersonKind.USER)
    await world.advance(VISIT_S - 1)
    world.chat.visit(person)
    await world.advance(VISIT_S - 1)
    assert world.chat.lobbies.waiting("timed", ann) is not None
    await world.advance(1)
    world.chat.visit(person)
    assert not world.chat.people.is_here(ann), "who seeks nothing is nobody who is here"


async def test_a_connection_takes_over_from_the_visit(parley_world: World) -> None:
    world = parley_world
    ann = await world.user("ann")
    world.chat.visit(ann.person, seeks=True)
    await ann.searches("timed")
    await world.advance(VISIT_S * 2)
    assert world.chat.lobbies.waiting("timed", ann.id) is not None
    bob = await world.user("bob")
    await bob.searches("timed")
    assert ann.sees(Matched).room == bob.room


async def test_a_line_that_is_not_there_has_no_places(parley_world: World) -> None:
    with pytest.raises(Refused) as refusal:
        parley_world.chat.lobbies.waiting("none", "ann")
    assert refusal.value.code == "unknown_lobby"
