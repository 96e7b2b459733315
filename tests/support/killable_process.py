"""Parley as a process of its own, to be killed; and a P5 client that keeps book of what was acknowledged."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import msgspec

ROOT = Path(__file__).parents[2]
START_S = 30.0


@attrs.define
class Process:
    """One running server. ``url`` is where it listens."""

    url: str
    _process: asyncio.subprocess.Process

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)

    async def gone(self) -> int:
        """Wait for its end; the exit status."""
        status = await self._process.wait()
        # The transport of a killed process is closed by reading it to its end.
        await self._process.communicate()
        return status

    async def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return await self.gone()


async def start(folder: Path, **settings: str) -> Process:
    """A server with its data in ``folder``, on a free port."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")},
        "PORT": "0",
        "DATABASE_URL": f"sqlite:///{folder / 'parley.db'}",
        "GUESTS_MAY_POST": "true",
        "RATE_LIMITS": "off",
        "LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chat_web",
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    if process.stdout is None:
        raise RuntimeError("no standard output")
    async with asyncio.timeout(START_S):
        line = (await process.stdout.readline()).decode()
    found = re.search(r"http://\S+", line)
    if found is None:
        raise RuntimeError(f"the server did not start: {line!r}")
    return Process(found.group(), process)


@attrs.define
class Servers:
    """Server processes, with their data in one folder."""

    folder: Path
    running: list[Process] = attrs.field(factory=list)

    async def start(self, **settings: str) -> Process:
        """A server with these settings; in memory, unless they say otherwise."""
        process = await start(self.folder, **{"DATABASE_URL": "memory://", **settings})
        self.running.append(process)
        return process

    async def stop(self, process: Process) -> None:
        self.running.remove(process)
        assert await process.stop() == 0


class Client:
    """A P5 client: asks, and waits for the answer with the same id."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._client_state = session
        self._url = url
        self._asked = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.pushes: list[dict[str, Any]] = []

    async def open(self, token: str = "") -> dict[str, Any]:
        self._socket = await self._client_state.ws_connect(f"{self._url}/connection/websocket")
        self._reading = asyncio.create_task(self._read())
        return await self.ask(connect={"token": token})

    async def ask(self, **command: Any) -> dict[str, Any]:
        """The answer to a command; raises ``ConnectionError`` when the server is gone first."""
        self._asked += 1
        answered = asyncio.get_running_loop().create_future()
        self._waiting[self._asked] = answered
        try:
            await self._socket.send_str(msgspec.json.encode({"id": self._asked, **command}).decode())
        except ConnectionError:
            self._waiting.pop(self._asked, None)
            raise
        answer: dict[str, Any] = await answered
        return answer

    async def rpc(self, method: str, **data: Any) -> dict[str, Any]:
        answer = await self.ask(rpc={"method": method, "data": data})
        if "error" in answer:
            raise RuntimeError(str(answer["error"]))
        result: dict[str, Any] = answer["rpc"]["data"]
        return result

    async def close(self) -> None:
        await self._socket.close()
        await self._reading

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            for line in message.data.split("\n"):
                frame = msgspec.json.decode(line)
                if frame.get("id"):
                    answered = self._waiting.pop(frame["id"])
                    if not answered.done():
                        answered.set_result(frame)
                elif frame:
                    self.pushes.append(frame)
                else:
                    await self._socket.send_str("{}")
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(ConnectionResetError("the server is gone"))
        self._waiting.clear()
