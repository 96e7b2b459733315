"""A reader of one channel over P1, with the ``websockets`` library, that comes back with ``?since=``."""

import asyncio
import contextlib
import json
from typing import Any, Final
from urllib.parse import urlencode

import attrs
import websockets

from tests.support.p5_reader import AGAIN_S, SILENCE_S

BROKEN: Final = (OSError, TimeoutError, EOFError, websockets.WebSocketException)


@attrs.define(eq=False)
class View:
    """``seen`` holds the texts that came, by seq, since it was last told that something is missing."""

    channel: str
    offset: int = 0
    seen: dict[int, str] = attrs.field(factory=dict)
    doubles: int = 0
    recoveries: int = 0
    losses: int = 0
    knows: bool = False  # what there was before it came

    @property
    def since(self) -> dict[str, str]:
        """What to ask for on coming back."""
        return {"since": f"{self.channel}:{self.offset}"} if self.knows else {}

    def take(self, frame: dict[str, Any]) -> None:
        match frame:
            case {"type": "history", "channel": self.channel, "messages": messages}:
                self._history(messages, has_gap=frame.get("gap", False))
            case {"type": "message", "channel": self.channel}:
                self._message(frame)
            case {"type": "message" | "history", "channel": other}:
                raise AssertionError(f"a frame of {other}")
            case {"type": "error"}:
                raise AssertionError(frame)

    def _history(self, messages: list[dict[str, Any]], *, has_gap: bool) -> None:
        self.recoveries += self.knows and not has_gap
        if has_gap:
            self.losses += 1
            self.seen.clear()
        self.knows = True
        for message in messages:
            self._message(message)

    def _message(self, message: dict[str, Any]) -> None:
        seq = message["seq"]
        self.doubles += seq <= self.offset
        self.offset = seq
        self.seen[seq] = message["content"]


@attrs.define(eq=False, kw_only=True)
class Reader(View):
    """A view, and the connections that it comes by."""

    url: str
    name: str
    token: str
    silence_s: float = SILENCE_S
    connections: int = 0
    _socket: websockets.ClientConnection | None = None

    @property
    def address(self) -> str:
        query = urlencode({"token": self.token, **self.since})
        return f"{self.url.replace('http', 'ws', 1)}/api/ws/{self.name}?{query}"

    async def run(self) -> None:
        """Until cancelled: connect and read; and again."""
        while True:
            self.connections += 1
            with contextlib.suppress(*BROKEN):
                await self._read()
            await asyncio.sleep(AGAIN_S)

    async def _read(self) -> None:
        half = self.silence_s / 2
        async with websockets.connect(
            self.address,
            open_timeout=self.silence_s,
            ping_interval=half,
            ping_timeout=half,
            close_timeout=half,
        ) as self._socket:
            async for text in self._socket:
                self.take(json.loads(text))

    async def say(self, frame: dict[str, Any]) -> None:
        """Send a frame, unless there is no connection just now."""
        if self._socket is not None:
            with contextlib.suppress(*BROKEN):
                await self._socket.send(json.dumps(frame))
