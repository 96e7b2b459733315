"""A reader of one channel over P5, by hand, that comes back whatever happens to its connections."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any, Final

import aiohttp
import attrs

SILENCE_S: Final = 1.0  # longer than the pings of an impatient server are apart
AGAIN_S: Final = 0.02

JsonSocket = dict[str, Any]


@attrs.define(eq=False)
class Reader:
    """``seen`` holds what came, by offset, since it was last told that something is missing."""

    url: str
    transport: str
    token: str
    channel: str
    session: aiohttp.ClientSession
    silence_s: float = SILENCE_S
    offset: int = 0
    epoch: str = ""
    seen: dict[int, JsonSocket] = attrs.field(factory=dict)
    doubles: int = 0
    recoveries: int = 0
    losses: int = 0
    connections: int = 0
    _said: set[asyncio.Task[None]] = attrs.field(factory=set)
    _ticket: JsonSocket = attrs.field(factory=dict)
    _socket: aiohttp.ClientWebSocketResponse | None = None

    async def run(self) -> None:
        """Until cancelled: connect, subscribe, read; and again."""
        while True:
            self.connections += 1
            with contextlib.suppress(OSError, aiohttp.ClientError, TimeoutError, ValueError, EOFError):
                await self._read()
            await asyncio.sleep(AGAIN_S)

    async def _read(self) -> None:
        connect = {"id": 1, "connect": {"token": self.token}}
        lines = self._over_websocket(connect) if self.transport == "websocket" else self._over_http(connect)
        async with contextlib.aclosing(lines) as coming:
            while True:
                async with asyncio.timeout(self.silence_s):
                    line = await anext(coming, None)
                if line is None or not self._take(line):
                    return

    def _take(self, line: JsonSocket) -> bool:
        """False: connect again."""
        match line:
            case {"connect": connected}:
                self._ticket = connected
                since = {"recover": True, "epoch": self.epoch, "offset": self.offset} if self.epoch else {}
                self._say({"id": 2, "subscribe": {"channel": self.channel, **since}})
            case {"subscribe": subscribed}:
                self._subscribed(subscribed)
            case {"push": {"pub": {"offset": _} as publication}}:
                self._publication(publication)
            case {"push": {"disconnect": _} | {"unsubscribe": _}} | {"error": _}:
                return False
            case {"push": _}:
                pass
            case _:
                self._say({})
        return True

    def _subscribed(self, result: JsonSocket) -> None:
        if result.get("recovered"):
            self.recoveries += 1
            for publication in result["publications"]:
                self._publication(publication)
        elif self.epoch:  # told that something is missing
            self.losses += 1
            self.seen.clear()
        self.epoch, self.offset = result["epoch"], result["offset"]

    def _publication(self, publication: JsonSocket) -> None:
        self.doubles += publication["offset"] in self.seen
        self.offset = publication["offset"]
        self.seen[self.offset] = publication["data"]

    def _say(self, line: JsonSocket) -> None:
        task = asyncio.ensure_future(self._send(line))
        self._said.add(task)
        task.add_done_callback(self._said.discard)

    async def _send(self, line: JsonSocket) -> None:
        with contextlib.suppress(OSError, aiohttp.ClientError, TimeoutError):
            if self.transport == "websocket":
                if self._socket is not None:
                    await self._socket.send_str(json.dumps(line))
                return
            ticket = {name: self._ticket[name] for name in ("session", "node")}
            said = {**ticket, "data": json.dumps(line)}
            async with asyncio.timeout(self.silence_s), self.session.post(f"{self.url}/emulation", json=said):
                pass

    async def _over_websocket(self, connect: JsonSocket) -> AsyncGenerator[JsonSocket, None]:
        async with self.session.ws_connect(f"{self.url}/connection/websocket") as socket:
            self._socket = socket
            await socket.send_str(json.dumps(connect))
            async for message in socket:
                for line in str(message.data).split("\n"):
                    yield json.loads(line)

    async def _over_http(self, connect: JsonSocket) -> AsyncGenerator[JsonSocket, None]:
        if self.transport == "sse":
            asking = self.session.get(
                f"{self.url}/connection/sse", params={"cf_connect": json.dumps(connect)}
            )
        else:
            asking = self.session.post(f"{self.url}/connection/http_stream", json=connect)
        async with asking as answer:
            async for raw in answer.content:
                text = raw.decode()
                if not text.endswith("\n"):
                    return  # cut in its middle
                text = text.removeprefix("data: ").strip()
                if text and not text.startswith(":"):
                    yield json.loads(text)
