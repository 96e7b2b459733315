"""The official Centrifugal clients, unchanged, against a real server process."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from centrifuge import (
    Client,
    PublicationContext,
    ReplyError,
    SubscribedContext,
    SubscriptionEventHandler,
)

from tests.support.fault_proxy import FaultProxy
from tests.support.javascript_clients import STORY_S, play
from tests.support.servers import Process, enrolled, token_for

POSTS: Final = 80
TRANSPORTS: Final = pytest.mark.parametrize("transport", ["websocket", "http_stream", "sse"])
OPEN: Final = {"GUESTS_MAY_POST": "true", "RATE_LIMITS": "off", "RESUME_SECONDS": "0.2"}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Process]:
    async with Process(tmp_path, **OPEN) as process:
        yield process
        assert await process.stop() == 0
    assert "Traceback" not in process.log


@TRANSPORTS
async def test_it_connects_with_a_guest_token_and_without(server: Process, transport: str) -> None:
    found = await play("connects", transport=transport, url=server.url)
    assert found["people"][:2] == [found["user"]] * 2
    assert found["people"][2] not in ("", found["user"])
    assert found["clients"] == 3
    assert found["lines"] == [None, []]


@TRANSPORTS
async def test_it_publishes_and_hears_each_publication_once_with_its_offset(
    server: Process, transport: str
) -> None:
    found = await play("publishes", transport=transport, url=server.url)
    assert found["recoverable"] is True
    first = found["offset"] + 1
    assert found["ann"] == found["bob"] == [[first, "hello"], [first + 1, "by rpc"]]
    assert found["durable"] is True
    unknown_room = "unknown_room Room not found."
    assert found["refusals"] == [103, 108, 1009, unknown_room, 102]


@TRANSPORTS
async def test_it_recovers_everything_that_it_missed_once_and_in_order(
    server: Process, transport: str
) -> None:
    found = await play("recovers", transport=transport, url=server.url, flush_queue=5, missed=7)
    assert found["rounds"] == [[True, True]] * 5
    offsets = found["offsets"]
    assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
    expected = [[f"before {r}", *(f"missed {r}.{n}" for n in range(7)), f"after {r}"] for r in range(5)]
    assert found["words"] == [text for words in expected for text in words]


@TRANSPORTS
async def test_it_is_told_when_there_is_too_much_to_recover(server: Process, transport: str) -> None:
    found = await play("recovers", transport=transport, url=server.url, flush_queue=1, missed=301)
    assert found["rounds"] == [[True, False]]
    assert found["words"] == ["before 0", "after 0"]


@TRANSPORTS
async def test_presence_history_rpc_and_a_timed_room(server: Process, transport: str) -> None:
    found = await play("asks", transport=transport, url=server.url)
    assert found["join"] == found["leave"] == found["bob"]
    assert found["bob"] in found["presence"]
    assert found["stats"] == [2, 2, 1]
    assert [text for _, text in found["history"]] == ["one", "two", "three"]
    assert found["newest"] == [found["head"], found["head"] - 1]
    assert found["after"] == 1
    assert found["elsewhere"] == 112
    assert found["search"] == ["waiting", "matched"]
    assert found["room"] == [True]
    assert found["kept"] == [["COUNTDOWN", None], ["IDLE", "kept"]]


@TRANSPORTS
async def test_a_token_is_renewed_on_a_live_connection(server: Process, transport: str) -> None:
    now, (ann, sid) = time.time(), await enrolled("ann", server.folder)
    first = token_for(ann, sid, now, lasts_s=1.5)
    later = [token_for(ann, sid, now, lasts_s=3.0), token_for(ann, sid, now, lasts_s=600.0)]
    found = await play("refreshes", transport=transport, url=server.url, first=first, tokens=later)
    assert found["person"] == ann.id
    assert (found["asked"], found["state"], found["states"], found["works"]) == (
        2,
        "connected",
        [],
        "waiting",
    )


@TRANSPORTS
async def test_an_expired_token_makes_the_client_fetch_a_new_one(server: Process, transport: str) -> None:
    now, (ann, sid) = time.time(), await enrolled("ann", server.folder)
    expired = token_for(ann, sid, now - 100, lasts_s=10)
    found = await play(
        "expired", transport=transport, url=server.url, expired=expired, good=token_for(ann, sid, now)
    )
    assert found == {"asked": 1, "person": ann.id}


@TRANSPORTS
async def test_who_is_turned_away_for_good_does_not_come_back(server: Process, transport: str) -> None:
    found = await play("turnedAway", transport=transport, url=server.url)
    assert found == {"code": 3500, "reason": "invalid token", "state": "disconnected", "attempts": 1}


@TRANSPORTS
async def test_a_restart_is_survived_and_what_was_acknowledged_is_on_disk(
    tmp_path: Path, transport: str
) -> None:
    server = Process(tmp_path, **OPEN)
    statuses: list[int] = []
    took: list[float] = []

    async def act(what: str) -> None:
        if what == "stop":
            before = time.monotonic()
            statuses.append(await server.stop(signal.SIGTERM))
            took.append(time.monotonic() - before)
        else:
            await server.start(PORT=server.port)

    async with server:
        token = token_for(*await enrolled("ann", server.folder), time.time())
        found = await play("drained", act, transport=transport, url=server.url, token=token)
    assert statuses == [0]
    assert took[0] < 5.0
    assert (found["code"], found["recovered"]) == (3001, True)
    assert "come back" in found["reason"]
    assert found["stored"] == [[seq, f"acked {n}"] for n, (seq, _) in enumerate(found["acked"])]
    assert all(durable for _, durable in found["acked"])
    assert found["heard"] == 5


@TRANSPORTS
async def test_over_a_wire_that_fails_it_has_what_the_store_has(server: Process, transport: str) -> None:
    address = f"{server.url.replace('http', 'ws')}/connection/websocket"
    ann = Client(address)
    posted: list[tuple[int, str]] = []

    async def post(text: str) -> None:
        answer = await ann.rpc("post", {"conversation": "channel:general", "content": text})
        posted.append((answer.data["message"]["seq"], text))

    async with FaultProxy(server.url, seed=11, bytes_max=4000) as wire, asyncio.timeout(STORY_S):

        async def act(_: str) -> str:
            for n in range(POSTS):
                await post(f"number {n} " + "x" * 300)
                await asyncio.sleep(0.02)
            wire.mend()
            await post("the last one")
            return "the last one"

        await ann.connect()
        await ann.rpc("join_channel", {"name": "general"})
        token = token_for(*await enrolled("bob", server.folder), time.time())
        found = await play("follows", act, transport=transport, url=server.url, wire=wire.url, token=token)
        await ann.disconnect()
    assert wire.struck
    assert found["rounds"]
    assert all(was_recovering for was_recovering, _ in found["rounds"])
    offsets = found["heard"]
    assert offsets == list(range(offsets[0], posted[-1][0] + 1))
    assert found["words"] == [list(each) for each in posted if each[0] >= offsets[0]]


class Recorder(SubscriptionEventHandler):  # type: ignore[misc]  # it has no types
    """What a subscription of the client for Python tells."""

    def __init__(self) -> None:
        self.subscribed: asyncio.Queue[SubscribedContext] = asyncio.Queue()
        self.words: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self.subscribed.put_nowait(ctx)

    async def on_publication(self, ctx: PublicationContext) -> None:
        data = ctx.pub.data
        if data["type"] == "message_posted":
            self.words.put_nowait((ctx.pub.offset, data["message"]["content"]))


async def test_the_client_for_python_talks_loses_the_connection_and_recovers(server: Process) -> None:
    address = f"{server.url.replace('http', 'ws')}/connection/websocket"
    token = token_for(*await enrolled("ann", server.folder), time.time())
    ann = Client(address, token=token, min_reconnect_delay=0.01)
    bob = Client(address, min_reconnect_delay=0.01)
    recorder = Recorder()
    async with asyncio.timeout(STORY_S):
        await ann.connect()
        await bob.connect()
        await ann.rpc("join_channel", {"name": "general"})
        subscription = bob.new_subscription("channel:general", events=recorder)
        await subscription.subscribe()
        assert (await recorder.subscribed.get()).recovered is False
        await ann.rpc("post", {"conversation": "channel:general", "content": "hello"})
        first, text = await recorder.words.get()
        assert text == "hello"
        bob_wire = bob._conn  # the library has no way to lose a connection
        assert bob_wire is not None
        bob_wire.transport.abort()
        await ann.rpc("post", {"conversation": "channel:general", "content": "missed"})
        assert (await recorder.subscribed.get()).recovered is True
        assert await recorder.words.get() == (first + 1, "missed")
        with pytest.raises(ReplyError) as refused:
            await bob.rpc("post", {"conversation": "channel:general", "content": "x"})
        assert refused.value.code == 1004  # not_member
        assert (await subscription.presence_stats()).num_clients == 1
        await bob.disconnect()
        await ann.disconnect()
