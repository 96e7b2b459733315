"""``kill -9`` while posts to a stored channel are acknowledged over P5: nothing acknowledged is lost.

``PARLEY_KILLS=20 pytest tests/crash`` runs it twenty times, each with 2,000 posts.
"""

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.crash.processes import Client, Process, start

KILLS = int(os.environ.get("PARLEY_KILLS", "3"))
POSTS = 2_000
SENDERS = 20


class Posts:
    """One sender's posts, by client_id, and which message each was acknowledged as."""

    def __init__(self, name: str, many: int) -> None:
        self.waiting = [f"{name} post {n}" for n in range(many)]
        self.acknowledged: dict[str, dict[str, Any]] = {}

    async def send(self, client: Client) -> None:
        """Post one after the other until all are acknowledged or the server is gone.

        What was not acknowledged stays first in the line, under the same client_id.
        """
        while self.waiting:
            name = self.waiting[0]
            try:
                answer = await client.rpc(
                    "post", conversation="channel:general", content=name, client_id=name
                )
            except ConnectionError:
                return
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


@pytest.mark.parametrize("run", range(KILLS))
async def test_nothing_acknowledged_is_lost_or_doubled_by_a_kill(tmp_path: Path, run: int) -> None:
    posts = [Posts(f"run {run} sender {n}", POSTS // SENDERS) for n in range(SENDERS)]
    tokens: list[str] = []
    kill_after = random.Random(run).randrange(POSTS // 10, POSTS * 9 // 10)
    async with aiohttp.ClientSession() as session:
        server = await start(tmp_path)
        clients = await guests(session, server, tokens)
        senders = [asyncio.create_task(p.send(c)) for p, c in zip(posts, clients, strict=True)]
        while sum(len(p.acknowledged) for p in posts) < kill_after:
            await asyncio.wait(senders, timeout=0.001, return_when=asyncio.FIRST_COMPLETED)
        server.kill()
        await asyncio.gather(*senders)
        for client in clients:
            await client.close()
        assert await server.gone() == -9
        assert any(p.waiting for p in posts)

        server = await start(tmp_path)
        clients = await guests(session, server, tokens)
        check(await log_of(clients[0]), posts)
        await asyncio.gather(*(p.send(c) for p, c in zip(posts, clients, strict=True)))
        check(await log_of(clients[0]), posts)
        assert sum(len(p.acknowledged) for p in posts) == POSTS
        for client in clients:
            await client.close()
        assert await server.stop() == 0


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
