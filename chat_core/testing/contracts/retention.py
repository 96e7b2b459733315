"""The contract of ``ports.RetentionStore``: what is over its age goes, and nothing else."""

import abc
from contextlib import AbstractAsyncContextManager
from random import Random

from chat_core.model.commands import End, JoinChannel, React
from chat_core.ports import Pairing, Store
from chat_core.testing.contracts.expect import equal, true
from chat_core.testing.contracts.stories import STARTS_AT, Author


class RetentionContract(abc.ABC):
    """A part of the contract of stores."""

    @abc.abstractmethod
    def store(self) -> AbstractAsyncContextManager[Store]:
        """An empty store, closed at the end."""

    async def test_old_texts_become_tombstones_and_younger_ones_stay(self) -> None:
        async with self.store() as store:
            author = Author(Random(0))  # noqa: S311 - the same for the same seed
            ann, bob = author.person("ann"), author.person("bob")
            story, other = author.channel("general", ann, bob), author.channel("other", ann)
            for one in (story, other):
                await store.append(one.opening())
            await store.append(story.turn((bob, JoinChannel(name="general"))))
            for n in range(5):
                await store.append(story.post(ann, f"text {n}", client_id=str(n)))
                if n == 1:
                    await store.append(story.turn((bob, React(message=story.newest().id, emoji="👍"))))
                story.now += 10
            await store.append(other.post(ann, "elsewhere"))
            before = await store.messages(story.id, before=None, after=None, limit=9)
            equal(await store.blank_before(story.id, before[2].created_at), 2)
            equal(await store.blank_before(story.id, before[2].created_at), 0, "twice is once")
            after = await store.messages(story.id, before=None, after=None, limit=9)
            equal([one.content for one in after], ["", "", "text 2", "text 3", "text 4"])
            equal([one.deleted for one in after], [True, True, False, False, False])
            equal([one.seq for one in after], [one.seq for one in before], "no seq is missing")
            equal([dict(one.reactions) for one in after], [{}] * 5)
            events = await store.after(story.id, 0, 100)
            equal([event.seq for event in events], list(range(1, story.state.head + 1)))
            true("text 0" not in repr(events) and "text 1" not in repr(events), "a log tells the text of now")
            known = await store.posted(story.id, [(ann.id, "0")])
            equal(known[ann.id, "0"].deleted, True, "a tombstone still answers for its client_id")
            equal(await store.load(story.id), story.state)
            elsewhere = await store.messages(other.id, before=None, after=None, limit=9)
            equal([one.content for one in elsewhere], ["elsewhere"])
            equal(await store.blank_before("nowhere", STARTS_AT), 0)

    async def test_rooms_are_found_by_their_end_and_go_as_a_whole(self) -> None:
        async with self.store() as store:
            author = Author(Random(0))  # noqa: S311 - the same for the same seed
            ann, bob = author.person("ann"), author.person("bob")
            rooms = [author.room(ann, bob, at=STARTS_AT + n) for n in range(4)]
            for room in rooms:
                await store.append(room.opening())
                await store.append(room.post(ann, "hello", client_id="1"))
                await store.append(room.turn((bob, React(message=room.newest().id, emoji="👍"))))
                await store.mark_read(room.id, bob.id, 1)
            ends = []
            for at, room in enumerate((rooms[2], rooms[0], rooms[1])):
                room.now = STARTS_AT + 100 + at
                change = room.turn((ann, End(room=room.id)))
                ends.append(change.events[-1].at)
                await store.append(change)
            equal(list(await store.rooms_ended(ends[2], 9)), [rooms[2].id, rooms[0].id])
            equal(list(await store.rooms_ended(ends[2], 1)), [rooms[2].id])
            message = rooms[2].newest().id
            for _ in range(2):
                await store.drop(rooms[2].id)
            equal(list(await store.rooms_ended(ends[2], 9)), [rooms[0].id])
            equal(await store.load(rooms[2].id), None)
            equal(await store.message(message), None)
            equal(list(await store.after(rooms[2].id, 0, 9)), [])
            equal(dict(await store.read_marks(rooms[2].id)), {})
            equal([room.id for room in await store.rooms_of(ann.id)], [rooms[n].id for n in (3, 1, 0)])
            for room in (rooms[0], rooms[1], rooms[3]):
                equal(await store.load(room.id), room.state)
                equal(list(await store.after(room.id, 0, 9)), room.events())

    async def test_conversations_come_by_id(self) -> None:
        async with self.store() as store:
            author = Author(Random(0))  # noqa: S311 - the same for the same seed
            stories = [author.room(author.person("ann"), author.person("bob")) for _ in range(5)]
            for story in stories:
                await store.append(story.opening())
            ids = sorted(story.id for story in stories)
            equal(list(await store.conversations_from("", 3)), ids[:3])
            equal(list(await store.conversations_from(ids[2], 3)), ids[3:])
            equal(list(await store.conversations_from(ids[4], 3)), [])

    async def test_pairings_are_forgotten_when_they_ended_long_ago(self) -> None:
        async with self.store() as store:
            for n in range(4):
                pairing = Pairing(id=f"s{n}", lobby="anonymous", user_a="a", user_b="b", started_at=STARTS_AT)
                await store.open_pairing(pairing)
            for n in range(3):
                await store.close_pairing(f"s{n}", STARTS_AT + n)
            equal(await store.forget_pairings(STARTS_AT + 2), 2)
            equal([pairing.id for pairing in await store.pairings_of("a")], ["s2", "s3"])
