"""Queries of a store: lists of channels, rooms of two people, messages across conversations."""

import abc
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Final

import attrs

from chat_core.model.commands import (
    Delete,
    DeleteChannel,
    Edit,
    End,
    JoinChannel,
    Keep,
    Leave,
    Post,
    React,
    Start,
    Tick,
)
from chat_core.model.message import Cursor, Message
from chat_core.model.person import Person
from chat_core.ports import Store
from chat_core.testing.contracts.expect import equal
from chat_core.testing.contracts.stories import STARTS_AT, Author, Story


class ReadingContract(abc.ABC):
    """A part of ``StoreContract``."""

    @abc.abstractmethod
    def store(self) -> AbstractAsyncContextManager[Store]:
        """An empty store, closed at the end."""

    async def test_the_open_rooms_of_two_are_all_that_both_are_in_newest_first(self) -> None:
        async with self.store() as store:
            author = _author()
            ann, bob, cleo = (author.person(name) for name in ("ann", "bob", "cleo"))
            old, new, left, other = (
                author.room(ann, bob, at=STARTS_AT),
                author.room(bob, ann, at=STARTS_AT + 5),
                author.room(ann, bob, cleo, at=STARTS_AT + 9),
                author.room(ann, cleo, at=STARTS_AT),
            )
            kept = author.room(ann, bob, at=STARTS_AT - 5)
            for story in (new, old, left, other, kept):
                await store.append(story.opening())
            await store.append(kept.turn((ann, Start(room=kept.id))))
            kept.now += 300
            await store.append(kept.turn((ann, Tick(room=kept.id))))
            await store.append(kept.turn((ann, Keep(room=kept.id)), (bob, Keep(room=kept.id))))
            await store.append(left.turn((bob, Leave(room=left.id))))
            await store.append(old.turn((ann, End(room=old.id))))
            await store.append(author.channel("general", ann).opening())
            equal(list(await store.open_rooms_of_two(ann.id, bob.id)), [new.state, kept.state])
            equal(list(await store.open_rooms_of_two(bob.id, ann.id)), [new.state, kept.state])
            equal(list(await store.open_rooms_of_two(bob.id, cleo.id)), [])
            equal(list(await store.open_rooms_of(bob.id)), [new.state, kept.state])
            equal(list(await store.open_rooms_of("nobody")), [])
            ended = [author.room(ann, bob, at=STARTS_AT + 20 + n) for n in range(201)]
            for story in ended:
                await store.append(story.opening())
            equal(len(await store.open_rooms_of_two(ann.id, bob.id)), 203, "there is no limit")
            equal(len(await store.open_rooms_of(ann.id)), 205)
            for story in ended:
                await store.append(story.turn((ann, End(room=story.id))))
            equal(list(await store.open_rooms_of_two(ann.id, bob.id)), [new.state, kept.state])

    async def test_channels_are_listed_by_name_to_who_may_read_them(self) -> None:
        async with self.store() as store:
            author = _author()
            ann, bob = author.person("ann"), author.person("bob")
            stories = {name: author.channel(name, ann) for name in ("d", "a_b", "cab", "gone")}
            secret = author.channel("b", ann, bob, private=True)
            for story in (*stories.values(), secret):
                await store.append(story.opening())
            await store.append(author.room(ann, bob).opening())
            await store.append(stories["gone"].turn((ann, DeleteChannel(name="gone"))))
            ids = {"b": secret.id, **{name: story.id for name, story in stories.items()}}

            async def listed(who: Person, after: str = "", part: str = "", limit: int = 9) -> list[str]:
                found = await store.channels_listed(who.id, after=after, part=part, limit=limit)
                return [name for one in found for name, its in ids.items() if its == one]

            equal(await listed(ann), ["a_b", "b", "cab", "d"])
            equal(await listed(bob), ["a_b", "cab", "d"], "a private channel is its members' own")
            equal(await listed(bob, after="a_b"), ["cab", "d"])
            equal(await listed(bob, limit=2), ["a_b", "cab"])
            equal(await listed(ann, part="b"), ["a_b", "b", "cab"])
            equal(await listed(ann, part="_"), ["a_b"])
            equal(await listed(ann, part="%"), [])

    async def test_messages_of_many_conversations_come_in_the_order_of_their_marks(self) -> None:
        async with self.store() as store:
            author = _author()
            ann, bob = author.person("ann"), author.person("bob")
            stories = [author.channel(name, ann, bob) for name in ("a", "b", "c")]
            for story in stories:
                await store.append(story.opening())
            written = await _interleaved(store, author, stories[:2], ann)
            await store.append(stories[2].post(ann, "elsewhere"))
            wanted = sorted(written, key=lambda message: message.cursor)
            ids = [story.id for story in stories[:2]]

            async def page(
                *, before: Cursor | None = None, after: Cursor | None = None, limit: int = 100
            ) -> list[Message]:
                return list(await store.messages_across(ids, before=before, after=after, limit=limit))

            equal(await page(), wanted)
            equal(await page(limit=3), wanted[-3:])
            for n in range(len(wanted)):
                equal(await page(before=wanted[n].cursor, limit=4), wanted[max(0, n - 4) : n])
                equal(await page(after=wanted[n].cursor, limit=4), wanted[n + 1 : n + 5])
            equal(await page(after=Cursor(0.0, "", 0), limit=2), wanted[:2])
            equal(list(await store.messages_across([], before=None, after=None, limit=5)), [])
            equal(list(await store.messages_across(["none"], before=None, after=None, limit=5)), [])

    async def test_what_a_person_wrote_is_found_wherever_it_stands(self) -> None:
        async with self.store() as store:
            author = _author()
            ann, bob = author.person("ann"), author.person("bob")
            channel, room, gone = (
                author.channel("a", ann, bob),
                author.room(ann, bob),
                author.channel("b", ann),
            )
            for story in (channel, room, gone):
                await store.append(story.opening())
            await store.append(channel.turn((bob, JoinChannel(name="a"))))
            mine = await _interleaved(store, author, [channel, room], ann)
            await store.append(channel.post(bob, "not ann's"))
            await store.append(gone.post(ann, "gone with its channel"))
            await store.append(gone.turn((ann, DeleteChannel(name="b"))))
            await store.append(room.turn((bob, React(message=mine[-1].id, emoji="x"))))
            await store.append(channel.turn((ann, Delete(message=mine[0].id))))
            posts = {**channel.posts, **room.posts}
            wanted = sorted((posts[one.id] for one in mine[1:]), key=lambda message: message.cursor)

            async def page(
                *, before: Cursor | None = None, after: Cursor | None = None, limit: int = 100
            ) -> list[Message]:
                return list(await store.messages_by(ann.id, before=before, after=after, limit=limit))

            equal(await page(), wanted)
            equal(await page(limit=2), wanted[-2:])
            for n in range(len(wanted)):
                equal(await page(before=wanted[n].cursor, limit=3), wanted[max(0, n - 3) : n])
                equal(await page(after=wanted[n].cursor, limit=3), wanted[n + 1 : n + 4])
            equal(list(await store.messages_by("nobody", before=None, after=None, limit=5)), [])

    async def test_a_search_finds_only_what_the_person_may_read_newest_first(self) -> None:
        async with self.store() as store:
            author = _author()
            ann, bob, cleo = (author.person(name) for name in ("ann", "bob", "cleo"))
            public, secret = author.channel("a", ann), author.channel("b", ann, private=True)
            room, left = author.room(ann, bob), author.room(ann, bob, cleo)
            found: dict[str, Message] = {}
            for number, story in enumerate((public, secret, room, left)):
                await store.append(story.opening())
                story.now = STARTS_AT + number
                await store.append(story.post(ann, f"The cat said {number}"))
                found[story.id] = next(iter(story.posts.values()))
            await store.append(left.turn((bob, Leave(room=left.id))))
            await store.append(public.post(ann, "a dog"))

            async def said(who: Person, text: str = "CAT", **given: object) -> list[Message]:
                asked = {"within": None, "author": None, "before": None, "limit": 9, **given}
                return list(await store.search(who.id, text, **asked))  # type: ignore[arg-type]

            all_of_it = [found[story.id] for story in (left, room, secret, public)]
            equal(await said(ann), all_of_it)
            equal(await said(bob), [found[room.id], found[public.id]])
            equal(await said(author.person("eve")), [found[public.id]])
            equal(await said(ann, limit=2), all_of_it[:2])
            equal(await said(ann, before=all_of_it[1].cursor), all_of_it[2:])
            equal(await said(ann, within=secret.id), [found[secret.id]])
            equal(await said(bob, within=secret.id), [], "where one may not read there is nothing")
            card = found[public.id].author
            equal(await said(ann, author=card.username.upper(), within=public.id), [found[public.id]])
            equal(await said(ann, author="nobody"), [])

    async def test_a_search_finds_words_in_any_order_by_their_beginnings(self) -> None:
        async with self.store() as store:
            texts = await _searched(store, *(text for _, text in SEARCHES if text), *OTHER_TEXTS)
            for asked, text in SEARCHES:
                equal(await texts(asked), [text] if text else [], f"who looks for {asked!r}")

    async def test_no_sign_in_a_search_is_an_operator_or_a_failure(self) -> None:
        async with self.store() as store:
            texts = await _searched(store, "alpha beta", "near or not and", "gamma")
            equal(await texts("alpha OR gamma"), [])
            equal(await texts("alpha NOT beta"), [])
            equal(await texts("or near not"), ["near or not and"])
            equal(await texts("NEAR(alpha beta)"), [])
            for sign in SIGNS:
                equal(await texts(f"{sign}alpha{sign} {sign} beta"), ["alpha beta"], f"with {sign!r}")
                equal(await texts(sign), [], f"{sign!r} by itself")
            for long in ("a" * 1000, "al " * 333, "日本" * 500, '"' * 1000, "👍" * 1000):
                equal(await texts(long), ["alpha beta"] if long == "al " * 333 else [], long[:3])

    async def test_what_is_edited_deleted_or_too_old_is_found_no_more(self) -> None:
        async with self.store() as store:
            author = _author()
            ann = author.person("ann")
            story = author.channel("a", ann)
            await store.append(story.opening())
            for text in ("one apple", "two apples", "three apples"):
                await store.append(story.post(ann, text))
                story.now += 1
            one, two, _ = story.posts

            async def texts(text: str) -> list[str]:
                found = await store.search(ann.id, text, within=None, author=None, before=None, limit=9)
                return [message.content for message in found]

            equal(await texts("apple"), ["three apples", "two apples", "one apple"])
            await store.append(story.turn((ann, Edit(message=one, content="one pear"))))
            equal(await texts("apple"), ["three apples", "two apples"])
            equal(await texts("pear"), ["one pear"])
            await store.append(story.turn((ann, Delete(message=two))))
            equal(await texts("apple"), ["three apples"])
            await store.blank_before(story.id, story.now)
            equal(await texts("apple"), [])
            equal(await texts("pear"), [])


