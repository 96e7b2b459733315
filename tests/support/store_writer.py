"""A process that appends to rooms of its own and says what was acknowledged: ``URL SEED SENDERS APPENDS``.

Each line on standard output is an acknowledgement: sender, room, seq. What is
unavailable is read again and gone on with, as the engine does.
"""

import asyncio
import os
import sys
from pathlib import Path
from random import Random

from chat_core.adapters.sql.postgres.store import open_postgres
from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.adapters.sql.store import SQLStore
from chat_core.model.errors import Unavailable
from chat_core.testing.contracts.stories import Author, Story


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def send(store: SQLStore, sender: int, story: Story, appends: int) -> None:
    await store.append(story.opening())
    say(sender, story.id, 0)
    for n in range(appends):
        change = story.post(story.people[0], f"text {n + 1}", client_id=str(n))
        while True:
            try:
                await store.append(change)
            except Unavailable:
                say("unavailable")
                if await head(store, story) == change.after.head:
                    break  # it was written after all
            else:
                break
        say(sender, story.id, change.after.head)


async def head(store: SQLStore, story: Story) -> int:
    while True:
        try:
            found = await store.load(story.id)
        except Unavailable:
            continue
        return 0 if found is None else found.head


async def main(url: str, seed: int, senders: int, appends: int) -> None:
    is_file = url.startswith("sqlite:///")
    store: SQLStore = await (
        open_sqlite(Path(url.removeprefix("sqlite:///"))) if is_file else open_postgres(url)
    )
    author = Author(Random(seed))
    people = author.person("ann"), author.person("bob")
    rooms = [author.room(*people) for _ in range(senders)]
    await asyncio.gather(*(send(store, n, room, appends) for n, room in enumerate(rooms)))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *map(int, sys.argv[2:5])))
