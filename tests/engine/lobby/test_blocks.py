"""Blocks: answered when they hold, done in the order asked, and never half done for good."""

import asyncio
from random import Random

import pytest

from chat_core import Block, End, Refused, Unavailable, Unblock
from chat_core.adapters.memory.store import MemoryStore
from chat_core.model.conversation import EndReason, Room, RoomState
from chat_core.model.events import RoomEnded
from chat_core.model.ids import PersonId
from chat_core.testing import World
from chat_core.testing.contracts.stories import Author
from tests.support.account_helpers import PASSWORD, tokens
from tests.support.failing_stores import FailingStore


async def test_block_and_unblock_happen_in_the_order_asked() -> None:
    class SlowToUnblock(MemoryStore):
        gate = asyncio.Event()

        async def unblock(self, by: PersonId, person: PersonId) -> None:
            await self.gate.wait()
            await super().unblock(by, person)

    store = SlowToUnblock()
    async with World(store=store) as world:
        ann, bob = await world.user("ann"), await world.user("bob")
        await ann.does(Block(user=bob.id))
        asked = [
            asyncio.ensure_future(world.chat.do(ann.person, command))
            for command in (Unblock(user=bob.id), Block(user=bob.id))
        ]
        await asyncio.sleep(0)
        store.gate.set()
        await asyncio.gather(*asked)
        assert await store.blocked_with(bob.id) == {ann.id}


async def test_a_block_that_was_not_stored_is_not_acknowledged() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, bob = await world.user("ann"), await world.user("bob")
        await ann.searches()
        await ann.cancels()
        store.fails_before = True
        with pytest.raises(Unavailable):
            await ann.does(Block(user=bob.id))
        store.fails_before = False
        await world.match(ann, bob)


async def test_a_block_that_cannot_end_the_common_room_yet_ends_it_when_it_can() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        store.fails_after = True
        with pytest.raises(Unavailable):
            await ann.blocks(bob)
        store.fails_after = False
        await world.advance(1)
        assert bob.sees(RoomEnded).reason == "blocked"
        await ann.blocks(bob)


async def test_one_who_is_not_here_can_be_unblocked(parley_world: World) -> None:
    ann, bob = await parley_world.user("ann"), await parley_world.user("bob")
    await ann.blocks(bob)
    await bob.goes()
    await ann.does(Unblock(user=bob.id))
    assert await parley_world.store.blocked_with(ann.id) == frozenset()


async def test_a_block_ends_every_common_room_however_many_newer_ones_there_are(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    first = ann.room
    author = Author(Random(0))
    now = parley_world.clock.now()
    others = [author.room(ann.person, bob.person, at=now + n) for n in range(1, 202)]
    for story in others:
        await parley_world.store.append(story.opening())
    await ann.blocks(bob)
    for room in (first, *(story.id for story in others)):
        state = await parley_world.store.load(room)
        assert isinstance(state, Room)
        assert state.state is RoomState.ENDED
        assert state.reason is EndReason.BLOCKED


async def test_ended_rooms_do_not_hide_an_open_one_from_a_block(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    first, author = ann.room, Author(Random(0))
    for n in range(1, 202):
        story = author.room(ann.person, bob.person, at=parley_world.clock.now() + n)
        await parley_world.store.append(story.opening())
        await parley_world.store.append(story.turn((ann.person, End(room=story.id))))
    await bob.blocks(ann)
    state = await parley_world.store.load(first)
    assert isinstance(state, Room)
    assert state.state is RoomState.ENDED


async def test_a_user_who_is_not_here_can_be_blocked() -> None:
    async with World(tokens=tokens()) as world:
        await world.chat.accounts.register("bob", "bob@example.org", PASSWORD)
        bob = await world.accounts.by_username("bob")
        assert bob is not None
        assert world.chat.people.get(bob.id) is None
        ann = await world.user("ann")
        await ann.does(Block(user=bob.id))
        assert await world.store.blocked_with(bob.id) == {ann.id}


async def test_nobody_at_all_cannot_be_blocked(parley_world: World) -> None:
    ann = await parley_world.user("ann")
    with pytest.raises(Refused) as refused:
        await ann.does(Block(user="018bcfe5-6800-7e80-ba59-b849de305d16"))
    assert refused.value.code == "unknown_user"
