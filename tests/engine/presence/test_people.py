"""People, not connections: the grace, recovery, following, presence, typing and read marks."""

import pytest

from chat_core import Config, Disconnected, MessagePosted, Position, Post, PresenceStatus, Refused, Type
from chat_core.engine.delivery.local_client import EventsAsTheyAre
from chat_core.model.commands import MarkRead
from chat_core.model.events import (
    LeaveReason,
    PartnerLeft,
    Personal,
    PersonTyped,
    PresenceChanged,
    ReadMarked,
    RoomEnded,
    Waiting,
)
from chat_core.model.limits import EPHEMERAL_EVENTS_MAX, EPHEMERAL_KEPT_S, RECOVERY_EVENTS_MAX
from chat_core.testing import Actor, World


async def test_who_comes_back_in_time_was_never_away(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob")
    bob.drops()
    await parley_world.advance(9.9)
    await ann.says("are you there?")
    await bob.returns()
    assert bob.sees(MessagePosted).message.content == "are you there?"
    await parley_world.advance(60)
    ann.sees_no(PartnerLeft)
    ann.sees_no(PresenceChanged)


async def test_who_does_not_come_back_is_gone_after_the_grace(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob")
    bob.drops()
    await parley_world.advance(9.9)
    ann.sees_no(PartnerLeft)
    await parley_world.advance(0.1)
    assert ann.sees(PartnerLeft).reason is LeaveReason.DISCONNECTED


async def test_who_cannot_come_back_is_gone_at_once(parley_world: World) -> None:
    ann, bob = await parley_world.comes("ann"), await parley_world.comes("bob", may_return=False)
    await parley_world.match(ann, bob)
    bob.drops()
    await parley_world.settle()
    assert ann.sees(PartnerLeft).reason is LeaveReason.DISCONNECTED


async def test_with_two_connections_only_the_last_one_counts(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob")
    tablet = await parley_world.device(bob)
    await ann.says("both of you")
    assert tablet.sees(MessagePosted).message == bob.sees(MessagePosted).message
    bob.drops()
    await parley_world.advance(60)
    ann.sees_no(PartnerLeft)
    await tablet.goes()
    ann.sees(PartnerLeft)


async def test_one_place_in_the_line_outlives_the_connection_by_the_grace(parley_world: World) -> None:
    ann = await parley_world.comes("ann")
    await ann.searches()
    ann.drops()
    await parley_world.advance(9)
    await ann.returns()
    assert parley_world.chat.lobbies.placed(ann.id) is not None
    await ann.goes()
    assert parley_world.chat.lobbies.placed(ann.id) is None


async def test_the_first_connection_is_online_and_the_last_one_offline(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    bob.drops()
    await parley_world.advance(10)
    assert ann.sees(PresenceChanged).status is PresenceStatus.OFFLINE
    await bob.returns()
    assert ann.sees(PresenceChanged).status is PresenceStatus.ONLINE
    tablet = await parley_world.device(bob)
    bob.unfollows(bob.room)
    await parley_world.settle()
    ann.sees_no(PresenceChanged)
    tablet.unfollows(bob.room)
    await parley_world.settle()
    assert ann.sees(PresenceChanged).status is PresenceStatus.OFFLINE


async def test_coming_back_does_not_count_twice(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    bob.drops()
    await bob.returns()
    bob.unfollows(bob.room)
    await parley_world.settle()
    assert ann.sees(PresenceChanged).status is PresenceStatus.OFFLINE


async def test_who_comes_back_but_follows_no_more_is_offline_after_the_grace(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    bob.drops()
    await _comes_without_following(parley_world, bob)
    ann.sees_no(PresenceChanged)
    await parley_world.advance(10)
    assert ann.sees(PresenceChanged).status is PresenceStatus.OFFLINE


async def test_attendance_counts_connections(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await parley_world.device(bob)
    room = await ann.sees_room()
    followers = parley_world.chat.followers.at(room)
    assert {person: count for person, (_, count) in followers.items()} == {ann.id: 1, bob.id: 2}


async def test_recovery_within_the_limits_is_whole(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    position = await _position(bob)
    for number in range(20):
        await ann.says(f"{number}")
    recovery = await bob.follows(bob.room, position)
    assert recovery.recovered
    assert [event.seq for event in recovery.events] == list(range(position.seq + 1, recovery.offset + 1))


@pytest.mark.parametrize("seq", [-1, 1000])
async def test_a_position_that_cannot_be_recovers_nothing(parley_world: World, seq: int) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await ann.says("hi")
    position = await _position(bob)
    recovery = await bob.follows(bob.room, Position(epoch=position.epoch, seq=seq))
    assert (recovery.recovered, recovery.events) == (False, ())


async def test_another_epoch_recovers_nothing(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await ann.says("hi")
    recovery = await bob.follows(bob.room, Position(epoch="another", seq=1))
    assert (recovery.recovered, recovery.events) == (False, ())


@pytest.mark.parametrize(
    ("missed", "recovered"), [(RECOVERY_EVENTS_MAX, True), (RECOVERY_EVENTS_MAX + 1, False)]
)
async def test_three_hundred_events_are_recovered_and_not_one_more(missed: int, recovered: bool) -> None:
    async with World(Config(rate_limits=False)) as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        position = await _position(bob)
        for number in range(missed):
            await world.chat.do(ann.person, Post(conversation=ann.room, content=f"{number}"))
        assert (await bob.follows(bob.room, position)).recovered is recovered


@pytest.mark.parametrize(
    ("missed", "recovered"), [(EPHEMERAL_EVENTS_MAX, True), (EPHEMERAL_EVENTS_MAX + 1, False)]
)
async def test_of_an_anonymous_room_the_last_hundred_are_kept(missed: int, recovered: bool) -> None:
    async with World(Config(rate_limits=False)) as world:
        ann, bob = await world.pair("ann", "bob")
        position = await _position(bob)
        for number in range(missed):
            await world.chat.do(ann.person, Post(conversation=ann.room, content=f"{number}"))
        assert (await bob.follows(bob.room, position)).recovered is recovered


async def test_an_anonymous_room_is_forgotten_two_minutes_after_its_end(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob")
    await ann.says("a secret")
    await ann.skips()
    room = bob.room
    assert len(await parley_world.chat.messages(bob.person, room)) == 1
    await parley_world.advance(EPHEMERAL_KEPT_S)
    with pytest.raises(Refused):
        await parley_world.chat.messages(bob.person, room)
    assert bob.lost_track_of == [room]
    assert not parley_world.chat.hub.topics()


async def test_typing_is_told_and_never_kept(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await ann.types()
    assert bob.sees(PersonTyped).is_typing
    assert await parley_world.store.after(ann.room, 1, 10) == ()
    eve = await parley_world.comes("eve")
    assert (await eve.is_refused(Type(conversation=ann.room))).code == "unknown_room"


async def test_a_read_mark_is_told_and_never_goes_back(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await ann.says("hi")
    await bob.reads(2)
    assert ann.sees(ReadMarked).seq == 2
    await bob.reads(1)
    ann.sees_no(ReadMarked)
    assert await parley_world.store.read_marks(ann.room) == {bob.id: 2}
    assert (await bob.is_refused(MarkRead(conversation=ann.room, seq=99))).code == "invalid"
    assert (await bob.is_refused(MarkRead(conversation="nowhere", seq=1))).code == "unknown_room"


async def test_in_an_anonymous_room_a_read_mark_is_told_only(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob")
    await ann.says("hi")
    await bob.reads(1)
    assert ann.sees(ReadMarked).seq == 1
    assert await parley_world.store.read_marks(ann.room) == {}


async def test_a_person_has_ten_connections_at_most(parley_world: World) -> None:
    ann = await parley_world.comes("ann")
    for _ in range(9):
        await parley_world.device(ann)
    with pytest.raises(Disconnected) as turned_away:
        await parley_world.device(ann)
    assert turned_away.value.code == 3504
    ann.drops()
    await parley_world.device(ann)


async def test_where_a_person_stands(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await parley_world.match(ann, bob, lobby="anonymous")
    initial_state = await parley_world.chat.initial_state(ann.person)
    assert {room.lobby for room in initial_state.rooms} == {"timed", "anonymous"}
    await ann.ends()
    initial_state = await parley_world.chat.initial_state(ann.person)
    assert [room.lobby for room in initial_state.rooms] == ["timed"]
    await ann.searches()
    waiting = (await parley_world.chat.initial_state(ann.person)).waiting
    assert waiting is not None
    assert waiting.lobby == "anonymous"


async def test_who_left_hears_no_more(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await ann.leaves()
    assert ann.lost_track_of == [ann.room]
    assert ann.sees(RoomEnded).reason == "member_left"
    assert bob.sees(RoomEnded).reason == "member_left"


async def test_following_what_is_not_yours_is_refused(parley_world: World) -> None:
    ann, _ = await parley_world.pair("ann", "bob")
    eve = await parley_world.comes("eve")
    with pytest.raises(Refused):
        await eve.follows(ann.room)
    eve.drops()
    with pytest.raises(Disconnected):
        await eve.follows(ann.room)


async def _comes_without_following(world: World, actor: Actor) -> None:
    world.chat.attach(actor.person, EventsAsTheyAre(), actor)
    await world.settle()


async def _position(actor: Actor) -> Position:
    """Where the actor stands, who follows no more from here on."""
    room = await actor.sees_room()
    actor.unfollows(actor.room)
    return Position(epoch=room.epoch, seq=room.head)


async def test_telling_one_connection_may_end_another(parley_world: World) -> None:
    class Jealous(Actor):
        def push(self, event: Personal) -> None:
            super().push(event)
            tablet.drops()

    ann = await parley_world.comes("ann")
    phone = Jealous(parley_world, ann.person)
    await phone.comes()
    tablet = await parley_world.device(ann)
    await ann.searches()
    assert ann.sees(Waiting)
    tablet.sees_no(Waiting)