# What is looked for, and the one text that it is found in; None where it is found in none.
SEARCHES: Final[Sequence[tuple[str, str | None]]] = (
    ("HELLO world", "World, hello!"),
    ("wor hel", "World, hello!"),
    ("orld", None),
    ("100%", "100 of it"),
    ("snake", "a snake_case name"),
    ("case", "a snake_case name"),
    ("don't", "I don't know"),
    ("cafe", "Café au lait"),
    ("CAFÉ", "Café au lait"),
    ("strasse", "Große Straße"),
    ("ΟΔΟΣ", "μεγάλη οδός"),
    ("wide", "ｗｉｄｅ letters"),
    ("שלום", "שָׁלוֹם לך"),
    ("हिन्दी", "मैं हिन्दी बोलता हूँ"),
    ("日本", "私は日本語を話す"),
    ("語", "私は日本語を話す"),
    ("本日", None),
    ("日本語 話す", "私は日本語を話す"),
    ("ภาษา", "ผมพูดภาษาไทย"),
    ("👩‍👧", "a family 👩‍👩‍👧"),
    ("👍", "well done 👍🏽"),
    ("👍🏻", "well done 👍🏽"),
    ("€", "it costs €5"),
    ("x" * 1000, "x" * 999),
)
OTHER_TEXTS: Final = ("...", "nothing of this kind", "back\\slash")
SIGNS: Final = (
    *('"', "'", "*", "-", "--", "^", ":", "(", ")", "{", "}", "+", "&", "|", "!", "<->", "\\"),
    *(
        "/",
        "%",
        "_",
        "''",
        '""',
        "\0",
        "\n",
        "\t",
        "\u200b",
        "\ud800",
        ";",
        ",",
        ".",
        "?",
        "#",
        "@",
        "=",
        "~",
        "`",
    ),
)


async def _searched(store: Store, *texts: str) -> Callable[[str], Awaitable[list[str]]]:
    """A channel in which somebody wrote this, and a way to look for it."""
    author = _author()
    ann = author.person("ann")
    story = author.channel("a", ann)
    await store.append(story.opening())
    for text in dict.fromkeys(texts):
        await store.append(story.post(ann, text))

    async def found(asked: str) -> list[str]:
        messages = await store.search(ann.id, asked, within=None, author=None, before=None, limit=99)
        return [message.content for message in messages]

    return found


async def _interleaved(store: Store, author: Author, stories: Sequence[Story], by: Person) -> list[Message]:
    """Posts that take turns, some of them at the very same time."""
    for number in range(12):
        story = stories[number % 5 % len(stories)]
        story.now = STARTS_AT + number // 3
        command = Post(conversation=story.id, content=f"number {number}")
        await store.append(story.turn((by, command)))
    written = [message for story in stories for message in story.posts.values()]
    return [attrs.evolve(message) for message in written]


def _author() -> Author:
    return Author(Random(0))  # noqa: S311 - the same for the same seed
