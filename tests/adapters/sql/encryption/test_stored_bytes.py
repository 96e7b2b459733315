"""Encrypted data: no plain byte on the disk, no start without the right keys, and key rotation."""

# ruff: noqa: ASYNC240 - a test reads its own files and ends its own child processes

import asyncio
import contextlib
import io
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

import attrs
import pytest

from chat_core.adapters.sql import key_rotation
from chat_core.adapters.sql.accounts import SQLAccounts
from chat_core.adapters.sql.key_rotation import rotate
from chat_core.adapters.sql.postgres.store import open_postgres
from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.adapters.sql.store import SQLStore
from chat_core.compose import check_database
from chat_core.model.account import Account
from chat_core.model.commands import Edit
from chat_core.model.errors import WrongKeys
from chat_core.model.events import DataPublished, MessageEdited
from chat_core.ports.accounts import EmailTaken
from chat_core.testing.contracts.stories import Author, Story
from chat_core.testing.postgres import Cluster
from chat_web.cli.progress import Bar

OLD, NEW, OTHER = (f"{name} key, of thirty-two bytes or so".encode() for name in ("old", "new", "other"))
EMAIL: Final = "Canary8a4e@example.org"
TEXT: Final = "canary8a4e is a text"

Open: TypeAlias = Callable[..., contextlib.AbstractAsyncContextManager[SQLStore]]


@attrs.frozen
class Place:
    """The database of a test, and the location of its bytes."""

    url: Path | str
    folder: Path

    @contextlib.asynccontextmanager
    async def open(self, *keys: bytes) -> AsyncIterator[SQLStore]:
        store: SQLStore
        if isinstance(self.url, Path):
            store = await open_sqlite(self.url, keys=keys)
        else:
            store = await open_postgres(self.url, keys=keys)
        try:
            yield store
        finally:
            await store.close()

    def holding(self, canary: str) -> list[str]:
        """The files that contain the text, ignoring case."""
        wanted = [canary.encode(), canary.lower().encode()]
        files = [file for file in self.folder.rglob("*") if file.is_file()]
        return [str(file) for file in files if any(one in file.read_bytes() for one in wanted)]


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return Place(tmp_path / "parley.db", tmp_path)
    cluster: Cluster = request.getfixturevalue("postgres")
    return Place(cluster.schema(), cluster.folder)


def story() -> Story:
    author = Author(Random(0))
    return author.room(author.person("ann"), author.person("bob"))


def account(name: str = "ann", email: str = EMAIL) -> Account:
    return Account(id=f"{name}-id", username=name, email=email, created_at=1.0, display_name=name)


async def written(store: SQLStore, room: Story, *, text: str = TEXT, email: str = EMAIL) -> None:
    """Writes a text, an edited text, data that is not a message, and an address."""
    ann = room.people[0]
    await store.append(room.opening())
    await store.append(room.post(ann, text, client_id="1"))
    await store.append(room.post(ann, "at first"))
    await store.append(room.turn((ann, Edit(message=room.newest().id, content=f"{text}, edited"))))
    seq = room.state.head + 1
    data = DataPublished(conversation=room.id, seq=seq, at=room.now, by=ann.id, data=f'{{"a":"{text}"}}')
    change = attrs.evolve(
        room.turn((ann, Edit(message=room.newest().id, content=f"{text}, edited again"))), events=[data]
    )
    await store.append(change)
    await SQLAccounts(store).add(account(email=email), "hash")


async def readable(store: SQLStore, room: Story, *, text: str = TEXT, email: str = EMAIL) -> None:
    """Checks that everything is readable in every way."""
    found = await store.messages(room.id, before=None, after=None, limit=9)
    assert [message.content for message in found] == [text, f"{text}, edited"]
    events = await store.after(room.id, 0, 99)
    assert [event.content for event in events if isinstance(event, MessageEdited)] == [f"{text}, edited"]
    assert [event.data for event in events if isinstance(event, DataPublished)] == [f'{{"a":"{text}"}}']
    by = await SQLAccounts(store).by_email(email.upper())
    assert by is not None
    assert by.email == email
    with pytest.raises(EmailTaken):
        await SQLAccounts(store).add(account("other", email.lower()), "hash")
    posted = await store.posted(room.id, [(room.people[0].id, "1")])
    assert [message.digest for message in posted.values()] == [
        one.digest for one in room.messages() if one.client_id
    ]


# On the disk


