"""Malformed questions to P5's HTTP transports: typed errors or closes only, and nothing is left behind."""

import contextlib
import json
import logging
import random
import resource
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import pytest
from structlog.testing import capture_logs

from chat_web.http.errors import STATUS
from chat_web.sockets.emulation import STREAMS
from chat_web.sockets.pump import PumpLimits
from tests.support import servers

CASES: Final = 2000
SEED: Final = 4
RSS_GROWTH_MAX: Final = 32 * 1024 * 1024
UNHURRIED: Final = PumpLimits(frames=None)
JSON: Final = {"Content-Type": "application/json"}

FOUND: Final = {"HTTP 200", "HTTP 204", "HTTP 400", "HTTP 404", "HTTP 413", "HTTP 415", "HTTP 422"} | {
    "close 3509",
    "protobuf",
}

CONNECT: Final = b'{"id":1,"connect":{"token":"","data":{"any":["thing",1.5,null]},"name":"js"}}'
COMMANDS: Final = (
    b'{"id":2,"subscribe":{"channel":"channel:general","recover":true,"epoch":"e","offset":7}}',
    b'{"id":3,"publish":{"channel":"channel:general","data":{"content":"hi","client_id":"c"}}}',
    b'{"id":4,"rpc":{"method":"search","data":{"lobby":"anonymous","interests":["chess"]}}}',
    b'{"id":5,"history":{"channel":"channel:general","limit":10,"since":{"offset":1,"epoch":"e"}}}',
    b'{"id":6,"presence":{"channel":"room:nowhere"}}\n{"id":7,"unsubscribe":{"channel":"channel:general"}}',
    b'{"id":8,"refresh":{"token":"x"}}',
)
ODD: Final = (
    b"",
    b" ",
    b"\n\n\n",
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"NaN",
    b"\xff\xfe\x00",
    b'"\\ud800"',
    b"1e400",
    b"-" * 100,
    b"9" * 5000,
    b"[" * 5000,
    b'{"a":' * 2000,
    b"{" + b'"id":1,' * 500 + b'"connect":{}}',
    b"\x00" * 50,
    b'{"id":1,"connect":{"token":"' + b"x" * 5000 + b'"}}',
    b'{"id":1,"connect":{"token":"' + b"x" * 70_000 + b'"}}',
)


def broken(rng: random.Random, text: bytes) -> bytes:
    """The text, with something wrong in it; perhaps in a way that is still right."""
    if rng.random() < 0.15:
        return rng.choice(ODD)
    changed = bytearray(text)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(6):
            case 0:
                del changed[at:]
            case 1:
                changed[at : at + 1] = bytes((rng.randrange(256),))
            case 2:
                changed[at:at] = rng.choice(ODD)[:200]
            case 3:
                changed[at : at + rng.randint(1, 9)] = b""
            case 4:
                value = rng.choice((b"-1", b"1e999", b"true", b"null", b"[]", b'"\\u0000"', b"9" * 30))
                changed = bytearray(bytes(changed).replace(b"1", value, 1))
            case _:
                changed *= rng.choice((0, 2, 300))
    return bytes(changed)


class Fuzzer:
    """Asks, and judges each answer."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session
        self.found: Counter[str] = Counter()
        self._open: aiohttp.ClientResponse | None = None
        self._ticket: dict[str, str] = {}

    async def post(self, path: str, body: bytes, headers: dict[str, str] = JSON) -> None:
        async with self.session.post(self.url + path, data=body[:200_000], headers=headers) as answer:
            await self._judge(answer)

    async def opened(self, query: bytes) -> None:
        with contextlib.suppress(UnicodeDecodeError):  # a client cannot even ask that
            params = {"cf_connect": query.decode()}
            async with self.session.get(f"{self.url}/connection/sse", params=params) as answer:
                await self._judge(answer)

    async def said(self, data: bytes) -> None:
        """Malformed commands by a client that is properly connected."""
        if not self._ticket:
            url = f"{self.url}/connection/http_stream"
            self._open = await self.session.post(url, data=b'{"id":1,"connect":{}}', headers=JSON)
            connected = json.loads(await self._open.content.readline())["connect"]
            self._ticket = {name: connected[name] for name in ("session", "node")}
        shown = json.dumps({**self._ticket, "data": data.decode("utf-8", "replace")}).encode()
        async with self.session.post(f"{self.url}/emulation", data=shown, headers=JSON) as answer:
            if answer.status == 404:  # closed for what came before
                self._ticket = {}
                await self._hear_the_end()
            await self._judge(answer)

    async def done(self) -> None:
        if self._open is not None:
            self._open.close()

    async def _hear_the_end(self) -> None:
        assert self._open is not None
        *_, last = [json.loads(line) async for line in self._open.content]
        self.found[f"close {last['push']['disconnect']['code']}"] += 1

    async def _judge(self, answer: aiohttp.ClientResponse) -> None:
        self.found[f"HTTP {answer.status}"] += 1
        if answer.status == 204:
            return
        if answer.content_type == "application/octet-stream":
            self.found["protobuf"] += 1
            assert (await answer.read()).endswith(b"not available")
            return
        if answer.status == 200:
            line = await self._first_line(answer)
            assert set(line) <= {"id", "connect", "error", "push"}, line
            answer.close()
            return
        error = (await answer.json())["error"]
        assert STATUS[error["code"]] == answer.status
        assert answer.status < 500

    async def _first_line(self, answer: aiohttp.ClientResponse) -> dict[str, Any]:
        async for raw in answer.content:
            text = raw.removeprefix(b"data: ").strip()
            if text and not text.startswith(b":"):
                found: dict[str, Any] = json.loads(text)
                return found
        raise AssertionError("a stream that said nothing")


def rss() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def test_nothing_but_typed_errors_and_closes(caplog: pytest.LogCaptureFixture) -> None:
    rng = random.Random(SEED)
    kinds = ("text/plain", "application/json; charset=x", "application/json", "application/json")
    types: tuple[dict[str, str], ...] = ({}, *({"Content-Type": kind} for kind in kinds))
    async with (
        servers.serving(servers.settings(rate_limits=False), limits=UNHURRIED) as server,
        aiohttp.ClientSession() as session,
    ):
        fuzzer = Fuzzer(server.url, session)
        envelope = json.dumps({"session": "x" * 32, "node": "n", "data": "{}"}).encode()

        def stream() -> Any:
            return fuzzer.post("/connection/http_stream", broken(rng, CONNECT), rng.choice(types))

        ways: list[Callable[[], Any]] = [
            stream,
            lambda: fuzzer.opened(broken(rng, CONNECT)[:2000]),
            lambda: fuzzer.post("/emulation", broken(rng, envelope), rng.choice(types)),
            lambda: fuzzer.said(broken(rng, rng.choice(COMMANDS))[:30_000]),
        ]
        with capture_logs() as logs, caplog.at_level(logging.WARNING):
            before = rss()
            for n in range(CASES):
                await ways[n % len(ways)]()
            grown = rss() - before
            await fuzzer.done()
        failed = [line for line in logs if line["log_level"] in ("error", "critical")]
    assert failed == []
    assert [record.getMessage() for record in caplog.records] == []
    assert grown < RSS_GROWTH_MAX
    assert not server.app[STREAMS].by_session
    assert set(fuzzer.found) >= FOUND
    assert sum(fuzzer.found.values()) >= CASES * 0.9
