"""The contract of ``ports.Log``, which stores and backplanes share."""

import abc
import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Final

from chat_core.model.commands import Delete, DeleteChannel, Edit, Post, React, Unreact
from chat_core.model.conversation import Conversation, Persistence
from chat_core.model.events import Logged
from chat_core.model.limits import EPHEMERAL_EVENTS_MAX
from chat_core.model.message import Message
from chat_core.ports import ClientIdTaken, Log, NameTaken, Stale
from chat_core.testing.contracts.expect import equal, raises, true
from chat_core.testing.contracts.stories import Author, Story

SEEDS: Final = 12  # random stories
STORY_EVENTS_MAX: Final = EPHEMERAL_EVENTS_MAX - 15  # a turn more, and still no log is cut
SECRET: Final = "a word that has to go"  # noqa: S105 - a text to look for
FAR: Final = 10**9  # above any seq


class LogContract(abc.ABC):
    """Subclass it with ``log``; ``retention`` is that of the conversations it keeps."""

    persistence: Persistence = Persistence.PERSISTENT

    @abc.abstractmethod
    def log(self) -> AbstractAsyncContextManager[Log]:
        """An empty log, closed at the end."""

    # Appending and loading

    async def test_a_new_conversation_is_there_once_append_has_returned(self) -> None:
        async with self.log() as log:
            for story in (_room(self.persistence), _channel(self.persistence)):
                equal(await log.load(story.id), None)
                await log.append(story.opening())
                await _agree(log, story)

    async def test_there_is_nothing_of_a_conversation_that_is_not_there(self) -> None:
        async with self.log() as log:
            equal(await log.load("nowhere"), None)
            equal(list(await log.after("nowhere", 0, 10)), [])
            equal(list(await log.messages("nowhere", before=None, after=None, limit=10)), [])
            equal(await log.message("nothing"), None)
            equal(dict(await log.posted("nowhere", [("nobody", "1")])), {})

    async def test_whatever_happens_the_log_says_what_the_rules_say(self) -> None:
        for seed in range(SEEDS):
            async with self.log() as log:
                stories = enumerate(_stories(seed, self.persistence))
                await asyncio.gather(*(_play(log, story, seed + SEEDS * n) for n, story in stories))

    async def test_a_turn_of_many_events_is_written_whole(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence)
            ann, bob = story.people
            await log.append(story.opening())
            posts = [Post(conversation=story.id, content=f"{n}", client_id=f"{n}") for n in range(50)]
            await log.append(story.turn(*((bob if n % 2 else ann, post) for n, post in enumerate(posts))))
            await _agree(log, story)

    # Who comes second

    async def test_an_append_that_comes_second_is_stale_and_changes_nothing(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence)
            ann, bob = story.people
            await log.append(story.opening())
            late = _copy(story).post(bob, "second")
            await log.append(story.post(ann, "first"))
            await raises(Stale, log.append(late))
            await _agree(log, story)
            equal(await log.message(late.events[0].message.id), None)  # type: ignore[attr-defined]

    async def test_what_comes_second_is_stale_whatever_kinds_of_events_meet(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence)
            ann, bob = story.people
            await log.append(story.opening())
            await log.append(story.post(ann, "first"))
            about = story.newest().id
            late = _copy(story).turn((bob, React(message=about, emoji="👍")))
            later = _copy(story).post(bob, "second")
            await log.append(story.post(ann, "third"))
            await raises(Stale, log.append(late))
            await log.append(story.turn((ann, React(message=about, emoji="x"))))
            await raises(Stale, log.append(later))
            await _agree(log, story)

    async def test_an_append_beyond_the_head_is_stale(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence)
            ann, _ = story.people
            await log.append(story.opening())
            lost = _copy(story)
            lost.post(ann, "never written")
            await raises(Stale, log.append(lost.post(ann, "written too early")))
            await _agree(log, story)

    async def test_an_append_to_what_is_not_there_is_stale(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence)
            await raises(Stale, log.append(story.post(story.people[0], "into the void")))
            equal(await log.load(story.id), None)

    async def test_a_new_conversation_that_is_there_already_is_stale(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence)
            again = _copy(story).opening()
            await log.append(story.opening())
            await log.append(story.post(story.people[0], "hello"))
            await raises(Stale, log.append(again))
            await _agree(log, story)

    async def test_of_many_who_append_at_once_one_wins(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence)
            await log.append(story.opening())
            rivals = [_copy(story) for _ in range(8)]
            changes = [rival.post(rival.people[0], f"rival {n}") for n, rival in enumerate(rivals)]
            answers = await asyncio.gather(*(log.append(one) for one in changes), return_exceptions=True)
            won = [n for n, answer in enumerate(answers) if answer is None]
            equal(len(won), 1, "winners")
            true(
                all(isinstance(answer, Stale) for answer in answers if answer is not None), "the rest: stale"
            )
            await _agree(log, rivals[won[0]])

    async def test_appends_of_many_conversations_at_once_all_succeed_and_one_stale_fails_alone(self) -> None:
        async with self.log() as log:
            stories = [_room(self.persistence, seed) for seed in range(40)]
            await asyncio.gather(*(log.append(story.opening()) for story in stories))
            late = _copy(stories[7])
            await log.append(stories[7].post(stories[7].people[0], "first"))
            changes = [story.post(story.people[0], "hello", client_id="1") for story in stories]
            changes[7] = late.post(late.people[1], "second", client_id="1")
            answers = await asyncio.gather(*(log.append(one) for one in changes), return_exceptions=True)
            equal([n for n, answer in enumerate(answers) if isinstance(answer, Stale)], [7], "stale")
            equal(sum(answer is None for answer in answers), 39, "written")
            for story in stories[:7] + stories[8:]:
                await _agree(log, story)

    async def test_appends_one_upon_the_other_keep_their_order(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence)
            ann, _ = story.people
            await log.append(story.opening())
            changes = [story.post(ann, f"{n}") for n in range(20)]
            for change in changes:
                await log.append(change)
            equal([event.seq for event in await log.after(story.id, 0, 100)], list(range(1, 21)))
            await _agree(log, story)

    # What is taken

    async def test_a_client_id_that_is_taken_is_named_and_nothing_of_the_turn_is_written(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence)
            ann, bob = story.people
            await log.append(story.opening())
            await log.append(story.post(ann, "once", client_id="1"))
            again = _copy(story)
            new = Post(conversation=story.id, content="new", client_id="2")
            old = Post(conversation=story.id, content="once", client_id="1")
            error = await raises(ClientIdTaken, log.append(again.turn((bob, new), (ann, old))))
            equal(error.pairs, ((ann.id, "1"),), "pairs")
            await _agree(log, story)
            await log.append(story.post(bob, "new", client_id="2"))
            await _agree(log, story)

    async def test_a_client_id_is_its_authors_and_its_conversations_own(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence)
            ann, bob = story.people
            other = story.author.room(ann, bob, persistence=self.persistence)
            await log.append(story.opening())
            await log.append(other.opening())
            await log.append(story.post(ann, "mine", client_id="1"))
            await log.append(story.post(bob, "his", client_id="1"))
            await log.append(other.post(ann, "elsewhere", client_id="1"))
            await log.append(story.turn(*[(ann, Post(conversation=story.id, content="no id"))] * 2))
            await _agree(log, story)
            await _agree(log, other)

    async def test_the_client_id_of_a_deleted_message_stays_taken(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence)
            ann, _ = story.people
            await log.append(story.opening())
            await log.append(story.post(ann, "once", client_id="1"))
            await log.append(story.turn((ann, Delete(message=story.newest().id))))
            await raises(ClientIdTaken, log.append(_copy(story).post(ann, "once", client_id="1")))
            equal(dict(await log.posted(story.id, [(ann.id, "1")])), {(ann.id, "1"): story.newest()})

    async def test_a_channels_name_is_taken_until_the_channel_is_deleted(self) -> None:
        async with self.log() as log:
            story = _channel(self.persistence)
            ann = story.people[0]
            await log.append(story.opening())
            other = story.author.channel("general", ann, persistence=self.persistence)
            await raises(NameTaken, log.append(other.opening()))
            equal(await log.load(other.id), None)
            await log.append(story.turn((ann, DeleteChannel(name="general"))))
            third = story.author.channel("general", ann, persistence=self.persistence)
            await log.append(third.opening())
            await _agree(log, third)
            await _agree(log, story)

    async def test_posted_finds_what_is_there_and_leaves_out_the_rest(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence)
            ann, bob = story.people
            await log.append(story.opening())
            await log.append(story.post(ann, "one", client_id="1"))
            one = story.newest()
            await log.append(story.post(bob, "two", client_id="2"))
            two = story.newest()
            pairs = [(ann.id, "1"), (bob.id, "2"), (ann.id, "2"), (bob.id, "1"), ("nobody", "1")]
            equal(dict(await log.posted(story.id, pairs)), {(ann.id, "1"): one, (bob.id, "2"): two})
            equal(dict(await log.posted(story.id, [])), {})

    # Reading

    async def test_after_gives_the_first_events_above_a_seq_in_order(self) -> None:
        async with self.log() as log:
            story = await _talk(log, self.persistence)
            events = story.events()
            for seq, limit in ((0, 3), (2, 4), (5, 100), (len(events) - 1, 1), (len(events), 5), (FAR, 5)):
                equal(list(await log.after(story.id, seq, limit)), events[seq : seq + limit], f"after {seq}")

    async def test_a_page_of_messages_is_oldest_first_whichever_way_it_is_asked_for(self) -> None:
        async with self.log() as log:
            story = await _talk(log, self.persistence)
            all_of_them = story.messages()
            seqs = [message.seq for message in all_of_them]
            for limit in (1, 3, 100):
                newest = await log.messages(story.id, before=None, after=None, limit=limit)
                equal(list(newest), all_of_them[-limit:], "the newest")
                for seq in (0, seqs[0], seqs[3], seqs[3] + 1, seqs[-1], FAR):
                    below = [message for message in all_of_them if message.seq < seq]
                    above = [message for message in all_of_them if message.seq > seq]
                    found = await log.messages(story.id, before=seq, after=None, limit=limit)
                    equal(list(found), below[-limit:], f"before {seq}")
                    found = await log.messages(story.id, before=None, after=seq, limit=limit)
                    equal(list(found), above[:limit], f"after {seq}")
                    found = await log.messages(story.id, before=seq, after=1, limit=limit)
                    equal(list(found), below[-limit:], f"before {seq}, whatever after says")

    async def test_reactions_keep_the_order_in_which_they_came(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence, 0, "ann", "bob", "cleo", "dave")
            await log.append(story.opening())
            await log.append(story.post(story.people[0], "well?"))
            about = story.newest().id
            for emoji, who in (("👍", 2), ("x", 1), ("👍", 0), ("👍", 3), ("x", 0)):
                await log.append(story.turn((story.people[who], React(message=about, emoji=emoji))))
            await log.append(story.turn((story.people[2], Unreact(message=about, emoji="👍"))))
            await _agree(log, story)

    async def test_a_deleted_message_is_a_tombstone_wherever_it_is_read(self) -> None:
        async with self.log() as log:
            story = _room(self.persistence)
            ann, bob = story.people
            await log.append(story.opening())
            await log.append(story.post(ann, f"{SECRET} 1", client_id="1"))
            about = story.newest().id
            await log.append(story.turn((ann, Edit(message=about, content=f"{SECRET} 2"))))
            await log.append(story.turn((bob, React(message=about, emoji="👍"))))
            await log.append(story.turn((ann, Delete(message=about))))
            await _agree(log, story)
            views = [
                await log.after(story.id, 0, 100),
                await log.messages(story.id, before=None, after=None, limit=100),
                await log.message(about),
                await log.posted(story.id, [(ann.id, "1")]),
            ]
            true(SECRET not in repr(views), "a deleted text is nowhere")

    # Cancelling

    async def test_cancelling_an_append_leaves_it_whole_or_undone_and_harms_nobody_else(self) -> None:
        async with self.log() as log:
            for flush_queue in range(4):
                story, other = (
                    _room(self.persistence, 2 * flush_queue),
                    _room(self.persistence, 2 * flush_queue + 1),
                )
                await log.append(story.opening())
                await log.append(other.opening())
                undone = _copy(story)
                cancelled = asyncio.ensure_future(log.append(story.post(story.people[0], "perhaps")))
                for _ in range(flush_queue):
                    await asyncio.sleep(0)
                cancelled.cancel()
                await log.append(other.post(other.people[0], "surely"))
                await asyncio.gather(cancelled, return_exceptions=True)
                await _agree(log, other)
                found = await log.load(story.id)
                true(found is not None, "the conversation is there")
                await _agree(log, story if found is not None and found.head else undone)


