"""Behaviour specific to PostgreSQL: shared commits, lost connections, failures."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import pytest

from chat_core.adapters.sql.postgres.connection import PATIENCE, Patience, options
from chat_core.adapters.sql.postgres.store import PostgresStore, open_postgres
from chat_core.adapters.sql.postgres.writer import GROUP_MAX
from chat_core.model.errors import InvariantBroken, Unavailable
from chat_core.ports import Stale
from chat_core.testing.contracts.stories import Story
from chat_core.testing.postgres import Cluster
from tests.support.database_proxy import DatabaseProxy, database_proxy
from tests.support.store_stories import crooked, hello, rooms

SOON = Patience(connect_s=1.0, answer_s=1.5)


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    async with opened(url) as store:
        yield store


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[DatabaseProxy]:
    async with database_proxy(url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def own(postgres: Cluster) -> Iterator[Cluster]:
    """A server that a test may damage."""
    assert postgres.version >= 15
    with Cluster.started(durable=False, wal_segment_mb=1) as cluster:
        yield cluster


@asynccontextmanager
async def opened(url: str, patience: Patience = PATIENCE) -> AsyncIterator[PostgresStore]:
    store = await open_postgres(url, patience=patience)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def locked(url: str, conversation: str) -> AsyncIterator[None]:
    """A write of another process to a conversation, which makes the next writer wait."""
    db = await asyncpg.connect(url)
    try:
        await db.execute("begin")
        await db.execute("select 1 from heads where conversation = $1 for update", conversation)
        yield
        await db.execute("rollback")
    finally:
        await db.close()


async def written(store: PostgresStore, stories: Sequence[Story]) -> None:
    await asyncio.gather(*(store.append(story.opening()) for story in stories))


async def waiting_for_a_lock(url: str) -> None:
    """Return once a session of the server waits for another one."""
    db = await asyncpg.connect(url)
    try:
        while not await db.fetchval("select count(*) from pg_locks where not granted"):
            pass
    finally:
        await db.close()


# Group commit


async def test_who_comes_during_a_commit_shares_the_next_one(store: PostgresStore, url: str) -> None:
    stories = rooms(80)
    await written(store, stories)
    before = store.commits
    async with locked(url, stories[0].id):
        first = asyncio.ensure_future(store.append(hello(stories[0])))
        await waiting_for_a_lock(url)
        rest = [asyncio.ensure_future(store.append(hello(story))) for story in stories[1:]]
        await asyncio.sleep(0)
        assert store.commits == before
    await asyncio.gather(first, *rest)
    assert store.commits == before + 2
    assert [len(await store.after(story.id, 0, 9)) for story in stories] == [1] * 80


async def test_a_group_has_a_hundred_changes_at_most(store: PostgresStore) -> None:
    stories = rooms(2 * GROUP_MAX + 50)
    await written(store, stories)
    assert store.commits == 3


async def test_one_that_is_stale_or_cannot_be_stored_fails_alone(store: PostgresStore) -> None:
    stories = rooms(30)
    await written(store, stories)
    late = hello(stories[3])
    await store.append(late)
    changes = [hello(story) for story in stories]
    changes[3], changes[5] = late, crooked(changes[5])
    begun = [asyncio.ensure_future(store.append(change)) for change in changes]
    marked = asyncio.ensure_future(store.mark_read(stories[0].id, "ann", 1))
    answers = await asyncio.gather(*begun, return_exceptions=True)
    assert isinstance(answers[3], Stale)
    assert isinstance(answers[5], InvariantBroken)
    assert await marked
    assert all(answer is None for n, answer in enumerate(answers) if n not in (3, 5))


async def test_two_processes_that_write_the_same_conversations_never_wait_for_one_another_for_ever(
    store: PostgresStore, url: str
) -> None:
    stories = rooms(40)
    await written(store, stories)
    changes = [hello(story) for story in stories]
    async with opened(url) as other:
        one = [store.append(change) for change in changes]
        two = [other.append(change) for change in reversed(changes)]
        answers = await asyncio.gather(*one, *two, return_exceptions=True)
    assert [type(answer) for answer in answers].count(Stale) == 40
    assert answers.count(None) == 40


# In doubt


async def test_a_connection_that_is_cut_after_the_commit_leaves_what_was_committed(
    url: str, proxy: DatabaseProxy
) -> None:
    (story,) = rooms(1)
    async with opened(proxy.url(url)) as store:
        await store.append(story.opening())
        await store.append(hello(story))  # from here on the statement is known to the server
        proxy.holds = True
        appending = asyncio.ensure_future(store.append(hello(story)))
        await proxy.held.wait()
        proxy.cut()
        proxy.holds = False
        with pytest.raises(Unavailable, match="could not be written"):
            await appending
        assert await store.load(story.id) == story.state
        await store.append(hello(story))


async def test_what_was_under_way_when_the_connection_was_cut_is_never_committed_after_a_reading(
    url: str, proxy: DatabaseProxy
) -> None:
    (story,) = rooms(1)
    async with opened(proxy.url(url)) as store:
        await store.append(story.opening())
        before = story.state
        late = hello(story)
        async with locked(url, story.id):
            appending = asyncio.ensure_future(store.append(late))
            await waiting_for_a_lock(url)
            proxy.cut()
            with pytest.raises(Unavailable):
                await appending
            assert await store.load(story.id) == before
        # Nothing blocks it any more: if the server had continued, the row would exist now.
        await store.append(late)
        assert await store.load(story.id) == story.state


async def test_nobody_reads_while_it_is_not_known_what_was_committed(url: str, proxy: DatabaseProxy) -> None:
    (story,) = rooms(1)
    async with opened(proxy.url(url), SOON) as store:
        await store.append(story.opening())
        await store.append(hello(story))  # from here on the statement is known to the server
        proxy.holds = True
        appending = asyncio.ensure_future(store.append(hello(story)))
        await proxy.held.wait()
        proxy.cut()
        with pytest.raises(Unavailable):
            await appending
        with pytest.raises(Unavailable):
            await store.load(story.id)
        proxy.holds = False
        assert await store.load(story.id) == story.state


async def test_cancelling_one_of_a_group_harms_nobody_and_its_change_is_written(
    store: PostgresStore, url: str
) -> None:
    stories = rooms(20)
    await written(store, stories)
    async with locked(url, stories[0].id):
        begun = [asyncio.ensure_future(store.append(hello(story))) for story in stories]
        await waiting_for_a_lock(url)
        begun[4].cancel()
        reading = asyncio.ensure_future(store.load(stories[0].id))
        await asyncio.sleep(0)
        reading.cancel()
    answers = await asyncio.gather(*begun, return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if answer is not None] == [4]
    assert await store.load(stories[4].id) == stories[4].state


# Failures


async def test_a_server_that_has_gone_is_unavailable_and_its_return_is_all_it_takes(own: Cluster) -> None:
    stories = rooms(3)
    async with opened(own.schema()) as store:
        await written(store, stories)
        wanted = [story.state for story in stories]
        late = [hello(story) for story in stories]
        own.kill()
        answers = await asyncio.gather(*(store.append(one) for one in late), return_exceptions=True)
        assert all(isinstance(answer, Unavailable) for answer in answers)
        for asked in (store.check(), store.load(stories[0].id), store.read_marks(stories[0].id)):
            with pytest.raises(Unavailable):
                await asked
        await asyncio.to_thread(own.start)
        assert [await store.load(story.id) for story in stories] == wanted
        await asyncio.gather(*(store.append(one) for one in late))
        await store.check()


async def test_a_server_that_stands_still_is_given_up_and_taken_up_again(own: Cluster) -> None:
    (story,) = rooms(1)
    async with opened(own.schema(), SOON) as store:
        await store.append(story.opening())
        before, late = story.state, hello(story)
        own.pause()
        try:
            for asked in (store.append(late), store.load(story.id), store.check()):
                with pytest.raises(Unavailable):
                    await asked
        finally:
            own.resume()
        found = await until_there(store, story)
        assert found in (before, story.state)
        if found == before:
            await store.append(late)
        assert await store.load(story.id) == story.state


async def until_there(store: PostgresStore, story: Story) -> object:
    """The stored state, as soon as the store is available."""
    while True:
        try:
            return await store.load(story.id)
        except Unavailable:
            continue


async def test_a_server_that_can_only_be_read_is_read(own: Cluster) -> None:
    (story,) = rooms(1)
    async with opened(own.schema()) as store:
        await store.append(story.opening())
        before, late = story.state, hello(story)
        own.reload(default_transaction_read_only="on")
        try:
            while await tried(store) is None:
                pass
            with pytest.raises(Unavailable):
                await store.append(late)
            assert await store.load(story.id) == before
        finally:
            own.reload(default_transaction_read_only="off")
        while await tried(store) is not None:
            pass
        await store.append(late)
        assert await store.load(story.id) == story.state


async def tried(store: PostgresStore) -> Unavailable | None:
    try:
        await store.check()
    except Unavailable as error:
        return error
    return None


@contextmanager
def no_file_grows(cluster: Cluster) -> Iterator[None]:
    """A full disk: no file of the server can grow beyond the size of its log files."""
    cluster.limit_files(cluster.wal_segment_mb * 1024 * 1024)
    try:
        yield
    finally:
        cluster.limit_files(None)


async def test_a_full_disk_is_unavailable_and_space_is_all_it_takes_to_go_on(own: Cluster) -> None:
    (story,) = rooms(1)
    async with opened(own.schema()) as store:
        await store.append(story.opening())
        stored = story.state
        with no_file_grows(own):
            error = None
            while error is None:
                stored = story.state
                late = story.post(story.people[0], os.urandom(400).hex(), client_id=str(story.state.head))
                try:
                    await store.append(late)
                except Unavailable as full:
                    error = full
            assert "could not be written" in str(error)
            assert await until_there(store, story) == stored
        await store.append(late)
        assert await store.load(story.id) == story.state
        found = await store.messages(story.id, before=None, after=None, limit=10**6)
        assert [message.seq for message in found] == list(range(1, story.state.head + 1))


# Odd texts


async def test_who_looks_for_a_text_that_cannot_be_stored_finds_nothing(store: PostgresStore) -> None:
    assert await store.load("a\0b") is None
    assert await store.channel_named("\0") is None
    found = await store.search("\0", "\0", within=None, author="\0", before=None, limit=9)
    assert list(found) == []


@pytest.mark.parametrize(
    ("url", "is_tls"),
    [
        ("postgresql://ann@127.0.0.1/d", False),
        ("postgresql://ann@[::1]:5432/d", False),
        ("postgresql://localhost,127.0.0.2/d", False),
        ("postgresql:///d?host=/run/postgresql", False),
        ("postgresql://ann@db.example.org/d", True),
        ("postgresql://10.0.0.1:5432/d", True),
        ("postgresql://localhost,db.example.org/d", True),
        ("postgresql://db.example.org/d?sslmode=disable", False),
    ],
)
def test_another_machine_proves_who_it_is(url: str, *, is_tls: bool) -> None:
    assert ("ssl" in options(url, durable=True)) is is_tls


async def test_after_closing_nothing_is_asked_any_more_and_no_session_is_left(
    url: str, postgres: Cluster
) -> None:
    store = await open_postgres(url)
    (story,) = rooms(1)
    await store.append(story.opening())
    await store.load(story.id)
    await store.close()
    for asked in (store.append(hello(story)), store.load(story.id), store.check()):
        with pytest.raises(Unavailable, match="closed"):
            await asked


async def test_a_relaxed_store_does_not_wait_for_the_disk_and_says_so(url: str) -> None:
    for durability, says in (("relaxed", "off"), ("full", "on")):
        store = await open_postgres(url, durability=durability)  # type: ignore[arg-type]
        assert store.durable is (durability == "full")
        told = await store.database.write(lambda db: db.row("show synchronous_commit"))
        assert told is not None
        assert told[0] == says
        await store.close()


async def test_a_newer_schema_is_refused_in_words(url: str) -> None:
    await (await open_postgres(url)).close()
    db = await asyncpg.connect(url)
    await db.execute("insert into schema_migrations (version, name) values (9999, 'from_the_future')")
    await db.close()
    with pytest.raises(Unavailable, match=r"has schema 9999, and this version of Parley knows up to \d+"):
        await open_postgres(url)
