"""Noise over Socket.IO, from a seed: typed errors or closes, no traceback, bounded memory."""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from tests.support.long_polling import PATH, Poller, asked, connected, websocket
from tests.support.noise import noise
from tests.support.servers import Process, browser
from tests.support.socketio_client import OK, Person

PACKETS: Final = 2000
BATCH: Final = 8  # bad packets, below those that end a connection
MEMORY_BYTES_MAX: Final = 24 * 1024 * 1024
ASKED: Final = '427777["message","anybody?"]'  # what is well formed gets its answer, whatever came before
ANSWERED: Final = '437777[{"ok":false'
SEEDS: Final = [
    '42["search",{"interests":["a","b"]}]',
    '4212["message","hello"]',
    '42["message",{"message":"hello"}]',
    '423["skip"]',
    '42["dance",[[{"a":1}]]]',
    '42["connect"]',
    '42["disconnect"]',
    "40",
    '40/admin,{"token":"x"}',
    '42/admin,7["search"]',
    '451-["message",{"_placeholder":true,"num":0}]',
    '4510000000000-["message",{"_placeholder":true,"num":0}]',
    '463-9["x",{"_placeholder":true,"num":-1}]',
    '4312["ok"]',
    '44{"message":"no"}',
    "bAAECAw==",
    "2probe",
    "0{}",
    "5",
    "6",
    "3",
    '4{"x":1}',
    "4" + "1" * 200 + '["search"]',
    '42"search"',
    "42{}",
    '42[null,"search"]',
    '42["message",["\\u001e"]]',
]
TOLD: Final = re.compile(
    r"2|6|1|41"  # ping, noop, close, disconnect
    r'|42\["error",\{"code":"(bad_request|wrong_state|invalid)","message":"[^"]*"\}\]'
    r'|43\d+\[\{("ok":true|"ok":false,"code":"(bad_request|wrong_state|invalid)","message":"[^"]*")\}\]'
    r'|44/[\w./-]*,\{"message":"Invalid namespace"\}'
    r'|42\["(matched|partner_left)",\{"\w+":"[\w-]+"\}\]|42\["message","(?:[^"\\]|\\.)*"\]'
)
CLOSES: Final = frozenset({1000, 1002, 1007, 1009, 3509})


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Process]:
    """A server on which two talk to each other before and after."""
    async with Process(tmp_path, DATABASE_URL="memory://", RATE_LIMITS="off", LOG_LEVEL="DEBUG") as process:
        ann, bob = Person(), Person()
        await ann.client.connect(process.url, transports=["websocket"])
        await bob.client.connect(process.url, transports=["polling"])
        for person in (ann, bob):
            assert await person.client.call("search") == OK
        assert (await ann.heard.get())[1] == (await bob.heard.get())[1]
        before = memory_of(process)
        yield process
        assert memory_of(process) - before < MEMORY_BYTES_MAX
        async with asyncio.timeout(10):
            assert await ann.client.call("message", "still here") == OK
            assert await bob.client.call("message", "so am I") == OK
            assert await bob.heard.get() == ("message", "still here")
            assert await ann.heard.get() == ("message", "so am I")
        for person in (ann, bob):
            await person.client.disconnect()
        assert await process.stop() == 0
    for word in ("Traceback", "never retrieved", "still here", "dance", "anybody", '"error"'):
        assert word not in process.log, word


def memory_of(process: Process) -> int:
    """What the server holds now, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def packet(rng: random.Random) -> str:
    """A packet that was right once, or never."""
    text = noise(rng, SEEDS)
    if rng.random() < 0.1:
        text = "42" + text
    return text


async def test_over_a_websocket(server: Process) -> None:
    rng = random.Random(20_260_102)
    codes: set[int] = set()
    async with browser(server) as http:
        for _ in range(PACKETS // BATCH):
            wire = await (connected(http) if rng.random() < 0.8 else websocket(http))
            with contextlib.suppress(ConnectionError):
                for _ in range(BATCH):
                    if rng.random() < 0.1:
                        await wire.send_bytes(rng.randbytes(rng.randrange(100)))
                    else:
                        await wire.send_str(packet(rng))
                await wire.send_str("40")
                await wire.send_str(ASKED)
            async with asyncio.timeout(10):
                while (came := await wire.receive()).type is aiohttp.WSMsgType.TEXT:
                    if came.data.startswith(ANSWERED):
                        break
                    assert TOLD.fullmatch(came.data) or came.data.startswith(("0{", '40{"sid":')), came.data
                else:
                    codes.add(wire.close_code or 0)
            await wire.close()
    assert codes <= CLOSES


async def test_over_polls(server: Process) -> None:
    rng = random.Random(20_260_103)
    async with browser(server) as http:
        for _ in range(PACKETS // BATCH):
            poller = await (Poller.connected if rng.random() < 0.8 else Poller.opened)(http)
            packets = [packet(rng) for _ in range(BATCH)]
            for body in ("\x1e".join(packets[:5]), *packets[5:]):
                await post(poller, body.encode("utf-8", "surrogatepass"))
            if rng.random() < 0.1:
                await post(poller, rng.randbytes(rng.randrange(1, 100)))
            await post(poller, f"40\x1e{ASKED}".encode())
            is_over = False
            while not is_over:
                async with asyncio.timeout(10):
                    status, body = await poller.poll()
                if status != 200:
                    assert status == 400
                    break
                for told in body.split("\x1e"):
                    is_over = is_over or told.startswith(ANSWERED)
                    assert TOLD.fullmatch(told) or told.startswith(("437777[", '40{"sid":')), told
            await post(poller, b"1")


async def post(poller: Poller, body: bytes) -> None:
    status, text = await poller.post(body)
    assert (status, text == "ok") in ((200, True), (400, False), (413, False)), text


async def test_queries_of_any_kind(server: Process) -> None:
    rng = random.Random(20_260_104)
    values = ["4", "3", "polling", "websocket", "0", "", "é", "%00", "x" * 3000, "\x1e", "../", "4&sid=1"]
    async with browser(server) as http:
        for _ in range(300):
            names = ["EIO", "transport", "sid", "j", "t", "b64"]
            query = {name: rng.choice(values) for name in rng.sample(names, rng.randrange(5))}
            if rng.random() < 0.5:
                query |= asked(sid=rng.choice(values))
            method = rng.choice(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"])
            headers = {"Upgrade": "websocket", "Connection": "Upgrade"} if rng.random() < 0.3 else {}
            body = packet(rng).encode() if method != "GET" else None
            async with http.request(method, PATH, params=query, headers=headers, data=body) as answer:
                assert answer.status in (200, 400, 405, 413, 426), await answer.text()
                if answer.status == 200:
                    assert method == "GET"