async def test_no_byte_of_a_text_or_an_address_reaches_a_file(place: Place) -> None:
    room, canary = story(), f"canary{os.urandom(4).hex()}"
    async with place.open(NEW) as store:
        await written(store, room, text=f"{canary} is a text", email=f"{canary}@example.org")
        await readable(store, room, text=f"{canary} is a text", email=f"{canary}@example.org")
        _checkpoint(place)
        assert place.holding(canary) == []
    assert place.holding(canary) == []
    digest = next(iter(room.posts.values())).digest
    assert digest is not None
    assert place.holding(digest) == []


async def test_without_keys_the_same_scan_finds_it(place: Place) -> None:
    room, canary = story(), f"canary{os.urandom(4).hex()}"
    async with place.open() as store:
        await written(store, room, text=f"{canary} is a text")
        assert place.holding(canary) != []
        assert place.holding(str(next(iter(room.posts.values())).digest)) != []


def _checkpoint(place: Place) -> None:
    if isinstance(place.url, Path):
        with contextlib.closing(sqlite3.connect(place.url)) as db:
            db.execute("pragma wal_checkpoint(passive)")


# The keys


async def test_wrong_keys_stop_the_start_and_the_check_in_words(place: Place) -> None:
    room = story()
    async with place.open(OLD) as store:
        await written(store, room)
    for keys, words in (((), "MESSAGE_KEYS is empty"), ((NEW,), r"the key [0-9a-f]{16}, which is not among")):
        with pytest.raises(WrongKeys, match=words):
            async with place.open(*keys):
                pass
        with pytest.raises(WrongKeys, match=words):
            await check_database(place.url, keys)
    await check_database(place.url, (NEW, OLD))
    async with place.open(NEW, OLD) as store:
        await readable(store, room)
        await store.append(room.post(room.people[0], "with the new one"))
    with pytest.raises(WrongKeys, match="not among"):
        await check_database(place.url, (OLD,))


async def test_a_check_of_a_database_that_is_not_there_makes_none(tmp_path: Path) -> None:
    await check_database(tmp_path / "parley.db", (NEW,))
    assert list(tmp_path.iterdir()) == []


# Rotation


async def test_what_was_in_plain_text_is_encrypted_and_leaves_no_byte_in_a_file(tmp_path: Path) -> None:
    place, room = Place(tmp_path / "parley.db", tmp_path), story()
    async with place.open() as store:
        await written(store, room)
    assert place.holding("canary8a4e") != []
    async with place.open(NEW) as store:
        await readable(store, room)
        assert await rotate(store, _nothing) == 4
        assert place.holding("canary8a4e") == []
    assert place.holding("canary8a4e") == []
    async with place.open(NEW) as store:
        await readable(store, room)


async def test_after_a_rotation_the_old_key_is_needed_no_more(place: Place) -> None:
    room, told = story(), []
    async with place.open(OLD) as store:
        await written(store, room)
    async with place.open(NEW, OLD) as store:
        assert await rotate(store, lambda done, total: told.append((done, total))) == 4
        await readable(store, room)
        assert await rotate(store, _nothing) == 0
    assert told[-1] == (4, 4)
    assert told == sorted(told)
    async with place.open(NEW) as store:
        await readable(store, room)
    with pytest.raises(WrongKeys):
        await check_database(place.url, (OLD,))


async def test_a_rotation_that_is_stopped_goes_on_from_there(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rotation, "ROWS_AT_ONCE", 5)
    room, ann = story(), None
    async with place.open(OLD) as store:
        await store.append(room.opening())
        ann = room.people[0]
        for n in range(40):
            await store.append(room.post(ann, f"number {n}"))
    async with place.open(NEW, OLD) as store:
        with pytest.raises(InterruptedError):
            await rotate(store, _stop_after(20))
        assert len(await store.messages(room.id, before=None, after=None, limit=99)) == 40
    async with place.open(NEW, OLD) as store:
        assert await rotate(store, _nothing) == 20
    async with place.open(NEW) as store:
        found = await store.messages(room.id, before=None, after=None, limit=99)
        assert [message.content for message in found] == [f"number {n}" for n in range(40)]