def _room(persistence: Persistence, seed: int = 0, *names: str) -> Story:
    author = Author(Random(seed))  # noqa: S311 - the same for the same seed
    return author.room(*(author.person(name) for name in names or ("ann", "bob")), persistence=persistence)


def _channel(persistence: Persistence) -> Story:
    author = Author(Random(0))  # noqa: S311 - the same for the same seed
    return author.channel(
        "general", *(author.person(name) for name in ("ann", "bob")), persistence=persistence
    )


def _stories(seed: int, persistence: Persistence) -> Sequence[Story]:
    """Three conversations of the same people, which may be written at the same time."""
    authors = [Author(Random(f"{seed} {n}")) for n in range(3)]  # noqa: S311 - the same for the same seed
    people = [authors[0].person(name) for name in ("ann", "bob", "cleo", "dave")]
    return (
        authors[0].room(*people[:3], persistence=persistence),
        authors[1].channel("general", *people, persistence=persistence),
        authors[2].channel("private", *people, persistence=persistence, private=True),
    )


async def _play(log: Log, story: Story, seed: int) -> None:
    """Write random turns until the story is over or long."""
    rng = Random(seed)  # noqa: S311 - the same for the same seed
    await log.append(story.opening())
    while len(story.told) < STORY_EVENTS_MAX:
        change = story.random_turn(rng)
        if not change.events:
            break
        await log.append(change)
        if rng.random() < 0.2:
            await _agree(log, story, f"seed {seed}")
    await _agree(log, story, f"seed {seed}")


