"""The official Socket.IO clients, unchanged, against a real server process.

One process serves them all, since a start costs more than a story; each test ends
when nobody of it is connected any more.
"""

import asyncio
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import pytest_asyncio

from tests.support.javascript_clients import Act, play
from tests.support.long_polling import until
from tests.support.servers import Process, browser
from tests.support.socketio_client import OK, Person

OPEN: Final = {"RATE_LIMITS": "off", "REMATCH_AFTER_SECONDS": "0.05", "LOG_LEVEL": "DEBUG"}
LEAVE_S: Final = 15.0  # whoever fell silent between two polls is missed after 10
WAYS: Final = (["websocket"], ["polling"], ["polling", "websocket"])
NO_PARTNER: Final = {"code": "wrong_state", "message": "You have no partner yet."}
STORY_S: Final = 20.0

each_way = pytest.mark.parametrize("ways", WAYS, ids="-then-".join)
each_transport = pytest.mark.parametrize("ways", WAYS[:2], ids="".join)


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    async with Process(tmp_path_factory.mktemp("socketio"), **OPEN) as process:
        yield process
        assert await process.stop() == 0
    assert "Traceback" not in process.log
    for word in ("hello", "anybody", "music", "127.0.0.1:"):
        assert word not in process.log.replace("listens on", ""), word


@pytest_asyncio.fixture(loop_scope="module")
async def server(shared: Process) -> AsyncIterator[Process]:
    """The server, to which nobody is connected before and after."""
    yield shared
    async with browser(shared) as http, asyncio.timeout(LEAVE_S):
        while await connections(http):  # noqa: ASYNC110 - a process gives no event
            await asyncio.sleep(0.01)


async def connections(http: aiohttp.ClientSession) -> int:
    async with http.get("/health") as answer:
        return int((await answer.json())["connections"])


async def found_by(story: str, server: Process, act: Act | None = None, **given: Any) -> dict[str, Any]:
    return await play(story, act, script="socketio.mjs", url=server.url, **given)


@each_way
async def test_two_talk_skip_and_meet_again(server: Process, ways: list[str]) -> None:
    found = await found_by("talks", server, transports=ways)
    (ann, first), (bob, second) = found["matched"]
    assert (ann, bob) == ("matched", "matched")
    assert first == second
    assert found["acks"] == [OK, OK, OK, {"ok": False, **NO_PARTNER}, OK]
    assert found["said"] == [["message", "hello 👋\u2028"], ["message", "hi"], ["message", "no ack"]]
    assert found["left"] == ["partner_left", {"reason": "skipped"}]
    assert found["error"] == ["error", NO_PARTNER]
    assert [event for event, _ in found["again"]] == ["matched", "matched"]
    assert found["again"][0][1] != first
    assert found["gone"] == ["partner_left", {"reason": "disconnected"}]
    assert found["rest"] == []
    assert found["transports"][0] in ways
    pairs = [first["sessionId"], found["again"][0][1]["sessionId"]]
    await until(lambda: [pair for pair in ended(server.folder) if pair in pairs] == pairs)


async def test_what_is_said_while_the_transport_changes_comes_once_and_in_order(server: Process) -> None:
    found = await found_by("upgrades", server, many=200)
    assert found["heard"] == [*map(str, range(200)), "by websocket"]
    assert found["transports"] == ["websocket", "websocket"]
    assert found["rest"] == []


@each_way
async def test_a_lost_connection_parts_at_once_and_the_client_comes_back_as_somebody_else(
    server: Process, ways: list[str]
) -> None:
    found = await found_by("reconnects", server, transports=ways)
    assert found["left"] == ["partner_left", {"reason": "disconnected"}]
    assert found["took"] < 5_000  # at once, not only when the next poll is missed
    assert found["reason"] in ("transport close", "transport error")
    assert found["acks"] == [{"ok": False, **NO_PARTNER}, OK]
    assert found["again"] == ["matched", "matched"]
    assert found["isAnother"]


@each_transport
async def test_ten_bad_packets_end_the_connection_for_good(server: Process, ways: list[str]) -> None:
    found = await found_by("misbehaves", server, transports=ways)
    events = [event for event, _ in found["heard"]]
    assert events == ["error"] * 10 + ["disconnect"]
    assert {data["code"] for event, data in found["heard"] if event == "error"} == {"bad_request"}
    assert found["heard"][-1] == ["disconnect", "io server disconnect"]
    assert (found["active"], found["connected"]) == (False, False)