async def test_a_rotation_goes_on_beside_a_server_that_posts_edits_and_reads(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_rotation, "ROWS_AT_ONCE", 5)
    room = story()
    ann = room.people[0]
    async with place.open(OLD) as store:
        await store.append(room.opening())
        for n in range(60):
            await store.append(room.post(ann, f"number {n}"))
    async with place.open(NEW, OLD) as server, place.open(NEW, OLD) as rotating:
        task = asyncio.ensure_future(rotate(rotating, _nothing))
        ids = list(room.posts)
        for n, id_ in enumerate(ids):
            await server.append(room.turn((ann, Edit(message=id_, content=f"edited {n}"))))
            await server.append(room.post(ann, f"more {n}"))
            assert (await server.message(id_)).content == f"edited {n}"  # type: ignore[union-attr]
        await task
    async with place.open(NEW) as store:
        found = await store.messages(room.id, before=None, after=None, limit=999)
        wanted = [f"edited {n}" for n in range(60)] + [f"more {n}" for n in range(60)]
        assert [message.content for message in found] == wanted


def _nothing(done: int, total: int) -> None:
    """Ignores the progress."""


def _stop_after(rows: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done >= rows:
            raise InterruptedError

    return progress


# The command


ONE, TWO = (f"a random key 7Qx9 {n} zK3mW8vT1pL5 of the tests".encode() for n in range(2))


# Each message takes some tenths of a second, as with many messages.
SLOW: Final = """
create view long as with recursive steps (n) as (
    select 1 union all select n + 1 from steps where n < 3000000
) select n from steps;
create trigger slow before update of content on messages begin select count(*) from long; end;
"""


def _started(folder: Path, keys: Sequence[bytes], *arguments: str) -> "subprocess.Popen[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[4]),
        "DATABASE_URL": "sqlite:///./parley.db",
        "MESSAGE_KEYS": ",".join(key.decode() for key in keys),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "chat_web", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _command(folder: Path, keys: Sequence[bytes], *arguments: str) -> tuple[int, str, str]:
    process = _started(folder, keys, *arguments)
    out, error = process.communicate(timeout=60)
    return process.returncode, out, error


async def test_the_command_shows_how_far_it_is_and_the_check_says_what_is_missing(tmp_path: Path) -> None:
    place, room = Place(tmp_path / "parley.db", tmp_path), story()
    async with place.open(ONE) as store:
        await written(store, room)
    status, _, error = _command(tmp_path, [TWO], "check")
    assert (status, error.startswith("parley: MESSAGE_KEYS: The database was written with the key")) == (
        1,
        True,
    )
    assert _command(tmp_path, [], "check")[2].startswith("parley: MESSAGE_KEYS: The database is encrypted")
    assert "is empty: there is no key" in _command(tmp_path, [], "rotate-keys")[2]
    status, _, error = _command(tmp_path, [TWO], "serve")
    assert status == 1
    assert error.splitlines()[-1].startswith("parley: cannot start: The database was written with")
    status, out, error = _command(tmp_path, [TWO, ONE], "rotate-keys")
    assert (status, error.splitlines()[-1]) == (0, f"[{'#' * 30}] 100 %  4 of 4")
    assert out.startswith("4 re-encrypted.")
    assert _command(tmp_path, [TWO], "check")[0] == 0


async def test_the_command_can_be_stopped_and_begun_again(tmp_path: Path) -> None:
    place, room = Place(tmp_path / "parley.db", tmp_path), story()
    async with place.open(ONE) as store:
        await written(store, room)
    with contextlib.closing(sqlite3.connect(place.url)) as db:
        db.executescript(SLOW)  # so that it cannot be done before it is stopped
    process = _started(tmp_path, [TWO, ONE], "rotate-keys")
    assert process.stderr is not None
    assert process.stderr.readline() == f"[{'.' * 30}]   0 %  0 of 4\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out.startswith("Stopped.")) == (0, True)
    with contextlib.closing(sqlite3.connect(place.url)) as db:
        db.execute("drop trigger slow")
        db.commit()
    async with place.open(TWO, ONE) as store:
        await readable(store, room)
    assert _command(tmp_path, [TWO, ONE], "rotate-keys")[0] == 0
    async with place.open(TWO) as store:
        await readable(store, room)


def test_at_a_terminal_one_line_is_written_over() -> None:
    out = _Terminal()
    bar = Bar(out)
    for done in range(0, 2001, 5):
        bar(done, 2000)
    bar.end()
    assert out.getvalue().startswith(f"\r[{'.' * 30}]   0 %  0 of 2,000\r[")
    assert out.getvalue().endswith(f"\r[{'#' * 30}] 100 %  2,000 of 2,000\n")
    assert out.getvalue().count("\r") == 101


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True