async def _talk(log: Log, persistence: Persistence) -> Story:
    """A conversation with some events of many kinds between its messages."""
    story, rng = _room(persistence), Random(5)  # noqa: S311 - the same for the same seed
    ann, bob = story.people
    await log.append(story.opening())
    for n in range(8):
        await log.append(story.post(rng.choice((ann, bob)), f"text {n}"))
        if n % 3 == 0:
            about = story.newest().id
            for emoji in ("👍", "🎉", "x"):
                await log.append(story.turn((bob, React(message=about, emoji=emoji))))
    return story


def _copy(story: Story) -> Story:
    """The same conversation, from which another story goes on."""
    copy = Story(author=story.author, people=story.people, opened=story.opened, now=story.now)
    copy.state, copy.told, copy.posts = story.state, list(story.told), dict(story.posts)
    return copy


async def _agree(log: Log, story: Story, where: str = "") -> None:
    """The log says of the conversation what the rules say."""
    found = await log.load(story.id)
    equal(found, story.state, f"{where} load")
    equal(list(found.members) if found else None, list(story.state.members), f"{where} the order of members")
    events: Sequence[Logged] = await log.after(story.id, 0, EPHEMERAL_EVENTS_MAX)
    equal(list(events), list(story.events()), f"{where} after")
    messages = await log.messages(story.id, before=None, after=None, limit=EPHEMERAL_EVENTS_MAX)
    equal(list(messages), list(story.messages()), f"{where} messages")
    for message, wanted in zip(messages, story.messages(), strict=True):
        equal(_order(message), _order(wanted), f"{where} the order of reactions")
    if messages:
        equal(await log.message(messages[-1].id), messages[-1], f"{where} message")
    true(_types_of(found) == _types_of(story.state), f"{where} values of other types")


def _order(message: Message) -> object:
    return list(message.reactions.items())


def _types_of(conversation: Conversation | None) -> object:
    """Of what type each value is: a text that equals a state is not one."""
    names = () if conversation is None else conversation.__attrs_attrs__
    return [
        (field.name, type(getattr(conversation, field.name))) for field in names if field.name != "answers"
    ]
