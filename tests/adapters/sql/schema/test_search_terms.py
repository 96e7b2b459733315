"""The search index: older messages, deleted words and the cost of a search."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import asyncpg
import pytest

from chat_core.adapters.sql.postgres.store import open_postgres
from chat_core.adapters.sql.schema import migrations
from chat_core.adapters.sql.sqlite.connection import prepare
from chat_core.adapters.sql.sqlite.store import SQLiteStore, open_sqlite
from chat_core.model.commands import Delete, Edit
from chat_core.ports import Store
from chat_core.testing.contracts.stories import Author, Story
from chat_core.testing.postgres import Cluster

PATIENCE_S = 20.0
CANARY = "canary5d1f"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "parley.db"


def story() -> Story:
    author = Author(Random(0))
    return author.room(author.person("ann"), author.person("bob"))


async def texts(store: Store, room: Story, text: str) -> list[str]:
    found = await store.search(room.people[0].id, text, within=None, author=None, before=None, limit=99)
    return [message.content for message in found]


def in_files(path: Path, canary: str = CANARY) -> list[str]:
    """The files that contain the word, and the index if it contains it."""
    files = [file.name for file in path.parent.iterdir() if canary.encode() in file.read_bytes()]
    with closing(sqlite3.connect(path)) as db:
        blocks = b"".join(block for (block,) in db.execute("select block from message_terms_data"))
        # A term shares its prefix with the previous one, so this searches for its end.
        return [*files, "index"] if canary[3:].encode() in blocks else files


# Deleted messages


async def test_a_text_that_was_deleted_edited_or_dropped_is_in_no_file_and_in_no_index(path: Path) -> None:
    room = story()
    ann = room.people[0]
    store = await open_sqlite(path)
    await store.append(room.opening())
    changes = [room.post(ann, f"{CANARY} {n} between words") for n in range(300)]
    for change in changes:
        await store.append(change)
    await _taken_in(store)
    first, second, *others = list(room.posts)
    await store.append(room.turn((ann, Delete(message=first))))
    await store.append(room.turn((ann, Edit(message=second, content="something else"))))
    for id_ in others[:-1]:
        await store.append(room.turn((ann, Delete(message=id_))))
    assert len(await texts(store, room, CANARY)) == 1
    assert len(await texts(store, room, "else")) == 1
    await store.drop(room.id)
    await store.close()
    assert in_files(path) == []


async def test_an_erasure_forgets_at_once_while_the_store_goes_on(path: Path) -> None:
    room = story()
    ann, bob = room.people
    store = await open_sqlite(path)
    await store.append(room.opening())
    await store.append(room.post(ann, CANARY))
    await store.append(room.post(bob, "words that stay"))
    await _taken_in(store)
    await store.anonymise(room.id, ann.id, room.state.members[bob.id].card)
    await store.forget_person(ann.id)
    assert in_files(path) == []
    assert await texts(store, room, "stay") == ["words that stay"]
    await store.close()


async def test_what_is_to_be_forgotten_is_forgotten_while_nobody_writes(path: Path) -> None:
    room = story()
    ann = room.people[0]
    store = await open_sqlite(path)
    await store.append(room.opening())
    await store.append(room.post(ann, CANARY))
    await _taken_in(store)
    await store.append(room.turn((ann, Delete(message=room.newest().id))))
    await _forgotten(store)
    with closing(sqlite3.connect(path)) as db:
        blocks = b"".join(block for (block,) in db.execute("select block from message_terms_data"))
    assert CANARY[3:].encode() not in blocks
    await store.close()


async def _taken_in(store: SQLiteStore) -> None:
    """Waits until the idle writer has indexed all messages."""
    async with asyncio.timeout(PATIENCE_S):
        while await store.database.rows("select 1 from terms_waiting"):
            pass


async def _forgotten(store: SQLiteStore) -> None:
    """Waits until the idle writer has merged the index."""
    async with asyncio.timeout(PATIENCE_S):
        while await store.database.rows("select texts from terms_to_forget"):
            pass


async def test_a_kill_leaves_word_that_something_is_to_be_forgotten(path: Path) -> None:
    room = story()
    ann = room.people[0]
    store = await open_sqlite(path)
    await store.append(room.opening())
    await store.append(room.post(ann, CANARY))
    await _taken_in(store)
    await store.close()
    with closing(sqlite3.connect(path)) as db:  # the state after a process was killed
        db.execute("update messages set content = '', terms = null, digest = null, deleted = true")
        db.commit()
        db.execute("pragma wal_checkpoint(truncate)")
    assert "index" in in_files(path)
    store = await open_sqlite(path)
    await store.check()
    await store.close()
    assert in_files(path) == []


# Messages stored before the index


def _undone(path: Path) -> None:
    """Restores the schema without terms, and keeps the messages."""
    with closing(sqlite3.connect(path)) as db:
        for trigger in ("in", "out", "other"):
            db.execute(f"drop trigger messages_terms_{trigger}")
        db.execute("drop table message_terms")
        db.execute("drop table terms_to_forget")
        db.execute("drop table terms_waiting")
        db.execute("alter table messages drop column terms")
        db.execute("delete from schema_migrations where version = ?", (migrations.TERMS,))
        db.commit()


async def _talk(store: Store, room: Story, count: int) -> None:
    await store.append(room.opening())
    for n in range(count):
        await store.append(room.post(room.people[0], f"number {n} été"))
    await store.append(room.turn((room.people[0], Delete(message=room.newest().id))))


async def test_what_stood_in_a_file_is_found_after_the_migration(path: Path) -> None:
    room = story()
    store = await open_sqlite(path)
    await _talk(store, room, 20)
    await store.close()
    _undone(path)
    assert any("message_terms" in text for text in prepare(path).values())
    store = await open_sqlite(path)
    assert len(await texts(store, room, "ete number")) == 19
    await store.append(room.turn((room.people[0], Delete(message=next(iter(room.posts))))))
    assert len(await texts(store, room, "ete number")) == 18
    await store.close()


async def test_what_stood_in_postgresql_is_found_after_the_migration(
    postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = story()
    url = postgres.schema()
    store = await open_postgres(url)
    await _talk(store, room, 20)
    await store.close()
    db = await asyncpg.connect(url)
    await db.execute("alter table messages drop column terms")
    await db.execute("delete from schema_migrations where version = $1", migrations.TERMS)
    await db.close()
    monkeypatch.setattr("chat_core.adapters.sql.postgres.connection.ROWS_FILLED", 7)
    store = await open_postgres(url)
    assert len(await texts(store, room, "ete number")) == 19
    await store.close()


# Maintenance


async def test_a_vacuum_leaves_every_message_where_it_is_found(path: Path) -> None:
    room = story()
    store = await open_sqlite(path)
    await _talk(store, room, 50)
    await store.drop(room.id)
    other = Author(Random(1)).room(*room.people)
    await _talk(store, other, 50)
    await _taken_in(store)
    await store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("select count(*) from terms_waiting").fetchone() == (0,)
        db.execute("vacuum")
        db.execute("insert into message_terms (message_terms, rank) values ('integrity-check', 1)")
    store = await open_sqlite(path)
    assert await texts(store, other, "number 17") == ["number 17 été"]
    await store.close()


async def test_a_search_sees_what_is_in_the_index_and_what_waits_to_be_taken_in(path: Path) -> None:
    room = story()
    ann = room.people[0]
    store = await open_sqlite(path)
    await store.append(room.opening())
    for text in ("cat and dog", "dogs and cats", "a category", "dog"):
        await store.append(room.post(ann, text))
        room.now += 1
    found = await texts(store, room, "do cat")
    await _taken_in(store)
    assert found == await texts(store, room, "do cat") == ["dogs and cats", "cat and dog"]
    await store.append(room.turn((ann, Edit(message=next(iter(room.posts)), content="cat, dog, bird"))))
    assert await texts(store, room, "bird dog") == ["cat, dog, bird"]
    await store.append(room.turn((ann, Delete(message=next(iter(room.posts))))))
    assert await texts(store, room, "do cat") == ["dogs and cats"]
    await store.close()


async def test_who_never_pauses_still_has_an_index(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat_core.adapters.sql.sqlite.fts_index.WAITING_MAX", 10)
    monkeypatch.setattr("chat_core.adapters.sql.sqlite.fts_index.IDLE_S", 1e6)
    room = story()
    store = await open_sqlite(path)
    await store.append(room.opening())
    for n in range(30):
        await store.append(room.post(room.people[0], f"number {n}"))
    (waiting,) = await store.database.rows("select count(*) from terms_waiting")
    assert waiting[0] <= 10
    assert len(await texts(store, room, "num")) == 30
    await store.close()
