"""Behaviour specific to SQLite: shared commits, waiting, a failing disk."""

# ruff: noqa: ASYNC240 - a test reads its own files

import asyncio
import resource
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from chat_core.adapters.sql.sqlite.connection import prepare
from chat_core.adapters.sql.sqlite.store import SQLiteStore, open_sqlite
from chat_core.adapters.sql.sqlite.writer import GROUP_MAX
from chat_core.model.conversation import Room
from chat_core.model.errors import InvariantBroken, Unavailable
from chat_core.ports import Change, Stale
from chat_core.testing.contracts.stories import Author, Story
from tests.support.sqlite_files import opened
from tests.support.store_stories import crooked, hello, rooms


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    async with opened(path) as store:
        yield store


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """A write of another process, which makes the writer wait."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("begin immediate")
    try:
        yield db
    finally:
        db.close()


@contextmanager
def no_file_grows(beyond: int) -> Iterator[None]:
    """A full disk: no file of this process can grow beyond ``beyond`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def written(store: SQLiteStore, stories: Sequence[Story]) -> None:
    await asyncio.gather(*(store.append(story.opening()) for story in stories))


# Group commit


async def test_who_comes_during_a_commit_shares_the_next_one(store: SQLiteStore, path: Path) -> None:
    stories = rooms(80)
    await written(store, stories)
    before = store.commits
    with locked(path):
        first = asyncio.ensure_future(store.append(hello(stories[0])))
        await asyncio.sleep(0)
        rest = [asyncio.ensure_future(store.append(hello(story))) for story in stories[1:]]
        await asyncio.sleep(0)
        assert store.commits == before
    await asyncio.gather(first, *rest)
    assert store.commits <= before + 2
    assert [len(await store.after(story.id, 0, 9)) for story in stories] == [1] * 80


async def test_a_group_has_a_hundred_changes_at_most(store: SQLiteStore, path: Path) -> None:
    stories = rooms(2 * GROUP_MAX + 50)
    with locked(path):
        begun = [asyncio.ensure_future(store.append(story.opening())) for story in stories]
        await asyncio.sleep(0)
    await asyncio.gather(*begun)
    assert 3 <= store.commits <= 4


async def test_one_that_is_stale_or_cannot_be_stored_fails_alone(store: SQLiteStore, path: Path) -> None:
    stories = rooms(30)
    await written(store, stories)
    late = hello(stories[3])
    await store.append(late)
    changes = [hello(story) for story in stories]
    changes[3], changes[5] = late, crooked(changes[5])
    before = store.commits
    with locked(path):
        begun = [asyncio.ensure_future(store.append(change)) for change in changes]
        marked = asyncio.ensure_future(store.mark_read(stories[0].id, "ann", 1))
        await asyncio.sleep(0)
    answers = await asyncio.gather(*begun, return_exceptions=True)
    assert isinstance(answers[3], Stale)
    assert isinstance(answers[5], InvariantBroken)
    assert await marked
    assert store.commits <= before + 2
    assert all(answer is None for n, answer in enumerate(answers) if n not in (3, 5))


async def test_events_that_do_not_lead_where_the_change_says_are_refused(store: SQLiteStore) -> None:
    (story,) = rooms(1)
    await store.append(story.opening())
    one, two = hello(story), hello(story)
    with pytest.raises(InvariantBroken):
        await store.append(Change(after=two.after, expected=one.expected, events=one.events))
    with pytest.raises(InvariantBroken):
        await store.append(Change(after=two.after, expected=0, events=two.events))
    await store.append(one)


# Readers


async def test_a_reader_does_not_wait_for_a_writer(store: SQLiteStore, path: Path) -> None:
    (story,) = rooms(1)
    await store.append(story.opening())
    before = story.state
    with locked(path):
        writing = asyncio.ensure_future(store.append(hello(story)))
        await asyncio.sleep(0)
        assert await store.load(story.id) == before
        assert list(await store.messages(story.id, before=None, after=None, limit=10)) == []
        assert not writing.done()
    await writing
    assert await store.load(story.id) == story.state


# Cancelling


async def test_cancelling_one_of_a_group_harms_nobody_and_its_change_is_written(
    store: SQLiteStore, path: Path
) -> None:
    stories = rooms(20)
    await written(store, stories)
    with locked(path):
        begun = [asyncio.ensure_future(store.append(hello(story))) for story in stories]
        await asyncio.sleep(0)
        reading = asyncio.ensure_future(store.load(stories[0].id))
        await asyncio.sleep(0)
        begun[4].cancel()
        reading.cancel()
    answers = await asyncio.gather(*begun, return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if answer is not None] == [4]
    assert await store.load(stories[4].id) == stories[4].state


def test_answers_to_a_loop_that_has_been_closed_are_dropped(path: Path) -> None:
    stories = rooms(2)

    async def leave(store: SQLiteStore) -> None:
        lost = asyncio.ensure_future(store.append(stories[0].opening()))
        await asyncio.sleep(0)
        lost.cancel()

    async def come_back(store: SQLiteStore) -> None:
        await store.append(stories[1].opening())
        assert await store.load(stories[0].id) == stories[0].state
        await store.close()

    store = asyncio.run(open_sqlite(path))
    with locked(path):
        asyncio.run(leave(store))
    asyncio.run(come_back(store))


# A failing disk


async def test_a_full_disk_is_unavailable_for_all_and_space_is_all_it_takes_to_go_on(
    store: SQLiteStore, path: Path
) -> None:
    stories = rooms(20)
    await written(store, stories)
    wanted = [story.state for story in stories]
    changes = [hello(story) for story in stories]
    with no_file_grows(beyond=Path(f"{path}-wal").stat().st_size + 5000):
        answers = await asyncio.gather(*(store.append(one) for one in changes), return_exceptions=True)
        assert all(isinstance(answer, Unavailable) for answer in answers)
        assert [await store.load(story.id) for story in stories] == wanted
    await store.check()
    await asyncio.gather(*(store.append(one) for one in changes))
    assert [await store.load(story.id) for story in stories] == [story.state for story in stories]
    db = sqlite3.connect(path)
    assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
    db.close()


async def test_a_file_that_has_gone_is_unavailable_and_is_not_made_anew(path: Path) -> None:
    prepare(path)
    path.unlink()
    store = SQLiteStore(path, durable=True)
    with pytest.raises(Unavailable, match="could not be written"):
        await store.check()
    with pytest.raises(Unavailable, match="could not be read"):
        await store.load("anything")
    assert not path.exists()
    prepare(path)
    await store.check()
    assert await store.load("anything") is None
    await store.close()


async def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ann, this is no database. " * 100)
    with pytest.raises(Unavailable, match=r"letter\.txt cannot be opened: file is not a database"):
        await open_sqlite(path)
    assert path.read_text().startswith("Dear Ann")


async def test_a_folder_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be opened"):
        await open_sqlite(tmp_path / "file" / "parley.db")


# Closing


async def test_after_closing_nothing_is_asked_any_more_and_one_file_is_left(path: Path) -> None:
    store = await open_sqlite(path)
    (story,) = rooms(1)
    await store.append(story.opening())
    await store.close()
    for asked in (store.append(hello(story)), store.load(story.id), store.check()):
        with pytest.raises(Unavailable, match="closed"):
            await asked
    assert [file.name for file in path.parent.iterdir()] == ["parley.db"]
    assert not [thread for thread in threading.enumerate() if "sqlite" in thread.name]


async def test_a_store_that_is_opened_again_has_everything(path: Path) -> None:
    rng = Random(3)
    author = Author(rng)
    people = [author.person(name) for name in ("ann", "bob", "cleo")]
    stories = [author.room(*people), author.channel("general", *people)]
    async with opened(path) as store:
        for story in stories:
            await store.append(story.opening())
            for _ in range(20):
                await store.append(story.random_turn(rng))
        await store.block("ann", "bob", 1.0)
        await store.mark_read(stories[0].id, "ann", 3)
    async with opened(path) as store:
        for story in stories:
            assert await store.load(story.id) == story.state
            assert list(await store.after(story.id, 0, 1000)) == story.events()
            assert (
                list(await store.messages(story.id, before=None, after=None, limit=999)) == story.messages()
            )
        assert await store.blocked_with("bob") == {"ann"}
        assert await store.read_marks(stories[0].id) == {"ann": 3}
        assert [room.id for room in await store.live_rooms()] == [
            story.id for story in stories if isinstance(story.state, Room) and story.state.is_live
        ]


async def test_a_relaxed_store_does_not_wait_for_the_disk_and_says_so(path: Path) -> None:
    store = await open_sqlite(path, durability="relaxed")
    assert not store.durable
    await store.check()
    await store.close()
    async with opened(path) as store:
        assert store.durable
