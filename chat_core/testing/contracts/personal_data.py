"""The contract of ``ports.PersonalData``: all that concerns one person is found, and can be gone."""

import abc
from contextlib import AbstractAsyncContextManager
from random import Random

from chat_core.model.commands import JoinChannel, LeaveChannel, React
from chat_core.model.person import nobody
from chat_core.ports import Pairing, Store
from chat_core.testing.contracts.expect import equal, true
from chat_core.testing.contracts.stories import STARTS_AT, Author


class PersonalDataContract(abc.ABC):
    """A part of the contract of stores."""

    @abc.abstractmethod
    def store(self) -> AbstractAsyncContextManager[Store]:
        """An empty store, closed at the end."""

    async def test_the_conversations_of_a_person_are_also_those_it_has_left(self) -> None:
        async with self.store() as store:
            author = Author(Random(0))  # noqa: S311 - the same for the same seed
            ann, bob = author.person("ann"), author.person("bob")
            channel, room, other = (
                author.channel("general", ann, bob),
                author.room(ann, bob),
                author.channel("x", ann),
            )
            for story in (channel, room, other):
                await store.append(story.opening())
            await store.append(channel.turn((bob, JoinChannel(name="general"))))
            equal(list(await store.conversations_of(bob.id)), sorted([channel.id, room.id]))
            await store.append(channel.turn((bob, LeaveChannel(name="general"))))
            equal(list(await store.conversations_of(bob.id)), sorted([channel.id, room.id]))
            equal(list(await store.conversations_of("nobody")), [])

    async def test_what_a_person_wrote_and_reacted_to_comes_in_order(self) -> None:
        async with self.store() as store:
            author = Author(Random(0))  # noqa: S311 - the same for the same seed
            ann, bob = author.person("ann"), author.person("bob")
            story = author.channel("general", ann, bob)
            await store.append(story.opening())
            await store.append(story.turn((bob, JoinChannel(name="general"))))
            for who, text in ((ann, "one"), (bob, "two"), (ann, "three"), (ann, "four")):
                await store.append(story.post(who, text))
            newest = story.newest()
            await store.append(story.turn((bob, React(message=newest.id, emoji="👍"))))
            mine = await store.written_by(story.id, ann.id, after=0, limit=2)
            equal([message.content for message in mine], ["one", "three"])
            rest = await store.written_by(story.id, ann.id, after=mine[-1].seq, limit=2)
            equal([message.content for message in rest], ["four"])
            equal(dict(rest[0].reactions), {"👍": (bob.id,)})
            equal(list(await store.reactions_of(story.id, bob.id)), [(newest.id, "👍")])
            equal(list(await store.reactions_of(story.id, ann.id)), [])
            equal(list(await store.written_by("nowhere", ann.id, after=0, limit=2)), [])
            equal(list(await store.reactions_of("nowhere", ann.id)), [])

    async def test_blocks_marks_and_pairings_are_found_and_dropped(self) -> None:
        async with self.store() as store:
            await store.block("ann", "bob", STARTS_AT)
            await store.block("bob", "ann", STARTS_AT)
            await store.block("bob", "cleo", STARTS_AT)
            await store.mark_read("c1", "ann", 3)
            await store.mark_read("c1", "bob", 4)
            met = {"lobby": "anonymous", "started_at": STARTS_AT}
            await store.open_pairing(Pairing(id="s1", user_a="ann", user_b="bob", **met))  # type: ignore[arg-type]
            await store.open_pairing(Pairing(id="s2", user_a="bob", user_b="ann", **met))  # type: ignore[arg-type]
            equal(dict(await store.blocks_of("ann")), {"bob": STARTS_AT})
            equal(dict(await store.marks_of("ann")), {"c1": 3})
            equal([pairing.id for pairing in await store.pairings_of("ann")], ["s1", "s2"])
            await store.forget_person("ann")
            await store.forget_person("ann")
            equal(dict(await store.blocks_of("ann")), {})
            equal(await store.blocked_with("bob"), frozenset({"cleo"}))
            equal(dict(await store.marks_of("ann")), {})
            equal(dict(await store.read_marks("c1")), {"bob": 4})
            equal(list(await store.pairings_of("ann")), [])
            equal([(s.user_a, s.user_b) for s in await store.pairings_of("bob")], [("", "bob"), ("bob", "")])

    async def test_who_is_anonymised_leaves_an_id_and_tombstones(self) -> None:
        async with self.store() as store:
            author = Author(Random(0))  # noqa: S311 - the same for the same seed
            ann, bob = author.person("ann"), author.person("bob")
            story = author.channel("general", ann, bob)
            await store.append(story.opening())
            await store.append(story.turn((bob, JoinChannel(name="general"))))
            await store.append(story.post(bob, "canary", client_id="1"))
            await store.append(story.post(ann, "hello"))
            await store.append(story.turn((bob, React(message=story.newest().id, emoji="👍"))))
            await store.anonymise(story.id, bob.id, nobody(bob.id))
            await store.anonymise("nowhere", bob.id, nobody(bob.id))
            state = await store.load(story.id)
            true(state is not None and state.head == story.state.head, "no event is written")
            if state is not None:
                equal(state.members[bob.id].card, nobody(bob.id))
                equal(state.members[ann.id].card, ann.card)
            first, second = await store.messages(story.id, before=None, after=None, limit=9)
            equal((first.content, first.deleted, first.author), ("", True, nobody(bob.id)))
            equal(
                (second.content, second.author, dict(second.reactions)),
                ("hello", ann.card, {"👍": (bob.id,)}),
            )
            events = await store.after(story.id, 0, 99)
            equal([event.seq for event in events], list(range(1, story.state.head + 1)))
            for secret in ("canary", bob.username, bob.display_name):
                true(secret not in repr(events), f"{secret} is left in the events")
            true(ann.username in repr(events), "others keep their names")

    async def test_a_pseudonym_stays_as_it_is(self) -> None:
        async with self.store() as store:
            author = Author(Random(0))  # noqa: S311 - the same for the same seed
            ann, bob = author.person("ann"), author.person("bob")
            story = author.room(ann, bob)
            await store.append(story.opening())
            await store.anonymise(story.id, "somebody else", nobody("somebody else"))
            equal(await store.load(story.id), story.state)
