"""Over wires that fail, each client of P1 and P5 ends up with what the store has, or was told it has not."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import aiohttp
import pytest

from chat_core import Chat, ConversationId, JoinChannel, MessagePosted, Person, PersonKind, Post
from chat_web.http.auth import AUTHENTICATOR
from chat_web.sockets.pump import PumpLimits
from tests.support import p1_reader, p5_reader, servers
from tests.support.fault_proxy import Fault, FaultProxy

Reader: TypeAlias = p1_reader.Reader | p5_reader.Reader

READERS = 4  # of each transport
POSTS = 120
REDRAWN = 60  # posts after which every connection draws another fault
STORY_S = 60.0
IMPATIENT = PumpLimits(frames=None, ping_s=0.25, pong_s=1.0)
CHANNEL = "general"
RECOVERED_MAX = {"p1": 500, "p5": 300}
PAGE = 100


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    while not holds():  # noqa: ASYNC110 - readers are watched from outside
        await asyncio.sleep(0.01)


async def equal(chat: Chat, ann: Person, channel: ConversationId, readers: Sequence[Reader]) -> None:
    """Everybody comes to have what the store has, since each was last told that something is missing."""
    head = (await chat.conversation(ann, channel)).head
    await until(lambda: all(reader.offset == head for reader in readers))
    stored: dict[int, str | None] = {}
    for after in range(0, head, PAGE):
        for event in await chat.history(ann, channel, after=after, limit=PAGE):
            stored[event.seq] = event.message.content if isinstance(event, MessagePosted) else None
    assert list(stored) == list(range(1, head + 1))
    for reader in readers:
        assert reader.doubles == 0
        seen = shown(reader)
        first = min(seen, default=head + 1)
        expected = {seq: text for seq, text in stored.items() if seq >= first}
        if isinstance(reader, p1_reader.Reader):  # only messages have a frame
            expected = {seq: text for seq, text in expected.items() if text is not None}
        assert list(seen.items()) == list(expected.items())  # in order, without a hole


def shown(reader: Reader) -> dict[int, str | None]:
    """What came by seq: the text of a message, None of any other event."""
    if isinstance(reader, p1_reader.Reader):
        return dict(reader.seen)
    return {seq: data.get("message", {}).get("content") for seq, data in reader.seen.items()}


async def arrived(
    server: servers.Server, url: str, protocol: str, session: aiohttp.ClientSession
) -> list[Reader]:
    """Readers of this protocol, over all its transports."""
    readers: list[Reader] = []
    for n, transport in enumerate(["websocket", "http_stream", "sse"] * READERS):
        person = server.chat.guest(f"reader {n}")
        token, _ = await server.app[AUTHENTICATOR].token_of(person)
        if protocol == "p1":
            await server.chat.do(person, JoinChannel(name=CHANNEL))
            readers.append(p1_reader.Reader(CHANNEL, url=url, name=person.username, token=token))
        else:
            readers.append(p5_reader.Reader(url, transport, token, f"channel:{CHANNEL}", session))
    return readers


@pytest.mark.parametrize("protocol", ["p1", "p5"])
async def test_every_client_equals_the_store_or_was_told(protocol: str, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/parley.db"
    settings = servers.settings(
        rate_limits=False, guests_may_post=True, database_url=database, durability="relaxed"
    )
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
        readers = await arrived(server, wire.url, protocol, session)
        running = [asyncio.ensure_future(reader.run()) for reader in readers]
        n = 0
        while n < POSTS or set(wire.struck) < set(Fault) - {Fault.NONE}:
            await chat.do(ann, Post(conversation=channel.id, content=f"number {n} " + "x" * (n * 7 % 900)))
            await asyncio.sleep(0.02)
            n += 1
            if n % REDRAWN == 0:  # else all would end on wires that only delay
                wire.cut()
        wire.mend()
        await chat.do(ann, Post(conversation=channel.id, content="there again"))
        await equal(chat, ann, channel.id, readers)
        assert sum(reader.recoveries for reader in readers) > len(readers)
        assert sum(reader.connections for reader in readers) > 2 * len(readers)
        losses = [reader.losses for reader in readers]

        wire.fail((Fault.REFUSE,))
        for n in range(RECOVERED_MAX[protocol] + 1):
            await chat.do(ann, Post(conversation=channel.id, content=f"too many {n}"))
        wire.mend()
        await until(lambda: all(now.losses > before for now, before in zip(readers, losses, strict=True)))
        await chat.do(ann, Post(conversation=channel.id, content="the last one"))
        await equal(chat, ann, channel.id, readers)
        assert all(len(reader.seen) < RECOVERED_MAX[protocol] for reader in readers)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
