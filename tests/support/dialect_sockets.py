"""Clients of older dialects on a real server: ``ann = await server.joins(caller, "/api/ws/ann")``.

Nobody waits for a while: ``seen`` returns once all that was asked has been done
and all that it led to has come.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Iterable
from socket import SHUT_RDWR
from typing import Any

import aiohttp
import attrs

from chat_core.testing import FakeClock
from tests.support.http_clients import HttpClient, RunningServer, running_server
from tests.support.memory_wire import Closed
from tests.support.recorded_stories import headed

SETTLES = 3


@attrs.define(eq=False)
class Socket:
    """One client's end of a WebSocket."""

    server: "DialectServer"
    ws: aiohttp.ClientWebSocketResponse
    came: list[Any] = attrs.field(factory=list)

    async def say(self, frame: Any) -> None:
        """Send a frame: an object as JSON, a text as it is."""
        await self.ws.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def seen(self) -> list[Any]:
        """Everything that came and was not looked at: objects, and ``Closed`` last."""
        await self.server.settle()
        came, self.came = self.came, []
        return came

    async def sees(self, *kinds: str | int) -> list[Any]:
        """What came, which is of these kinds in this order: types, codes of errors, close codes."""
        came = await self.seen()
        assert [_kind(one) for one in came] == list(kinds), came
        return came

    async def drop(self) -> None:
        """The connection breaks without a word."""
        self.ws.get_extra_info("socket").shutdown(SHUT_RDWR)
        await self.ws.receive()
        await self.server.forget(self)

    async def close(self) -> None:
        await self.ws.close()
        await self.server.forget(self)

    async def read(self, number: int) -> None:
        """Take all that the server has written until now."""
        if self.ws.closed:
            return
        payload = b"%d" % number
        with contextlib.suppress(ConnectionError):
            await self.ws.ping(payload)
        while True:
            message = await asyncio.wait_for(self.ws.receive(), 10)
            match message.type:
                case aiohttp.WSMsgType.TEXT:
                    self.came.extend(self.parsed(message.data))
                case aiohttp.WSMsgType.PONG if message.data == payload:
                    return
                case aiohttp.WSMsgType.PING:
                    await self.ws.pong(message.data)
                case aiohttp.WSMsgType.CLOSE:
                    self.came.append(Closed(message.data, message.extra or ""))
                    await self.ws.close()
                    return
                case aiohttp.WSMsgType.PONG:
                    continue
                case _:
                    self.came.append(Closed(1006, ""))
                    return

    def parsed(self, text: str) -> Iterable[Any]:
        """The values of a frame, one a line."""
        return map(json.loads, text.split("\n"))


@attrs.frozen
class Packet:
    """A packet of P2: what stands before the JSON, and the JSON (None where there is none)."""

    head: str
    data: Any = None

    @classmethod
    def of(cls, text: str) -> "Packet":
        head, data = headed(text)
        return cls(head, json.loads(data) if data else None)


@attrs.define(eq=False)
class PacketSocket(Socket):
    """The same of P2."""

    def parsed(self, text: str) -> Iterable[Any]:
        return [Packet.of(text)]


@attrs.define
class DialectServer:
    """A server on a clock that stands still, and everybody who is connected to it."""

    server: RunningServer
    sockets: list[Socket] = attrs.field(factory=list)
    _numbers: Any = attrs.field(factory=lambda: itertools.count(1))

    async def user(self, name: str, *channels: str) -> HttpClient:
        """Somebody with an account, a member of these channels."""
        caller = await self.server.user(name)
        for channel in channels:
            status, _ = await caller.post(f"/api/channels/{channel}/join")
            assert status == 200
        return caller

    async def joins(
        self, caller: HttpClient, path: str, *, kind: type[Socket] = Socket, **query: str
    ) -> Socket:
        """A connection of the caller."""
        token = {} if caller.token is None else {"token": caller.token}
        ws = await caller.http.ws_connect(path, params={**token, **query}, autoping=False, autoclose=False)
        socket = kind(self, ws)
        self.sockets.append(socket)
        return socket

    async def p1(self, caller: HttpClient, **query: str) -> Socket:
        return await self.joins(caller, f"/api/ws/{caller.person.username}", kind=Socket, **query)

    async def advance(self, seconds: float) -> None:
        """Let the time pass."""
        await self.settle()
        await self.server.world.advance(seconds)
        await self.settle()

    async def settle(self) -> None:
        """Everything that was sent has been done, and what it led to has come."""
        for _ in range(SETTLES):
            for socket in tuple(self.sockets):
                await socket.read(next(self._numbers))
            await self.server.world.settle()
        for socket in tuple(self.sockets):
            await socket.read(next(self._numbers))

    async def forget(self, socket: Socket) -> None:
        """The connection is gone; wait until the server knows."""
        self.sockets.remove(socket)
        await self.settle()


@contextlib.asynccontextmanager
async def dialect_server(**given: Any) -> AsyncIterator[DialectServer]:
    """A server in this process for as long as the block lasts."""
    async with running_server(**given) as living:
        assert isinstance(living.world.clock, FakeClock)
        opened = DialectServer(living)
        try:
            yield opened
        finally:
            for socket in tuple(opened.sockets):
                await socket.ws.close()


def _kind(seen: Any) -> str | int:
    if isinstance(seen, Closed):
        return seen.code
    return str(seen["code"] if seen["type"] == "error" else seen["type"])
