"""Blocks: answered when they hold, done in the order asked, and never half done for good."""

import asyncio

import pytest

from chat_core import Block, Unavailable, Unblock
from chat_core.adapters.memory.store import MemoryStore
from chat_core.model.events import RoomEnded
from chat_core.model.ids import PersonId
from chat_core.testing import World
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
