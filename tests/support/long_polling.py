"""A client of Engine.IO by hand: long polling and WebSocket, packets as they stand on the wire."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final, Self

import aiohttp

from tests.support.servers import Server

PATH: Final = "/socket.io/"
SEPARATOR: Final = "\x1e"
WAIT_S: Final = 10.0


class Poller:
    """One session by long polling. ``await Poller.opened(http)``, then ``say`` and ``heard``."""

    def __init__(self, http: aiohttp.ClientSession, sid: str) -> None:
        self.http = http
        self.sid = sid
        self._unread: list[str] = []

    @classmethod
    async def opened(cls, http: aiohttp.ClientSession) -> Self:
        async with http.get(PATH, params=asked()) as answer:
            text = await answer.text()
            assert answer.status == 200, text
        return cls(http, json.loads(text[1:])["sid"])

    @classmethod
    async def connected(cls, http: aiohttp.ClientSession) -> Self:
        """A session that has said CONNECT."""
        made = await cls.opened(http)
        await made.say("40")
        assert (await made.heard()).startswith('40{"sid":')
        return made

    @property
    def asked(self) -> dict[str, str]:
        return asked(sid=self.sid)

    async def say(self, *packets: str) -> None:
        status, body = await self.post(SEPARATOR.join(packets).encode())
        assert (status, body) == (200, "ok")

    async def post(self, body: bytes, **headers: str) -> tuple[int, str]:
        async with self.http.post(PATH, params=self.asked, data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    async def poll(self) -> tuple[int, str]:
        async with self.http.get(PATH, params=self.asked) as answer:
            return answer.status, await answer.text()

    async def heard(self) -> str:
        """The next packet but pings, and but what only ends a poll."""
        async with asyncio.timeout(WAIT_S):
            while not self._unread:
                status, body = await self.poll()
                assert status == 200, body
                self._unread += [packet for packet in body.split(SEPARATOR) if packet not in ("2", "6")]
        return self._unread.pop(0)

    async def event(self) -> tuple[str, Any]:
        """The next event, with its data."""
        packet = await self.heard()
        assert packet.startswith("42["), packet
        name, data = json.loads(packet[2:])
        return name, data


def asked(transport: str = "polling", **more: str) -> dict[str, str]:
    return {"EIO": "4", "transport": transport, **more}


async def websocket(http: aiohttp.ClientSession, **more: str) -> aiohttp.ClientWebSocketResponse:
    """A WebSocket of a new session, or (``sid``) one that is to take a session over."""
    return await http.ws_connect(PATH, params=asked("websocket", **more), autoclose=True)


async def connected(http: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    """A session over a WebSocket that has said CONNECT."""
    wire = await websocket(http)
    assert (await said(wire)).startswith("0{")
    await wire.send_str("40")
    assert (await said(wire)).startswith('40{"sid":')
    return wire


async def said(wire: aiohttp.ClientWebSocketResponse) -> str:
    """The next packet but pings, and but what only ends a poll."""
    async with asyncio.timeout(WAIT_S):
        while (packet := await wire.receive_str()) in ("2", "6"):
            pass
    return packet


async def close_of(wire: aiohttp.ClientWebSocketResponse) -> int:
    """The code of the close that follows, whatever comes before it."""
    async with asyncio.timeout(WAIT_S):
        while (await wire.receive()).type not in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
            pass
    return wire.close_code or 0


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what a server in this process comes to."""
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110 - what a peer's packets bring about gives no event
            await asyncio.sleep(0.005)


async def gone(server: Server, left: int = 0) -> None:
    """Wait until no more connections than this are open."""
    await until(lambda: len(server.pumps.open) <= left)
