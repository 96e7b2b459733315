"""``kill -9`` while posts to a stored channel are acknowledged over P5: nothing acknowledged is lost.

Of the server, on a file and on a PostgreSQL, and of the PostgreSQL under it.
``PARLEY_KILLS=50 PARLEY_DATABASE_KILLS=10 PARLEY_KILLS_POSTS=10000 pytest tests/crash``
does so that many times, in the midst of so many posts.
"""

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chat_core.testing.postgres import Cluster
from tests.support.killable_process import Client, Process, start

KILLS = int(os.environ.get("PARLEY_KILLS", "2"))
DATABASE_KILLS = int(os.environ.get("PARLEY_DATABASE_KILLS", "2"))
POSTS = int(os.environ.get("PARLEY_KILLS_POSTS", "1000"))
SENDERS = 20


class Posts:
    """One sender's posts, by client_id, and which message each was acknowledged as."""

    def __init__(self, name: str, many: int) -> None:
        self.waiting = [f"{name} post {n}" for n in range(many)]
        self.acknowledged: dict[str, dict[str, Any]] = {}
        self.refused = 0

    async def send(self, client: Client) -> None:
        """Post one after the other until all are acknowledged or the server is gone.

        What was not acknowledged stays first in the line, under the same client_id;
        what could not be stored is tried again.
        """
        while self.waiting:
            name = self.waiting[0]
            try:
                answer = await client.rpc(
                    "post", conversation="channel:general", content=name, client_id=name
                )
            except ConnectionError:
                return
            except RuntimeError as refusal:
                if "'temporary': True" not in str(refusal):
                    raise
                self.refused += 1
                continue
            assert answer["durable"] is True
            self.acknowledged[name] = answer["message"]
            del self.waiting[0]


async def guests(session: aiohttp.ClientSession, server: Process, tokens: list[str]) -> list[Client]:
    """The same people every time: a client_id is its author's."""
    clients = []
    for n in range(SENDERS):
        if len(tokens) <= n:
            async with session.post(f"{server.url}/api/auth/guest", json={}) as answer:
                tokens.append((await answer.json())["access_token"])
        client = Client(session, server.url)
        await client.open(tokens[n])
        await client.rpc("join_channel", name="general")
        clients.append(client)
    return clients


async def log_of(client: Client) -> list[dict[str, Any]]:
    """Every publication of the channel, by pages."""
    publications: list[dict[str, Any]] = []
    while True:
        offset = publications[-1]["offset"] if publications else 0
        since = {"offset": offset, "epoch": ""}
        answer = await client.ask(history={"channel": "channel:general", "limit": 300, "since": since})
        page = answer["history"]["publications"]
        if not page:
            return publications
        publications.extend(page)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'parley.db'}"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.schema()


@pytest.mark.parametrize("run", range(KILLS))
async def test_nothing_acknowledged_is_lost_or_doubled_by_a_kill(
    tmp_path: Path, database: str, run: int
) -> None:
    posts = [Posts(f"run {run} sender {n}", POSTS // SENDERS) for n in range(SENDERS)]
    tokens: list[str] = []
    async with aiohttp.ClientSession() as session:
        server = await start(tmp_path, DATABASE_URL=database)
        clients = await guests(session, server, tokens)
        senders = [asyncio.create_task(p.send(c)) for p, c in zip(posts, clients, strict=True)]
        await acknowledged(posts, senders, random.Random(run).randrange(POSTS // 10, POSTS * 9 // 10))
        server.kill()
        await asyncio.gather(*senders)
        for client in clients:
            await client.close()
        assert await server.gone() == -9
        assert any(p.waiting for p in posts)

        server = await start(tmp_path, DATABASE_URL=database)
        clients = await guests(session, server, tokens)
        check(await log_of(clients[0]), posts)
        await asyncio.gather(*(p.send(c) for p, c in zip(posts, clients, strict=True)))
        check(await log_of(clients[0]), posts)
        assert sum(len(p.acknowledged) for p in posts) == POSTS
        for client in clients:
            await client.close()
        assert await server.stop() == 0


@pytest.fixture(scope="module")
def mortal(postgres: Cluster) -> Iterator[Cluster]:
    """A PostgreSQL to be killed, which waits for the disk."""
    assert postgres.version >= 15
    with Cluster.started() as cluster:
        yield cluster


@pytest.mark.parametrize("run", range(DATABASE_KILLS))
async def test_nothing_acknowledged_is_lost_or_doubled_when_the_database_is_killed(
    tmp_path: Path, mortal: Cluster, run: int
) -> None:
    """The server lives on, refuses what it cannot store, and comes back by itself."""
    posts = [Posts(f"run {run} sender {n}", POSTS // SENDERS) for n in range(SENDERS)]
    tokens: list[str] = []
    async with aiohttp.ClientSession() as session:
        server = await start(tmp_path, DATABASE_URL=mortal.schema(), LOG_LEVEL="CRITICAL")
        clients = await guests(session, server, tokens)
        await clients[0].ask(subscribe={"channel": "channel:general"})
        senders = [asyncio.create_task(p.send(c)) for p, c in zip(posts, clients, strict=True)]
        await acknowledged(posts, senders, random.Random(run).randrange(POSTS // 10, POSTS * 9 // 10))
        mortal.kill()
        while not all(p.refused or not p.waiting for p in posts):
            await asyncio.wait(senders, timeout=0.001, return_when=asyncio.FIRST_COMPLETED)
        async with session.get(f"{server.url}/health") as answer:
            assert answer.status == 503
            health = await answer.json()
            assert health["database"] != "ok"
            assert health["backplane"] == "ok"
        await asyncio.to_thread(mortal.start)
        await asyncio.gather(*senders)
        assert sum(len(p.acknowledged) for p in posts) == POSTS
        async with session.get(f"{server.url}/ready") as answer:
            assert answer.status == 200
        log = await log_of(clients[0])
        check(log, posts)
        check_told(clients[0].pushes, log)
        for client in clients:
            await client.close()
        assert await server.stop() == 0


async def acknowledged(posts: list[Posts], senders: list["asyncio.Task[None]"], many: int) -> None:
    """Wait until so many posts were."""
    while sum(len(p.acknowledged) for p in posts) < many:
        await asyncio.wait(senders, timeout=0.001, return_when=asyncio.FIRST_COMPLETED)


def check(log: list[dict[str, Any]], posts: list[Posts]) -> None:
    """Offsets without a gap; every acknowledged message once, as it was acknowledged."""
    assert [entry["offset"] for entry in log] == list(range(1, len(log) + 1))
    stored: dict[str, list[dict[str, Any]]] = {}
    for entry in log:
        if entry["data"]["type"] == "message_posted":
            message = entry["data"]["message"]
            stored.setdefault(message["content"], []).append(message)
    acknowledged = {name: message for p in posts for name, message in p.acknowledged.items()}
    for name, message in acknowledged.items():
        assert [found["id"] for found in stored[name]] == [message["id"]]
        assert stored[name][0]["seq"] == message["seq"]
    doubled = [name for name, found in stored.items() if len(found) > 1]
    assert doubled == []


def check_told(pushes: list[dict[str, Any]], log: list[dict[str, Any]]) -> None:
    """What was told is what is stored, in its order, each once and none left out."""
    told = [push["push"]["pub"] for push in pushes if "pub" in push.get("push", {})]
    stored = {entry["offset"]: entry["data"] for entry in log}
    offsets = [pub["offset"] for pub in told]
    assert offsets == list(range(offsets[0], len(log) + 1))
    assert [pub["data"] for pub in told] == [stored[offset] for offset in offsets]
