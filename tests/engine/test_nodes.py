"""Two nodes on one store and backplane, and one node that starts again."""

import asyncio

import pytest

from chat_core import Change, Chat, Command, CreateChannel, MessagePosted, Post, Stale, Unavailable
from chat_core.adapters.memory.store import MemoryStore
from chat_core.engine.results import Committed
from chat_core.model.commands import DeleteChannel, End, Keep
from chat_core.model.conversation import RoomState
from chat_core.model.events import DecisionOpened, RoomEnded, RoomKept
from chat_core.model.limits import TURN_TRIES_MAX
from chat_core.testing import Actor, FakeClock, World
from tests.support.failing_stores import DeafBackplane, FailingStore


async def test_what_another_node_stored_is_heard_here(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    other = await parley_world.node()
    await _does(other, ann, Post(conversation=ann.room, content="from there"))
    await parley_world.settle()
    assert bob.sees(MessagePosted).message.content == "from there"
    await ann.says("from here")
    assert bob.sees(MessagePosted).message.seq == 3


async def test_a_room_that_ends_on_another_node_frees_its_places_here(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    first = ann.room
    other = await parley_world.node()
    await _does(other, ann, End(room=ann.room))
    await parley_world.settle()
    bob.sees(RoomEnded)
    await parley_world.advance(6)
    await ann.searches("timed")
    await bob.searches("timed")
    await parley_world.advance(6)
    assert ann.room == bob.room != first


async def test_of_two_nodes_one_wins_and_the_other_decides_again() -> None:
    async with World() as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        other = await world.node()
        await other.conversation(ann.person, ann.room)
        posts = [
            chat.do(ann.person, Post(conversation=ann.room, content=f"{number}"))
            for number, chat in enumerate((world.chat, other) * 5)
        ]
        await asyncio.gather(*posts)
        await world.settle()
        assert [event.seq for event in bob.sees_all(MessagePosted)] == list(range(2, 12))


async def test_lost_hints_are_healed_within_five_seconds() -> None:
    clock = FakeClock()
    backplane = DeafBackplane(clock)
    async with World(clock=clock, backplane=backplane) as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        other = await world.node()
        backplane.is_deaf = True
        await _does(other, ann, Post(conversation=ann.room, content="lost"))
        backplane.is_deaf = False
        await world.advance(5)
        assert bob.sees(MessagePosted).message.content == "lost"
        backplane.is_deaf = True
        await _does(other, ann, Post(conversation=ann.room, content="lost too"))
        backplane.is_deaf = False
        await _does(other, ann, Post(conversation=ann.room, content="heard"))
        await world.settle()
        assert [event.message.content for event in bob.sees_all(MessagePosted)] == ["lost too", "heard"]


async def test_a_turn_that_is_behind_catches_up_first() -> None:
    clock = FakeClock()
    backplane = DeafBackplane(clock)
    async with World(clock=clock, backplane=backplane) as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        other = await world.node()
        backplane.is_deaf = True
        await _does(other, ann, Post(conversation=ann.room, content="1", client_id="x"))
        await ann.says("2")
        again = await ann.says("1", client_id="x")
        assert again.repeated
        assert [event.message.content for event in bob.sees_all(MessagePosted)] == ["1", "2"]


async def test_a_deadline_rings_on_both_nodes_and_happens_once(parley_world: World) -> None:
    ann, _ = await parley_world.pair("ann", "bob", lobby="timed")
    other = await parley_world.node()
    assert await other.conversation(ann.person, ann.room)
    await parley_world.advance(300)
    assert len(ann.sees_all(DecisionOpened)) == 1
    await parley_world.advance(30)
    assert len(ann.sees_all(RoomEnded)) == 1


async def test_a_keep_on_each_node_keeps_the_room(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    other = await parley_world.node()
    await ann.keeps()
    await _does(other, bob, Keep(room=bob.room))
    await parley_world.settle()
    ann.sees(RoomKept)


async def test_a_channel_deleted_and_made_again_elsewhere_is_found(parley_world: World) -> None:
    ann, bob = await parley_world.user("ann"), await parley_world.user("bob")
    first = await ann.creates("tea")
    await bob.joins("tea")
    other = await parley_world.node()
    await _does(other, ann, DeleteChannel(name="tea"))
    await _does(other, ann, CreateChannel(name="tea"))
    await parley_world.settle()
    assert (await bob.joins("tea")).id != first.id


async def test_two_nodes_ensure_one_default_channel(parley_world: World) -> None:
    other = await parley_world.node()
    channels = await asyncio.gather(*(chat.channels.ensure("tea") for chat in (parley_world.chat, other)))
    assert channels[0].id == channels[1].id
    assert (await other.channels.ensure("tea")).id == channels[0].id


async def test_a_store_that_is_always_ahead_makes_a_turn_give_up() -> None:
    class Racing(MemoryStore):
        tries = 0

        async def append(self, change: Change) -> None:
            if self.tries:
                self.tries -= 1
                raise Stale("another was faster")
            await super().append(change)

    store = Racing()
    async with World(store=store) as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        store.tries = TURN_TRIES_MAX
        with pytest.raises(Unavailable):
            await ann.says("hi")
        store.tries = TURN_TRIES_MAX - 1
        await ann.says("hi")


async def test_after_a_restart_a_deadline_that_passed_happens_once_and_gives_its_full_time() -> None:
    async with World() as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        await world.restart(away_s=3600)
        await world.advance(0)
        await ann.comes()
        await bob.comes()
        room = await ann.sees_room()
        assert room.state is RoomState.NOTIFICATION
        assert room.deadline == world.clock.now() + 30
        await ann.keeps()
        await bob.keeps()
        ann.sees(RoomKept)


async def test_after_a_restart_a_decision_that_nobody_answered_ends_the_room() -> None:
    async with World() as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        await world.advance(300)
        await world.restart(away_s=60)
        await world.advance(0)
        await ann.comes()
        assert (await ann.sees_room()).state is RoomState.ENDED


async def test_after_a_restart_who_is_in_a_room_still_has_its_place() -> None:
    async with World() as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        room = ann.room
        await world.restart()
        await ann.comes()
        placed = await ann.searches("timed")
        assert placed.room is not None
        assert placed.room.id == room


async def test_a_restart_closes_the_sessions_that_a_crash_left_open() -> None:
    store = MemoryStore()
    async with World(store=store) as world:
        await world.pair("ann", "bob")
        await world.restart(away_s=5)
        assert [session.ended_at for session in store.pairings.values()] == [world.clock.now()]


async def test_a_session_is_closed_when_the_two_part_even_if_the_store_fails_at_first() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, _ = await world.pair("ann", "bob")
        store.fails_before = True
        await ann.leaves()
        store.fails_before = False
        began = world.clock.now()
        await world.advance(2)
        assert [session.ended_at for session in store.pairings.values()] == [began]


async def test_a_chat_that_stops_delivers_what_was_told_and_is_woken_no_more(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    asked = asyncio.ensure_future(
        parley_world.chat.do(ann.person, Post(conversation=ann.room, content="the last word"))
    )
    await asyncio.sleep(0)
    await parley_world.chat.stop()
    await asked
    assert bob.sees(MessagePosted).message.content == "the last word"
    parley_world.chat.alarms.set(("late", ""), parley_world.clock.now(), bob.drops)
    await parley_world.advance(600)
    assert bob.is_connected


async def _does(chat: Chat, actor: Actor, command: Command) -> Committed:
    result = await chat.do(actor.person, command)
    assert isinstance(result, Committed)
    return result
