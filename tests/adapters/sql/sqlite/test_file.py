"""A SQLite file: its permissions, its schema and its contents, also after a kill."""

# ruff: noqa: ASYNC220, ASYNC240 - a test reads its own files and ends its own child processes

import os
import re
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from chat_core.adapters.sql.schema import account_statements, migrations, statements
from chat_core.adapters.sql.sqlite.connection import positional, prepare
from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.model.commands import Delete
from chat_core.model.errors import Unavailable
from chat_core.ports import Pairing
from chat_core.testing.contracts.stories import Author
from tests.support.sqlite_files import opened

# Contents of the disk


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_the_folder_and_every_file_are_their_owners_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        path = tmp_path / "made" / "data" / "parley.db"
        async with opened(path) as store:
            await store.check()
            assert len(list(path.parent.iterdir())) == 3
            for file in path.parent.iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
            for folder in (path.parent, path.parent.parent):
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    finally:
        os.umask(before)


async def test_a_file_that_others_could_read_is_closed_to_them_and_a_folder_is_left_as_it_is(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "parley.db"
    path.touch(mode=0o644)
    path.chmod(0o644)
    async with opened(path) as store:
        await store.check()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


async def test_a_deleted_text_is_on_no_page_of_the_file(path: Path) -> None:
    canary = "canary-5d1f"
    author = Author(Random(0))
    ann = author.person("ann")
    story = author.room(ann, author.person("bob"))
    async with opened(path) as store:
        await store.append(story.opening())
        await store.append(story.post(ann, canary, client_id="1"))
        await store.append(story.turn((ann, Delete(message=story.newest().id))))
    assert canary.encode() not in path.read_bytes()


async def test_a_pairing_without_text_is_one_row_that_says_who_met_and_when(path: Path) -> None:
    """P2.5."""
    async with opened(path) as store:
        for name in ("s1", "s2"):
            await store.open_pairing(
                Pairing(id=name, lobby="anonymous", user_a="ann", user_b="bob", started_at=1.5)
            )
        await store.close_pairing("s1", 2.5)
        await store.close_pairing("s1", 3.5)
        assert await store.close_open_pairings(4.5) == 1
        assert await store.close_open_pairings(5.5) == 0
    db = sqlite3.connect(path)
    rows = db.execute(
        "select id, user_a, user_b, started_at, ended_at from chat_sessions order by id"
    ).fetchall()
    db.close()
    assert rows == [("s1", "ann", "bob", 1.5, 2.5), ("s2", "ann", "bob", 1.5, 4.5)]


def test_no_query_walks_through_a_whole_table(path: Path) -> None:
    prepare(path)
    db = sqlite3.connect(path)
    everything = {**vars(statements), **vars(account_statements)}
    texts = {name: text for name, text in everything.items() if name.isupper() and name[0] != "_"}
    del texts["ERASURES"]  # pairings interrupted by a crash: very few
    walks, indexes = [], []
    for name, text in texts.items():
        if not isinstance(text, str) or "{" in text:
            continue  # takes rows, of which none is looked for
        values = [None] * len(set(re.findall(r"\$\d+", text)))
        for row in db.execute(f"explain query plan {positional(text)}", values):
            if re.match(r"SCAN (?!c$|\(subquery|CONSTANT ROW|w$|.* VIRTUAL TABLE INDEX|.* USING)", row[3]):
                walks.append((name, row[3]))
            if name == "SEARCH" and "VIRTUAL TABLE" in row[3]:
                indexes.append(row[3])
    db.close()
    assert walks == []
    assert indexes == ["SCAN message_terms VIRTUAL TABLE INDEX 0:M1", "SCAN s VIRTUAL TABLE INDEX 1:"]


# Schemas


def versions(path: Path) -> list[int]:
    db = sqlite3.connect(path)
    found = [row[0] for row in db.execute("select version from schema_migrations order by version")]
    db.close()
    return found


def test_migrating_twice_in_a_row_is_idempotent(path: Path) -> None:
    prepare(path)
    prepare(path)
    assert versions(path) == [step.version for step in migrations.known()]


def test_steps_are_numbered_from_one_without_a_gap_and_are_plain_sql_without_the_marks() -> None:
    assert [step.version for step in migrations.known()] == list(range(1, len(migrations.known()) + 1))
    for step in migrations.known():
        portable = " ".join(step.statements(sqlite=False))
        assert "rowid" not in portable
        assert "--" not in portable
        assert "/*" not in portable


def test_many_processes_that_start_at_once_migrate_once(path: Path) -> None:
    script = "import sys, pathlib; from chat_core.adapters.sql.sqlite.connection import prepare; "
    script += "sys.stdin.readline(); prepare(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", script, str(path)]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    errors = [child.communicate(b"\n", timeout=60)[1] for child in children]
    assert errors == [b""] * 4
    assert [child.returncode for child in children] == [0] * 4
    assert versions(path) == [step.version for step in migrations.known()]


async def test_a_newer_schema_is_refused_in_words_and_left_as_it_is(path: Path) -> None:
    prepare(path)
    db = sqlite3.connect(path)
    db.execute("insert into schema_migrations (version, name) values (9999, 'from_the_future')")
    db.commit()
    db.close()
    with pytest.raises(
        Unavailable, match=r"has schema 9999, and this version of Parley knows up to \d+\. Start"
    ):
        await open_sqlite(path)
    assert versions(path)[-1] == 9999


def test_a_step_that_fails_leaves_nothing_behind(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.execute("create table blocks (in_the_way text)")
    db.commit()
    with pytest.raises(Unavailable, match="already exists"):
        prepare(path)
    assert db.execute("select name from sqlite_master where type = 'table'").fetchall() == [("blocks",)]
    db.close()


# A kill

SENDERS = 8

CHILD = """
import asyncio, sys
from random import Random
from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.testing.contracts.stories import Author

async def send(store, story):
    await store.append(story.opening())
    while True:
        change = story.post(story.people[0], f"text {story.state.head + 1}", client_id=str(story.state.head))
        await store.append(change)
        print(story.id, change.after.head, flush=True)

async def main():
    store = await open_sqlite(sys.argv[1])
    author = Author(Random(int(sys.argv[2])))
    people = author.person("ann"), author.person("bob")
    await asyncio.gather(*(send(store, author.room(*people)) for _ in range(int(sys.argv[3]))))

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 40, 157, 400])
async def test_a_kill_loses_nothing_that_was_acknowledged_and_leaves_no_gap(path: Path, lines: int) -> None:
    """R-1: SIGKILL in the middle of appends."""
    command = [sys.executable, "-c", CHILD, str(path), str(lines), str(SENDERS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = [child.stdout.readline().split() for _ in range(lines)]
        child.kill()
        acknowledged += [line.split() for line in child.stdout if line.endswith("\n")]
    heads: dict[str, int] = {}
    for conversation, seq in acknowledged:
        heads[conversation] = max(heads.get(conversation, 0), int(seq))
    async with opened(path) as store:
        live = await store.live_rooms()
        assert heads.keys() <= {room.id for room in live}
        for room in live:
            found = await store.messages(room.id, before=None, after=None, limit=10**6)
            assert [message.seq for message in found] == list(range(1, room.head + 1))
            assert [message.content for message in found] == [f"text {n}" for n in range(1, room.head + 1)]
            assert room.head >= heads.get(room.id, 0)
            assert [event.seq for event in await store.after(room.id, 0, 10**6)] == list(
                range(1, room.head + 1)
            )
    db = sqlite3.connect(path)
    assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert db.execute("pragma foreign_key_check").fetchall() == []
    db.close()
