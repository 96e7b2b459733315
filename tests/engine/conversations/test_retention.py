"""What is over its age goes by itself: rooms and pairings after a month, texts where an age was set."""

import pytest

from chat_core import Config
from chat_core.engine.results import Committed
from chat_core.model.errors import Unavailable
from chat_core.model.limits import ENDED_ROOM_KEPT_S, PAIRING_KEPT_S, RETENTION_SWEPT_S
from chat_core.model.message import Message
from chat_core.testing import Actor, World
from tests.support.failing_stores import FailingStore

HOUR = 3600.0
KEPT = Config(countdown_s=60, notification_s=60, texts_kept_s=2 * HOUR)


async def said(who: Actor, text: str) -> Message:
    committed: Committed = await who.says(text)
    assert committed.message is not None
    return committed.message


async def later(world: World, seconds: float) -> None:
    """So much later, when somebody looks for what is over its age."""
    world.clock.set(world.clock.now() + seconds)
    await world.chat.retention.sweep()


async def test_a_text_becomes_a_tombstone_by_itself_when_it_is_older_than_texts_are_kept() -> None:
    async with World(KEPT) as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        message = await said(ann, "hello")
        await world.advance(2 * HOUR)
        assert await world.store.message(message.id) == message
        await world.advance(RETENTION_SWEPT_S + 1)
        found = await world.store.message(message.id)
        assert found is not None
        assert (found.content, found.deleted) == ("", True)


async def test_texts_are_kept_for_good_where_no_age_is_set() -> None:
    async with World() as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        message = await said(ann, "hello")
        await later(world, 400 * 24 * HOUR)
        assert await world.store.message(message.id) == message


async def test_a_room_goes_a_month_after_its_end_and_one_that_goes_on_stays() -> None:
    async with World() as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        cleo, _ = await world.pair("cleo", "dave", lobby="timed")
        ended, going_on = ann.room, cleo.room
        await said(ann, "hello")
        await ann.ends()
        await later(world, ENDED_ROOM_KEPT_S - 1)
        assert await world.store.load(ended) is not None
        await later(world, 2)
        assert await world.store.load(ended) is None
        assert await world.chat.conversations.state(ended) is None
        assert await world.store.load(going_on) is not None


async def test_who_met_is_forgotten_a_month_after_they_parted() -> None:
    async with World() as world:
        ann, _ = await world.pair("ann", "bob")
        await ann.leaves()
        await later(world, PAIRING_KEPT_S - 1)
        assert len(await world.store.pairings_of(ann.person.id)) == 1
        await later(world, 2)
        assert list(await world.store.pairings_of(ann.person.id)) == []


async def test_a_store_that_fails_is_asked_again_an_hour_later() -> None:
    class Failing(FailingStore):
        async def forget_pairings(self, before: float) -> int:
            if self.fails_before:
                raise Unavailable("nothing was removed")
            return await super().forget_pairings(before)

    store = Failing()
    async with World(KEPT, store=store) as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        message = await said(ann, "hello")
        store.fails_before = True
        await world.advance(3 * HOUR + 1)
        with pytest.raises(Unavailable):
            await world.chat.retention.sweep()
        assert await world.store.message(message.id) == message
        store.fails_before = False
        await world.advance(RETENTION_SWEPT_S)
        found = await world.store.message(message.id)
        assert found is not None
        assert found.deleted
