"""The network between a page and the server: a TCP proxy that cuts, refuses, and lets through again."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit

import attrs

CHUNK_BYTES = 65_536


@attrs.define
class Network:
    """A proxy in front of ``server`` (its URL). Pages use ``url``."""

    server: str
    url: str = ""
    refused: int = 0
    _is_up: bool = True
    _listener: asyncio.Server | None = None
    _pipes: set[asyncio.Task[None]] = attrs.field(factory=set)

    async def open(self) -> None:
        self._listener = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """End every connection without a word, and refuse new ones."""
        self._is_up = False
        for pipe in self._pipes:
            pipe.cancel()

    def mend(self) -> None:
        self._is_up = True

    async def close(self) -> None:
        self.cut()
        await asyncio.gather(*self._pipes, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_up:
            self.refused += 1
            await _abort(writer)
            return
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._pipes.add(task)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:  # cut
            pass
        finally:
            self._pipes.discard(task)
            await _abort(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = urlsplit(self.server)
        try:
            far_reader, far_writer = await asyncio.open_connection(address.hostname, address.port)
        except OSError:  # the server is away: so is the connection
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, far_writer))
                group.create_task(_copy(far_reader, writer))
        except* OSError:
            pass
        finally:
            await _abort(far_writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def _abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


Between: TypeAlias = Callable[[str], Awaitable[Network]]
