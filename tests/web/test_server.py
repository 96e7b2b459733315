"""The server as a process: it starts with nothing, and SIGTERM ends it well."""

import asyncio
import json
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support.servers import Process, browser

CANARY = "a canary that no disk and no log may hold"


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def events(wire: ClientConnection, count: int) -> list[str]:
    async with asyncio.timeout(10):
        return [json.loads(await wire.recv()).get("event", "") for _ in range(count)]


async def test_sigterm_sends_everybody_away_and_ends_with_status_0(tmp_path: Path) -> None:
    async with Process(tmp_path, LOG_LEVEL="DEBUG") as server:
        address = server.url.replace("http", "ws", 1)
        async with browser(server) as http, http.get("/ready") as response:
            assert response.status == 200
        ann = await connect(f"{address}/ws/ann", proxy=None)
        bob = await connect(f"{address}/ws/bob", proxy=None)
        silent = await connect(f"{address}/connection/websocket", proxy=None)
        await events(ann, 3)
        await events(bob, 3)
        await ann.send(CANARY)
        await events(bob, 1)
        before = time.monotonic()
        assert await server.stop(signal.SIGTERM) == 0
        assert time.monotonic() - before < 5
        for wire in (ann, bob, silent):
            await asyncio.wait_for(wire.wait_closed(), 5)
            assert (wire.close_code, wire.close_reason) == (3001, "shutdown: come back")
    assert "Traceback" not in server.log
    assert "drain_started" in server.log
    assert CANARY not in server.log
    for path in files_of(tmp_path):
        assert CANARY.encode() not in path.read_bytes(), path
    with sqlite3.connect(tmp_path / "data" / "parley.db") as database:
        rows = database.execute("select count(*), count(ended_at) from chat_sessions").fetchall()
    database.close()
    assert rows == [(1, 1)]


async def test_a_signal_while_nobody_is_there(tmp_path: Path) -> None:
    async with Process(tmp_path, DATABASE_URL="memory://") as server:
        before = time.monotonic()
        assert await server.stop(signal.SIGINT) == 0
        assert time.monotonic() - before < 3


async def test_tokens_never_reach_the_log(tmp_path: Path) -> None:
    async with Process(tmp_path, DATABASE_URL="memory://", LOG_LEVEL="DEBUG") as server:
        async with browser(server) as http:
            async with http.post("/api/auth/guest", json={"display_name": "Canary"}) as response:
                token = (await response.json())["access_token"]
            async with http.get(f"/ws/ann?token={token}") as response:
                assert response.status == 426
            async with http.get("/ws/ann?token=canary-token") as response:
                assert response.status == 401
        address = server.url.replace("http", "ws", 1)
        async with connect(f"{address}/ws/ann?token={token}", proxy=None) as wire:
            await events(wire, 1)
        await server.stop()
    assert token not in server.log
    assert token.split(".")[1] not in server.log
    assert "canary" not in server.log.lower()


async def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    async with Process(tmp_path, DATABASE_URL="memory://") as server:
        other = Process(tmp_path, DATABASE_URL="memory://", PORT=server.port)
        with pytest.raises(AssertionError, match="is in use") as said:
            await other.start()
        assert "Traceback" not in str(said.value)