@each_transport
async def test_another_namespace_and_binary_are_refused(server: Process, ways: list[str]) -> None:
    found = await found_by("elsewhere", server, transports=ways)
    assert found["refused"] == "Invalid namespace"
    assert found["binary"]["code"] == "bad_request"
    assert found["works"] == OK


async def test_a_drain_sends_clients_away_and_they_come_back(server: Process) -> None:
    async def act(what: str) -> None:
        if what == "stop":
            assert await server.stop(signal.SIGTERM) == 0
        else:
            await server.start(PORT=server.port)

    found = await found_by("drained", server, act, ways=WAYS)
    assert found["reasons"] == ["transport close"] * len(WAYS)
    assert found["works"] == [OK] * len(WAYS)
    assert found["areOthers"]


@each_transport
async def test_it_talks_to_a_client_of_the_plain_pair_chat(server: Process, ways: list[str]) -> None:
    found = await found_by("meets", server, transports=ways)
    assert found["greeted"] == ["connected", "waiting", "paired"]
    assert found["matched"][0] == "matched"
    assert found["atBob"] == {"type": "message", "message": "hello from Socket.IO"}
    assert found["atAnn"] == ["message", "hello from afar"]
    assert found["left"] == ["partner_left", {"reason": "skipped"}]


@each_transport
async def test_the_client_for_python(server: Process, ways: list[str]) -> None:
    ann, bob = Person(), Person()
    async with asyncio.timeout(STORY_S):
        for person in (ann, bob):
            await person.client.connect(server.url, transports=ways)
            assert await person.client.call("search", {"interests": ["music"]}) == OK
        first, second = await ann.heard.get(), await bob.heard.get()
        assert first == second
        assert await ann.client.call("message", "hello") == OK
        assert await bob.heard.get() == ("message", "hello")
        assert await bob.client.call("message", {"message": "hello too"}) == OK
        assert await ann.heard.get() == ("message", "hello too")
        assert await bob.client.call("skip") == OK
        assert await ann.heard.get() == ("partner_left", {"reason": "skipped"})
        await ann.client.emit("message", "hello?")
        assert await ann.heard.get() == ("error", NO_PARTNER)
        await bob.client.disconnect()
        await ann.client.disconnect()


def sessions(folder: Path) -> list[tuple[str, float, float | None]]:
    """The rows of the pairs: id, beginning and end."""
    with sqlite3.connect(folder / "data" / "parley.db") as database:
        rows = database.execute("select id, started_at, ended_at from chat_sessions order by id").fetchall()
    database.close()
    return rows


def ended(folder: Path) -> list[str]:
    """The pairs that have parted, in the order in which they met."""
    return [id_ for id_, started_at, ended_at in sessions(folder) if (ended_at or 0.0) >= started_at]


async def test_each_pair_is_a_row_that_closes_with_it_or_after_a_crash(tmp_path: Path) -> None:
    process = Process(tmp_path, **OPEN)
    await process.start()
    ann, bob = Person(), Person()
    async with asyncio.timeout(STORY_S):
        for person in (ann, bob):
            await person.client.connect(process.url, transports=["websocket"])
        began = time.time()
        for person in (ann, bob):
            assert await person.client.call("search") == OK
        _, first = await ann.heard.get()
        ((id_, started_at, ended_at),) = sessions(tmp_path)
        assert (id_, ended_at) == (first["sessionId"], None)
        assert began - 1 <= started_at <= time.time() + 1
        parted = time.time()
        assert await ann.client.call("skip") == OK
        assert await bob.client.call("search") == OK
        await bob.heard.get()  # matched
        await bob.heard.get()  # partner_left
        _, second = await bob.heard.get()
        await until(lambda: sessions(tmp_path)[0][2] is not None)
        rows = sessions(tmp_path)
    assert parted - 1 <= (rows[0][2] or 0.0) <= time.time() + 1
    assert rows[1][0] == second["sessionId"]
    assert rows[1][2] is None
    assert await process.stop(signal.SIGKILL) == -signal.SIGKILL
    assert sessions(tmp_path)[1][2] is None
    crashed = time.time()
    await process.start()
    ended_at = sessions(tmp_path)[1][2]
    assert ended_at is not None
    assert crashed - 1 <= ended_at <= time.time() + 1
    assert await process.stop() == 0
    for person in (ann, bob):
        await person.client.disconnect()
