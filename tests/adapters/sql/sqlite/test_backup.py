"""Backups of a SQLite file: complete during writes, restored unchanged, never overwritten."""

# ruff: noqa: ASYNC240 - a test reads its own files

import asyncio
import sqlite3
import stat
from pathlib import Path
from random import Random

import pytest

from chat_core import backup, restore
from chat_core.adapters.sql.sqlite.store import SQLiteStore
from chat_core.model.errors import Unavailable
from chat_core.testing.contracts.stories import Author, Story
from tests.support.sqlite_files import opened


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "copies" / "copy.db"


async def written(store: SQLiteStore, count: int) -> list[Story]:
    rng = Random(5)
    author = Author(rng)
    people = [author.person(name) for name in ("ann", "bob", "cleo")]
    stories = [author.channel(f"c{n}", *people) if n % 3 else author.room(*people) for n in range(count)]
    for story in stories:
        await store.append(story.opening())
        for _ in range(15):
            await store.append(story.random_turn(rng))
    return stories


async def test_every_conversation_is_the_same_after_a_copy_was_put_into_an_empty_folder(
    path: Path, copy: Path, tmp_path: Path
) -> None:
    async with opened(path) as store:
        stories = await written(store, 12)
        await store.block("ann", "bob", 1.0)
        await backup(path, copy)
        restored = tmp_path / "elsewhere" / "data" / "parley.db"
        await restore(copy, restored)
        async with opened(restored) as other:
            for story in stories:
                assert await other.load(story.id) == story.state
                assert list(await other.after(story.id, 0, 10**6)) == story.events()
                found = await other.messages(story.id, before=None, after=None, limit=10**6)
                assert list(found) == story.messages()
            assert await other.blocked_with("bob") == {"ann"}
            await other.check()


async def test_a_copy_that_is_made_while_others_write_is_of_one_moment(path: Path, copy: Path) -> None:
    async with opened(path) as store:
        author = Author(Random(1))
        stories = [author.room(author.person("ann"), author.person("bob")) for _ in range(4)]
        await asyncio.gather(*(store.append(story.opening()) for story in stories))
        copied = asyncio.ensure_future(backup(path, copy))

        async def talk(story: Story) -> None:
            while not copied.done():
                await store.append(story.post(story.people[0], "x" * 500, client_id=str(story.state.head)))

        await asyncio.gather(copied, *map(talk, stories))
    async with opened(copy) as store:
        for story in stories:
            state = await store.load(story.id)
            assert state is not None
            events = await store.after(story.id, 0, 10**6)
            assert [event.seq for event in events] == list(range(1, state.head + 1))


async def test_a_copy_is_its_owners_alone_and_one_file(path: Path, copy: Path) -> None:
    async with opened(path):
        await backup(path, copy)
    assert [file.name for file in copy.parent.iterdir()] == ["copy.db"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


async def test_nothing_is_written_over(path: Path, copy: Path) -> None:
    async with opened(path):
        await backup(path, copy)
        with pytest.raises(Unavailable, match="already exists"):
            await backup(path, copy)
        with pytest.raises(Unavailable, match="already exists"):
            await restore(copy, path)
    assert [file.name for file in copy.parent.iterdir()] == ["copy.db"]


@pytest.mark.parametrize("harm", ["no database", "another's", "newer", "damaged"])
async def test_what_is_no_good_copy_is_refused_and_leaves_nothing(
    path: Path, copy: Path, tmp_path: Path, harm: str
) -> None:
    async with opened(path) as store:
        await written(store, 12)
        await backup(path, copy)
    if harm == "no database":
        copy.write_text("Dear Ann, " * 1000)
    elif harm == "damaged":
        pages = bytearray(copy.read_bytes())
        pages[len(pages) // 2 : len(pages) // 2 + 8000] = bytes(8000)
        copy.write_bytes(pages)
    else:
        db = sqlite3.connect(copy)
        change = "drop table schema_migrations"
        if harm == "newer":
            change = "insert into schema_migrations (version, name) values (9999, 'from_the_future')"
        db.execute(change)
        db.commit()
        db.close()
    target = tmp_path / "elsewhere" / "parley.db"
    with pytest.raises(Unavailable):
        await restore(copy, target)
    assert list(target.parent.iterdir()) == []


async def test_postgresql_says_how(copy: Path) -> None:
    url = "postgresql://ann:hunter2@db.example.org/parley"
    with pytest.raises(Unavailable, match="pg_dump") as told:
        await backup(url, copy)
    assert "hunter2" not in str(told.value)
    with pytest.raises(Unavailable, match="pg_restore"):
        await restore(copy, url)
