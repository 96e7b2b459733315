"""Over wires that fail, every client ends up with what the store has, or was told that it has not."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp

from chat_core import Chat, ConversationId, JoinChannel, MessagePosted, Person, PersonKind, Post
from chat_web.sockets.doors import INTRODUCTIONS
from chat_web.sockets.pump import PumpLimits
from tests.web import servers
from tests.web.faults import Fault, FaultProxy
from tests.web.p5_reader import Reader

READERS = 4  # of each transport
POSTS = 120
STORY_S = 60.0
IMPATIENT = PumpLimits(frames=None, ping_s=0.25, pong_s=1.0)
CHANNEL = "general"
RECOVERED_MAX = 300
PAGE = 100


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    while not holds():  # noqa: ASYNC110 - readers are watched from outside
        await asyncio.sleep(0.01)


async def equal(chat: Chat, ann: Person, channel: ConversationId, readers: Sequence[Reader]) -> None:
    """Everybody comes to have what the store has, since each was last told that something is missing."""
    head = (await chat.conversation(ann, channel)).head
    await until(lambda: all(reader.offset == head for reader in readers))
    stored: dict[int, str] = {}
    for after in range(0, head, PAGE):
        for event in await chat.history(ann, channel, after=after, limit=PAGE):
            stored[event.seq] = event.message.content if isinstance(event, MessagePosted) else ""
    assert list(stored) == list(range(1, head + 1))
    for reader in readers:
        assert reader.doubles == 0
        first = min(reader.seen, default=head + 1)
        assert list(reader.seen) == list(range(first, head + 1))  # in order, without a hole
        for seq, data in reader.seen.items():
            assert stored[seq] == data.get("message", {}).get("content", "")


async def test_every_client_equals_the_store_or_was_told(tmp_path: Path) -> None:
    settings = servers.settings(rate_limits=False, database_url=f"sqlite:///{tmp_path}/parley.db")
    async with (
        asyncio.timeout(STORY_S),
        servers.serving(settings, limits=IMPATIENT) as server,
        FaultProxy(server.url, seed=4) as wire,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
    ):
        chat = server.chat
        ann = chat.person(chat.new_id(), "ann", PersonKind.USER)
        await chat.do(ann, JoinChannel(name=CHANNEL))
        channel = await chat.channel(ann, CHANNEL)
        readers = []
        for n, transport in enumerate(["websocket", "http_stream", "sse"] * READERS):
            token, _ = await server.app[INTRODUCTIONS].token_of(chat.guest(f"reader {n}"))
            readers.append(Reader(wire.url, transport, token, f"channel:{CHANNEL}", session))
        running = [asyncio.ensure_future(reader.run()) for reader in readers]
        for n in range(POSTS):
            await chat.do(ann, Post(conversation=channel.id, content=f"number {n} " + "x" * (n * 7 % 900)))
            await asyncio.sleep(0.02)
        await until(lambda: set(wire.struck) >= set(Fault) - {Fault.NONE})
        wire.mend()
        await chat.do(ann, Post(conversation=channel.id, content="there again"))
        await equal(chat, ann, channel.id, readers)
        assert sum(reader.recoveries for reader in readers) > len(readers)
        assert sum(reader.connections for reader in readers) > 2 * len(readers)
        losses = [reader.losses for reader in readers]

        wire.fail((Fault.REFUSE,))
        for n in range(RECOVERED_MAX + 1):
            await chat.do(ann, Post(conversation=channel.id, content=f"too many {n}"))
        wire.mend()
        await until(lambda: all(now.losses > before for now, before in zip(readers, losses, strict=True)))
        await chat.do(ann, Post(conversation=channel.id, content="the last one"))
        await equal(chat, ann, channel.id, readers)
        assert all(len(reader.seen) < RECOVERED_MAX for reader in readers)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
