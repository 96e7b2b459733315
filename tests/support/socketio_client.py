"""The official Socket.IO client for Python."""

import asyncio
from typing import Any, Final

import socketio

OK: Final = {"ok": True}


class Person:
    """The client for Python, and what it heard."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(reconnection=False)
        self.heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        for name in ("matched", "message", "partner_left", "error"):
            self.client.on(name, self._hears(name))

    def _hears(self, name: str) -> Any:
        return lambda data: self.heard.put_nowait((name, data))
