"""Appends per second on SQLite, each confirmed after its commit is on disk.

    python -m benchmarks.store_append [--folder /where/the/disk/is] [--appends 50000]

One line per number of senders. Each sender has its own room and waits for its reply
before it sends again. Columns: appends per second, CPU time of the whole process per
append, appends per commit. Changes are decided in advance, so that only the store is
measured. The last column is the speed of the folder itself: how many times per second
4 KiB can be written and synced there, one after the other.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from chat_core.adapters.sql.sqlite.store import SQLiteStore, open_sqlite
from chat_core.ports import Change
from chat_core.testing.contracts.stories import Author, Story

SENDERS = (1, 64, 2000)
TEXT = "What a message between two people looks like, more or less: a line or two of text."


def rooms(count: int) -> list[Story]:
    author = Author(Random(1))
    return [author.room(author.person(f"ann{n}"), author.person(f"bob{n}")) for n in range(count)]


def talk(story: Story, length: int) -> list[Change]:
    ann, bob = story.people
    return [story.post(bob if n % 2 else ann, TEXT, client_id=f"{story.id}-{n}") for n in range(length)]


async def send(store: SQLiteStore, changes: Sequence[Change]) -> None:
    for change in changes:
        await store.append(change)


async def measure(folder: Path, senders: int, appends: int) -> str:
    stories = rooms(senders)
    with tempfile.TemporaryDirectory(dir=folder) as made:
        store = await open_sqlite(Path(made) / "parley.db")
        await asyncio.gather(*(store.append(story.opening()) for story in stories))
        changes = [talk(story, max(1, appends // senders)) for story in stories]
        done = sum(map(len, changes))
        commits, wall, cpu = store.commits, time.perf_counter(), time.process_time()
        await asyncio.gather(*(send(store, one) for one in changes))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        shared = done / (store.commits - commits)
        await store.close()
    return f"{senders:7} {done / wall:11,.0f} {cpu / done * 1e6:12.1f} {shared:9.1f}"


def syncs_a_second(folder: Path, times: int = 200) -> float:
    with tempfile.TemporaryFile(dir=folder) as file:
        os.pwrite(file.fileno(), b"x" * 4096 * times, 0)
        os.fsync(file.fileno())
        start = time.perf_counter()
        for n in range(times):
            os.pwrite(file.fileno(), b"y" * 4096, 4096 * n)
            os.fdatasync(file.fileno())
        return times / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path.cwd())
    parser.add_argument(
        "--appends", type=int, default=50_000, help="appends for the two larger numbers of senders"
    )
    asked = parser.parse_args()
    print("senders   appends/s  CPU us each per commit  syncs/s")
    for senders in SENDERS:
        syncs = syncs_a_second(asked.folder)
        appends = asked.appends if senders > 1 else asked.appends // 25
        print(f"{asyncio.run(measure(asked.folder, senders, appends))} {syncs:9,.0f}", flush=True)


if __name__ == "__main__":
    main()
