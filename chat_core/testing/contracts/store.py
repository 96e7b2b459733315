"""The contract of ``ports.Store``: that of a log, and what is found by person, name and state."""

import abc
import asyncio
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Final

import attrs

from chat_core.model.commands import (
    DeleteChannel,
    End,
    JoinChannel,
    Keep,
    Leave,
    LeaveChannel,
    Start,
)
from chat_core.model.events import OwnerChanged
from chat_core.model.person import Person
from chat_core.ports import Change, Log, Pairing, Store
from chat_core.rules.log import evolve
from chat_core.testing.contracts.expect import equal, true
from chat_core.testing.contracts.log import LogContract
from chat_core.testing.contracts.notifications import NotificationsContract
from chat_core.testing.contracts.personal_data import PersonalDataContract
from chat_core.testing.contracts.reading import ReadingContract
from chat_core.testing.contracts.retention import RetentionContract
from chat_core.testing.contracts.stories import STARTS_AT, Author, Story

ROOMS_LISTED_MAX: Final = 200
ANN, BOB, CLEO = "ann-id", "bob-id", "cleo-id"


class StoreContract(
    ReadingContract, LogContract, PersonalDataContract, NotificationsContract, RetentionContract
):
    """Subclass it with ``store``."""

    @abc.abstractmethod
    def store(self) -> AbstractAsyncContextManager[Store]:
        """An empty store, closed at the end."""

    def log(self) -> AbstractAsyncContextManager[Log]:
        return self.store()

    # Rooms

    async def test_live_rooms_are_those_neither_kept_nor_ended_by_id(self) -> None:
        async with self.store() as store:
            author = _author()
            people = ann, bob = author.person("ann"), author.person("bob")
            stories = [author.room(*people) for _ in range(6)]
            for story in reversed(stories):
                await store.append(story.opening())
            await store.append(author.channel("general", ann).opening())
            fresh, running, ended, kept, again, closed = stories
            for story in (running, kept, again):
                await store.append(story.turn((ann, Start(room=story.id))))
            await store.append(ended.turn((bob, Leave(room=ended.id))))
            for story in (kept, again):
                await store.append(story.turn((ann, Keep(room=story.id)), (bob, Keep(room=story.id))))
            await store.append(again.turn((bob, Start(room=again.id))))
            await store.append(closed.turn((ann, End(room=closed.id))))
            wanted = sorted((fresh.state, running.state, again.state), key=lambda room: room.id)
            equal(list(await store.live_rooms()), wanted)

    async def test_the_rooms_of_a_person_are_those_where_it_is_listed_newest_first(self) -> None:
        async with self.store() as store:
            author = _author()
            ann, bob, cleo = (author.person(name) for name in ("ann", "bob", "cleo"))
            times = (30.0, 10.0, 20.0, 20.0)
            stories = [author.room(ann, bob, at=STARTS_AT + time) for time in times]
            stories.append(author.room(bob, cleo))
            for story in stories:
                await store.append(story.opening())
            await store.append(author.channel("general", ann).opening())
            await store.append(stories[0].turn((ann, Leave(room=stories[0].id))))
            await store.append(stories[1].post(ann, "hello"))
            wanted = sorted((s.state for s in stories[:4]), key=lambda r: (r.created_at, r.id), reverse=True)
            equal(list(await store.rooms_of(ann.id)), wanted)
            equal(list(await store.rooms_of(cleo.id)), [stories[4].state])
            equal(list(await store.rooms_of("nobody")), [])

    async def test_at_most_two_hundred_rooms_are_told_the_newest(self) -> None:
        async with self.store() as store:
            author = _author()
            people = ann, _ = author.person("ann"), author.person("bob")
            stories = [author.room(*people, at=STARTS_AT + n) for n in range(ROOMS_LISTED_MAX + 5)]
            await asyncio.gather(*(store.append(story.opening()) for story in stories))
            newest = [story.state for story in reversed(stories[5:])]
            equal(list(await store.rooms_of(ann.id)), newest)

    # Channels

    async def test_the_channels_of_a_person_are_those_it_is_a_member_of_by_id(self) -> None:
        async with self.store() as store:
            author = _author()
            ann, bob = author.person("ann"), author.person("bob")
            made = [author.channel(name, ann, bob) for name in ("b", "a", "d", "c")]
            for story in made:
                await store.append(story.opening())
                await store.append(_joins(story, bob))
            await store.append(author.channel("other", ann).opening())
            await store.append(author.room(ann, bob).opening())
            await store.append(made[2].turn((bob, LeaveChannel(name="d"))))
            await store.append(made[3].turn((ann, DeleteChannel(name="c"))))
            equal(list(await store.channels_of(bob.id)), sorted([made[0].id, made[1].id]))
            await store.append(_joins(made[2], bob))
            back = sorted(story.id for story in made[:3])
            equal(list(await store.channels_of(bob.id)), back, "who comes back is a member again")
            equal(list(await store.channels_of("nobody")), [])

    async def test_a_channel_that_was_handed_over_says_so(self) -> None:
        async with self.store() as store:
            author = _author()
            ann, bob = author.person("ann"), author.person("bob")
            story = author.channel("general", ann, bob)
            await store.append(story.opening())
            await store.append(_joins(story, bob))
            await store.append(story.turn((ann, LeaveChannel(name="general", new_owner=bob.id))))
            equal(await store.load(story.id), story.state)
            equal(list(await store.channels_of(ann.id)), [])

    async def test_who_hands_a_channel_over_and_stays_is_a_member_like_others(self) -> None:
        async with self.store() as store:
            author = _author()
            ann, bob = author.person("ann"), author.person("bob")
            story = author.channel("general", ann, bob)
            await store.append(story.opening())
            await store.append(_joins(story, bob))
            head = story.state.head
            handed_over = OwnerChanged(
                conversation=story.id, seq=head + 1, at=story.now, by=ann.id, owner=bob.id, person=bob.card
            )
            after = evolve(story.state, handed_over)
            await store.append(Change(after=after, expected=head, events=(handed_over,)))
            equal(await store.load(story.id), after)

    async def test_a_channel_is_found_by_its_name_until_it_is_deleted(self) -> None:
        async with self.store() as store:
            author = _author()
            ann = author.person("ann")
            story = author.channel("general", ann)
            equal(await store.channel_named("general"), None)
            await store.append(story.opening())
            equal(await store.channel_named("general"), story.state)
            await store.append(story.post(ann, "hello"))
            equal(await store.channel_named("general"), story.state)
            equal(await store.channel_named("genera"), None)
            await store.append(story.turn((ann, DeleteChannel(name="general"))))
            equal(await store.channel_named("general"), None)

    async def test_who_leaves_and_comes_back_in_one_turn_stands_last(self) -> None:
        async with self.store() as store:
            author = _author()
            people = ann, bob, cleo = [author.person(name) for name in ("ann", "bob", "cleo")]
            story = author.channel("general", *people)
            await store.append(story.opening())
            await store.append(
                story.turn((bob, JoinChannel(name="general")), (cleo, JoinChannel(name="general")))
            )
            back = ((bob, LeaveChannel(name="general")), (bob, JoinChannel(name="general")))
            await store.append(story.turn(*back))
            found = await store.load(story.id)
            equal(list(found.members) if found else None, [ann.id, cleo.id, bob.id])

    # Sessions

    async def test_a_session_is_opened_and_closed_once(self) -> None:
        async with self.store() as store:
            pairing = Pairing(id="s1", lobby="anonymous", user_a=ANN, user_b=BOB, started_at=STARTS_AT)
            await store.open_pairing(pairing)
            await store.open_pairing(attrs.evolve(pairing, user_b=CLEO))
            await store.close_pairing("s1", STARTS_AT + 5)
            await store.close_pairing("s1", STARTS_AT + 9)
            await store.open_pairing(pairing)
            equal(await store.close_open_pairings(STARTS_AT + 10), 0, "left open")

    async def test_what_a_crash_left_open_is_closed_and_counted(self) -> None:
        async with self.store() as store:
            for n in range(3):
                await store.open_pairing(
                    Pairing(id=f"s{n}", lobby="anonymous", user_a=ANN, user_b=BOB, started_at=STARTS_AT)
                )
            await store.close_pairing("s1", STARTS_AT + 1)
            await store.close_pairing("unknown", STARTS_AT + 1)
            equal(await store.close_open_pairings(STARTS_AT + 2), 2)
            equal(await store.close_open_pairings(STARTS_AT + 3), 0)

    # Blocks

    async def test_a_block_counts_both_ways_once_until_it_is_taken_back(self) -> None:
        async with self.store() as store:
            equal(await store.blocked_with(ANN), frozenset())
            await store.block(ANN, BOB, STARTS_AT)
            await store.block(ANN, BOB, STARTS_AT + 1)
            await store.block(CLEO, ANN, STARTS_AT)
            equal(await store.blocked_with(ANN), frozenset({BOB, CLEO}))
            equal(await store.blocked_with(BOB), frozenset({ANN}))
            await store.unblock(BOB, ANN)
            equal(await store.blocked_with(ANN), frozenset({BOB, CLEO}), "only who blocked can take it back")
            await store.unblock(ANN, BOB)
            await store.unblock(ANN, BOB)
            equal(await store.blocked_with(ANN), frozenset({CLEO}))
            equal(await store.blocked_with(BOB), frozenset())

    async def test_a_block_of_the_other_side_outlives_the_own(self) -> None:
        async with self.store() as store:
            await store.block(ANN, BOB, STARTS_AT)
            await store.block(BOB, ANN, STARTS_AT)
            await store.unblock(ANN, BOB)
            equal(await store.blocked_with(ANN), frozenset({BOB}))

    # Read marks

    async def test_a_read_mark_only_moves_forward(self) -> None:
        async with self.store() as store:
            equal(dict(await store.read_marks("c1")), {})
            equal(await store.mark_read("c1", ANN, 0), False, "everybody stands at 0")
            moves = [await store.mark_read("c1", ANN, seq) for seq in (3, 3, 2, 4)]
            equal(moves, [True, False, False, True])
            equal(await store.mark_read("c1", BOB, 1), True)
            equal(await store.mark_read("c2", ANN, 9), True)
            equal(dict(await store.read_marks("c1")), {ANN: 4, BOB: 1})

    # The store itself

    async def test_a_store_says_whether_it_is_durable_and_that_it_can_write(self) -> None:
        async with self.store() as store:
            equal(type(store.durable), bool)
            await store.check()

    async def test_closing_finishes_what_was_begun_and_is_harmless_twice(self) -> None:
        async with self.store() as store:
            author = _author()
            stories = [author.room(author.person("ann"), author.person("bob")) for _ in range(20)]
            begun = [asyncio.ensure_future(store.append(story.opening())) for story in stories]
            await asyncio.sleep(0)
            await asyncio.gather(store.close(), store.close())
            await store.close()
            true(
                all(done.done() and done.exception() is None for done in begun), "what was begun is finished"
            )


def _author() -> Author:
    return Author(Random(0))  # noqa: S311 - the same for the same seed


def _joins(story: Story, person: Person) -> Change:
    return story.turn((person, JoinChannel(name=getattr(story.opened, "name", ""))))
