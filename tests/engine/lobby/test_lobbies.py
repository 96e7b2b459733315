"""Lobbies: who is paired with whom, who keeps the place in the line, who is never paired."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random

import pytest

from chat_core import Block, CancelSearch, Config, MayPair, Pair, Refused, Search, Seeker, Skip
from chat_core.model.events import LeaveReason, Matched, PartnerLeft, RoomEnded, Waiting
from chat_core.rules.lobby import Place
from chat_core.testing import Actor, World
from tests.support.failing_stores import FailingStore


async def test_who_waits_is_told_its_position(parley_world: World) -> None:
    ann = await parley_world.comes("ann")
    placed = await ann.searches()
    assert (placed.room, placed.position) == (None, 1)
    assert ann.sees(Waiting).position == 1


async def test_searching_twice_keeps_the_place(parley_world: World) -> None:
    ann = await parley_world.comes("ann")
    first = await ann.searches()
    await parley_world.advance(3)
    assert await ann.searches() == first


async def test_who_cancels_is_not_paired(parley_world: World) -> None:
    ann, bob = await parley_world.comes("ann"), await parley_world.comes("bob")
    await ann.searches()
    await ann.cancels()
    assert (await bob.searches()).room is None


async def test_who_is_in_a_room_gets_that_room_again(parley_world: World) -> None:
    ann, _ = await parley_world.pair("ann", "bob")
    placed = await ann.searches()
    assert placed.room is not None
    assert placed.room.id == ann.room


async def test_one_may_be_in_both_lobbies_and_be_paired_in_both_at_once(parley_world: World) -> None:
    ann, bob = await parley_world.comes("ann"), await parley_world.comes("bob")
    for lobby in ("anonymous", "timed"):
        await ann.searches(lobby)
        await bob.searches(lobby)
    assert {match.lobby for match in bob.sees_all(Matched)} == {"anonymous", "timed"}


async def test_a_lobby_that_is_none_is_refused(parley_world: World) -> None:
    ann = await parley_world.comes("ann")
    assert (await ann.is_refused(Search(lobby="nowhere"))).code == "unknown_lobby"
    assert (await ann.is_refused(CancelSearch(lobby="nowhere"))).code == "unknown_lobby"


async def test_skipping_leaves_and_searches_again_at_the_end_of_the_line(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob")
    placed = await ann.skips()
    assert placed.position == 1
    assert bob.sees(PartnerLeft).reason is LeaveReason.LEFT
    assert parley_world.chat.lobbies.placed(bob.id) is None


async def test_a_room_that_no_lobby_made_cannot_be_skipped(parley_world: World) -> None:
    ann = await parley_world.user("ann")
    channel = await ann.creates("tea")
    assert (await ann.is_refused(Skip(room=channel.id))).code == "unknown_room"
    assert (await ann.is_refused(Skip(room="nowhere"))).code == "unknown_room"


async def test_who_was_left_goes_before_those_who_came_later(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob")
    await ann.skips()  # waits with a new rank
    await bob.searches(again=True)  # with the old one
    assert [seeker.person.id for seeker in parley_world.chat.lobbies.queues["anonymous"].waiting()] == [
        bob.id,
        ann.id,
    ]
    cid = await parley_world.comes("cid")
    await cid.searches()
    assert cid.room == bob.room != ann.room


async def test_two_who_just_parted_meet_again_only_after_the_pause(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob")
    first = ann.room
    await ann.skips()
    await bob.searches()
    await parley_world.advance(4)
    assert ann.room == first
    await parley_world.advance(2)
    assert ann.room == bob.room != first


async def test_a_pair_whose_room_cannot_be_stored_keeps_its_places() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, bob = await world.comes("ann"), await world.comes("bob")
        store.fails_before = True
        await ann.searches("timed")
        placed = await bob.searches("timed")
        assert placed.position == 2
        store.fails_before = False
        await world.advance(1)
        assert ann.room == bob.room != ""


async def test_a_pair_that_may_have_been_stored_is_never_paired_twice() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, bob = await world.comes("ann"), await world.comes("bob")
        cid = await world.comes("cid")
        store.fails_after = store.cannot_read = True
        await ann.searches("timed")
        assert (await bob.searches("timed")).room is None
        assert (await cid.searches("timed")).room is None
        store.fails_after = store.cannot_read = False
        await world.advance(1)
        assert ann.room == bob.room != ""
        assert cid.room == ""
        assert len(await store.live_rooms()) == 1


async def test_a_chat_that_stops_waits_for_no_store_that_does_not_answer() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, bob = await world.comes("ann"), await world.comes("bob")
        store.fails_after = store.cannot_read = True
        await ann.searches("timed")
        await bob.searches("timed")


async def test_an_anonymous_pair_that_cannot_be_written_down_leaves_no_session_open() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, bob = await world.comes("ann"), await world.comes("bob")
        store.fails_before = True
        await ann.searches()
        await bob.searches()
        store.fails_before = False
        await world.advance(2)
        assert ann.room == bob.room != ""
        await ann.skips()
        await world.advance(2)
        assert [session.ended_at is None for session in store.pairings.values()] == [False]


async def test_who_goes_while_the_pair_is_made_is_gone_and_the_other_hears_so() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, bob = await world.comes("ann"), await world.comes("bob", may_return=False)
        await ann.searches()
        await _while_a_pair_is_made(world, store, bob, bob.drops)
        assert ann.sees(PartnerLeft).reason is LeaveReason.DISCONNECTED


async def test_a_block_while_the_pair_is_made_undoes_it() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, bob = await world.comes("ann"), await world.comes("bob")
        await ann.searches("timed")
        queue = world.chat.lobbies.queues["timed"]
        await _while_a_pair_is_made(
            world, store, bob, lambda: world.chat.lobbies.block(ann.id, bob.id), lobby="timed"
        )
        assert ann.sees(RoomEnded).reason == "blocked"
        assert not list(queue.people())


async def test_blocking_ends_the_common_room_and_pairs_never_again(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob")
    first = ann.room
    await ann.blocks(bob)
    assert bob.sees(RoomEnded).reason == "blocked"
    await ann.searches()
    await bob.searches()
    await parley_world.advance(60)
    assert ann.room == bob.room == first
    await ann.unblocks(bob)
    await ann.cancels()
    await bob.cancels()
    await ann.searches()
    await bob.searches()
    await parley_world.advance(6)
    assert ann.room == bob.room != first


async def test_one_who_has_left_can_still_be_blocked_by_the_pseudonym(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob")
    first, card = ann.room, ann.sees_as(bob)
    assert card != bob.id
    await ann.skips()
    await ann.does(Block(user=card))
    await bob.searches()
    await parley_world.advance(60)
    assert ann.room == bob.room == first


async def test_a_block_meets_who_is_in_the_line_already(parley_world: World) -> None:
    ann, bob = await parley_world.user("ann"), await parley_world.user("bob")
    await ann.searches()
    await bob.blocks(ann)
    await bob.searches()
    await parley_world.advance(10)
    assert ann.room == bob.room == ""


async def test_nobody_blocks_oneself(parley_world: World) -> None:
    ann = await parley_world.comes("ann")
    assert (await ann.is_refused(Block(user=ann.id))).code == "invalid"


async def test_partitions_are_never_crossed(parley_world: World) -> None:
    ann = await parley_world.user("ann", partition="adults")
    bob = await parley_world.user("bob", partition="minors")
    await ann.searches()
    await bob.searches()
    await parley_world.advance(60)
    assert ann.room == bob.room == ""


async def test_a_matcher_that_fails_or_lies_pairs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter((ValueError("oh"), "twice"))

    def matcher(waiting: Sequence[Seeker], may_pair: MayPair, rng: Random) -> list[Pair]:
        match next(answers, None):
            case ValueError() as error:
                raise error
            case "twice":
                return [(waiting[0], waiting[1]), (waiting[0], waiting[1])]
        return [(waiting[0], waiting[1])]

    async with World(Config(matcher=matcher)) as world:
        ann, bob = await world.comes("ann"), await world.comes("bob")
        await ann.searches("timed")
        assert (await bob.searches("timed")).room is None
        await world.advance(1)
        assert ann.room == ""
        await world.advance(1)
        assert ann.room == bob.room != ""
    assert "failed" in caplog.text
    assert "returned an invalid pair" in caplog.text


async def test_a_chat_that_stops_pairs_nobody_any_more() -> None:
    pairs_now = False

    def matcher(waiting: Sequence[Seeker], may_pair: MayPair, rng: Random) -> list[Pair]:
        return [(waiting[0], waiting[1])] if pairs_now else []

    async with World(Config(matcher=matcher)) as world:
        ann, bob, cleo = [await world.comes(name) for name in ("ann", "bob", "cleo")]
        await ann.searches("timed")
        await bob.searches("timed")
        world.chat.lobbies.stop()
        with pytest.raises(Refused):
            await cleo.searches("timed")
        pairs_now = True
        await world.advance(5)  # the matcher would be asked again every second
        assert ann.room == bob.room == ""


async def _while_a_pair_is_made(
    world: World,
    store: FailingStore,
    last: Actor,
    happens: Callable[[], None],
    *,
    lobby: str = "anonymous",
) -> None:
    """``last`` searches, and while the store is writing ``happens`` is called."""
    store.gate = asyncio.Event()
    asked = asyncio.ensure_future(world.chat.do(last.person, Search(lobby=lobby)))
    await store.arrived.wait()
    happens()
    store.gate.set()
    await asked
    await world.settle()


async def test_a_pair_whose_room_ended_before_anybody_knew_of_it_is_back_in_the_line() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, bob = await world.comes("ann"), await world.comes("bob")
        store.fails_after = store.cannot_read = True
        await ann.searches("timed")
        await bob.searches("timed")
        store.fails_after = store.cannot_read = False
        await ann.does(Block(user=bob.id))  # it finds the room in the store, and ends it
        await world.advance(1)
        assert ann.room == bob.room == ""
        places = dict(world.chat.lobbies.queues["timed"].people())
        assert places == {ann.id: Place.SEEKING, bob.id: Place.SEEKING}
