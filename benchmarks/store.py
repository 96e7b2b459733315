"""Durable messages per second: Parley's store against an ORM that inserts and commits each message.

    python -m benchmarks.store [--folder /where/the/disk/is] [--seconds 2] [--rounds 3]
    python -m benchmarks.store --history

Paired: both alternate every few seconds on the same disk and the same PostgreSQL
server, which the benchmark starts and which waits for the disk. A line shows the
medians of all rounds. The ORM is SQLAlchemy, used as in tutorials: a session, an
insert and a commit per message; on SQLite over aiosqlite with WAL and
synchronous=FULL, on PostgreSQL over asyncpg with a pool of 20. Each sender waits
for its reply before it sends again.

``--history`` measures the newest page of 50, and one from the middle, of a
thousand messages and of a million.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import TypeAlias

from sqlalchemy import Index, event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chat_core.adapters.sql.postgres.store import open_postgres
from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.adapters.sql.store import SQLStore
from chat_core.testing.contracts.stories import Author
from chat_core.testing.postgres import Cluster

SENDERS = (1, 64)
TEXT = "What a message between two people looks like, more or less: a line or two of text."
PAGE = 50
PAGES = 400  # per kind of page
WARM_S = 0.3
POSTS_A_SECOND = 40_000  # more than any machine can store

Send: TypeAlias = Callable[[int], Awaitable[None]]
"""Stores one message of the n-th sender; returns when it is durable."""


class Base(DeclarativeBase):
    pass


class Message(Base):
    """A message as in a tutorial."""

    __tablename__ = "naive_messages"
    __table_args__ = (Index("naive_by_room", "room", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    room: Mapped[str]
    author: Mapped[str]
    content: Mapped[str]
    created_at: Mapped[float]


@asynccontextmanager
async def naive(url: str) -> AsyncIterator[Send]:
    is_sqlite = url.startswith("sqlite")
    engine = create_async_engine(url) if is_sqlite else create_async_engine(url, pool_size=20)
    if is_sqlite:

        @event.listens_for(engine.sync_engine, "connect")
        def _modes(connection: object, _: object) -> None:
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=60000"):
                connection.execute(f"pragma {pragma}")  # type: ignore[attr-defined]

    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)

    async def send(sender: int) -> None:
        async with sessions() as session:
            session.add(Message(room=f"room {sender}", author="ann", content=TEXT, created_at=time.time()))
            await session.commit()

    yield send
    await engine.dispose()


@asynccontextmanager
async def parley(store: SQLStore, senders: int, posts: int) -> AsyncIterator[Send]:
    """A sender for Parley's store. Changes are decided in advance, so that only the store is measured."""
    author = Author(Random(time.time_ns()))
    stories = [author.room(author.person("ann"), author.person("bob")) for _ in range(senders)]
    await asyncio.gather(*(store.append(story.opening()) for story in stories))
    changes = [
        iter([story.post(story.people[0], TEXT, client_id=f"{n}") for n in range(posts // senders)])
        for story in stories
    ]

    async def send(sender: int) -> None:
        await store.append(next(changes[sender]))

    yield send
    await store.close()


async def measure(send: Send, senders: int, seconds: float) -> tuple[float, float]:
    """Messages per second, and the median time per message in milliseconds."""
    end = time.perf_counter() + seconds
    times: list[float] = []

    async def one(sender: int) -> None:
        while (began := time.perf_counter()) < end:
            await send(sender)
            times.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(one(sender) for sender in range(senders)))
    return len(times) / (time.perf_counter() - began), statistics.median(times) * 1000


async def pair(
    name: str, senders: int, asked: argparse.Namespace, url: str, opened: Callable[[], Awaitable[object]]
) -> None:
    theirs: list[tuple[float, float]] = []
    ours: list[tuple[float, float]] = []
    for _ in range(asked.rounds):
        async with naive(url) as send:
            await measure(send, senders, WARM_S)
            theirs.append(await measure(send, senders, asked.seconds))
        store = await opened()
        assert isinstance(store, SQLStore)
        posts = int((asked.seconds + WARM_S) * (POSTS_A_SECOND if senders > 1 else POSTS_A_SECOND // 5))
        async with parley(store, senders, posts) as send:
            await measure(send, senders, WARM_S)
            ours.append(await measure(send, senders, asked.seconds))
    rates = [statistics.median(rate for rate, _ in those) for those in (theirs, ours)]
    waits = [statistics.median(wait for _, wait in those) for those in (theirs, ours)]
    print(
        f"{name:12} {senders:7} {rates[0]:11,.0f} {rates[1]:11,.0f} {rates[1] / rates[0]:6.1f}x"
        f" {waits[0]:9.2f} {waits[1]:9.2f}",
        flush=True,
    )


async def throughput(folder: Path, cluster: Cluster, asked: argparse.Namespace) -> None:
    print("database     senders    ORM msg/s  Parley m/s   ratio    ORM ms Parley ms")
    file = folder / "parley.db"
    url = cluster.database("paired")
    for senders in SENDERS:
        sqlite = f"sqlite+aiosqlite:///{file}"
        await pair("sqlite", senders, asked, sqlite, lambda: open_sqlite(file))
        postgres = url.replace("postgresql:", "postgresql+asyncpg:")
        await pair(f"postgres {cluster.version}", senders, asked, postgres, lambda: open_postgres(url))


# History

_FILL = """
insert into messages (conversation, seq, id, person, card_id, username, display_name, content,
    created_at, deleted)
select '{id}', n, '{id}-' || n, '{person}', '{person}', 'ann', 'Ann', '{text}', {now} + n * 0.001, false
from numbers"""
_NUMBERS = {
    "sqlite": "with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < {n})",
    "postgres": "with numbers as (select n from generate_series(1, {n}) as n)",
}


async def history(folder: Path, cluster: Cluster, asked: argparse.Namespace) -> None:
    """Fills both histories first, then alternates their pages, so that conditions are equal."""
    print(f"database     page     of 1,000 us  of {asked.messages:,} us  ratio")
    stores = {
        "sqlite": await open_sqlite(folder / "history.db"),
        f"postgres {cluster.version}": await open_postgres(cluster.database("history")),
    }
    for name, store in stores.items():
        rooms = {count: await _filled(store, name, count, cluster) for count in (1_000, asked.messages)}
        if name != "sqlite":
            await asyncio.to_thread(cluster.sql, "vacuum analyze", database="history")
            await asyncio.to_thread(cluster.sql, "checkpoint", database="history")
        for page in ("newest", "middle"):
            times: dict[int, list[float]] = {count: [] for count in rooms}
            for _ in range(PAGES):
                for count, room in rooms.items():
                    before = None if page == "newest" else count // 2
                    times[count].append(await _page_us(store, room, before))
            short, long = (statistics.median(each) for each in times.values())
            print(f"{name:12} {page:8} {short:11.0f} {long:15.0f} {long / short:6.2f}", flush=True)
        await store.close()


async def _filled(store: SQLStore, name: str, count: int, cluster: Cluster) -> str:
    """Creates a room of `count` messages; returns its id."""
    story = Author(Random(count)).room(*(Author(Random(n)).person(f"p{n}") for n in (1, 2)))
    await store.append(story.opening())
    fill = _insert(
        name, count, _FILL.format(id=story.id, person=story.people[0].id, text=TEXT, now=time.time())
    )
    if name == "sqlite":
        await store.database.write(lambda db: db.run(fill))
    else:
        await asyncio.to_thread(cluster.sql, fill, database="history")
    return story.id


def _insert(name: str, count: int, text: str) -> str:
    numbers = _NUMBERS["sqlite" if name == "sqlite" else "postgres"].format(n=count)
    head, _, rest = text.partition("select '")
    return f"{head}{numbers} select '{rest}" if name == "sqlite" else f"{numbers} {text}"


async def _page_us(store: SQLStore, room: str, before: int | None) -> float:
    began = time.perf_counter()
    found = await store.messages(room, before=before, after=None, limit=PAGE)
    took = time.perf_counter() - began
    assert len(found) == PAGE
    return took * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="a folder on the disk to measure")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--history", action="store_true")
    parser.add_argument("--messages", type=int, default=1_000_000, help="length of the long history")
    asked = parser.parse_args()
    what = history if asked.history else throughput
    with tempfile.TemporaryDirectory(dir=asked.folder) as made, Cluster.started() as cluster:
        asyncio.run(what(Path(made), cluster, asked))


if __name__ == "__main__":
    main()
