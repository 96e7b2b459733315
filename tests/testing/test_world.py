"""The testing package itself: a clock that stands still, people whose expectations fail loudly."""

import asyncio

import pytest

from chat_core import Chat, Disconnected, MessagePosted, Search
from chat_core.testing import FakeClock, NotSeen, World


async def test_time_stands_still_until_it_is_moved(parley_clock: FakeClock) -> None:
    rung: list[float] = []
    began = parley_clock.now()
    for seconds in (2.0, 1.0):
        parley_clock.call_at(began + seconds, lambda: rung.append(parley_clock.now() - began))
    parley_clock.call_at(began + 1.5, lambda: rung.append(0.0)).cancel()
    await parley_clock.advance(0.5)
    assert rung == []
    await parley_clock.advance(10)
    assert rung == [1.0, 2.0]
    assert parley_clock.now() == began + 10.5


async def test_a_clock_never_goes_back(parley_clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="cannot go back"):
        parley_clock.set(parley_clock.now() - 1)


async def test_an_alarm_may_cancel_one_that_is_due_with_it(parley_clock: FakeClock) -> None:
    rung: list[int] = []
    second = parley_clock.call_at(parley_clock.now(), lambda: rung.append(2))
    parley_clock.call_at(parley_clock.now() - 1, second.cancel)
    assert parley_clock.ring() == 1
    assert rung == []


async def test_the_clock_lets_a_chat_finish_at_each_alarm(parley_clock: FakeClock, parley_chat: Chat) -> None:
    ann, bob = parley_chat.guest("ann"), parley_chat.guest("bob")
    async with parley_chat.connect(ann), parley_chat.connect(bob):
        for person in (ann, bob):
            await parley_chat.do(person, Search(lobby="timed"))
        initial_state = await parley_chat.initial_state(ann)
        await parley_clock.advance(330)
        assert (await parley_chat.conversation(ann, initial_state.rooms[0].id)).head == 3


async def test_what_is_watched_no_longer_is_not_waited_for(parley_clock: FakeClock) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    end = parley_clock.watch(never)
    end()
    end()
    await parley_clock.advance(1)


async def test_an_expectation_that_fails_says_what_was_seen(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob")
    with pytest.raises(NotSeen, match="bob saw no MessagePosted, but nothing"):
        bob.sees(MessagePosted)
    await ann.says("hi")
    with pytest.raises(NotSeen, match="bob saw MessagePosted"):
        bob.sees_no(MessagePosted)
    with pytest.raises(NotSeen, match="was allowed"):
        await bob.is_refused(Search(lobby="anonymous"))


async def test_people_who_suit_nobody_are_not_paired(parley_world: World) -> None:
    ann = await parley_world.user("ann", partition="a")
    bob = await parley_world.user("bob", partition="b")
    with pytest.raises(NotSeen, match="were not paired"):
        await parley_world.match(ann, bob)
    ann.room = (await ann.creates("tea")).id
    with pytest.raises(NotSeen, match="is in no room"):
        await ann.sees_room()


async def test_who_has_dropped_is_not_connected(parley_world: World) -> None:
    ann = await parley_world.comes("ann")
    ann.connection.end(3503, "banned")
    assert not ann.is_connected
    with pytest.raises(Disconnected, match="banned"):
        ann.unfollows("anything")


def test_a_world_is_entered_first() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        World().chat  # noqa: B018
