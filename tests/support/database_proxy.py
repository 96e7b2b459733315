"""A way to a server that can be cut, and on which answers can be held back: what networks do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import attrs


@attrs.define(eq=False)
class DatabaseProxy:
    """TCP connections to ``target``, over a port of one's own."""

    target: tuple[str, int]
    port: int = 0
    holds: bool = False  # what comes from the server stays here
    _open: set[asyncio.StreamWriter] = attrs.field(factory=set)
    _all: list[asyncio.StreamWriter] = attrs.field(factory=list)
    _tasks: set["asyncio.Task[None]"] = attrs.field(factory=set)
    held: asyncio.Event = attrs.field(factory=asyncio.Event)

    def url(self, url: str) -> str:
        """The same database, over this way."""
        dependencies = urlsplit(url)
        return url.replace(dependencies.netloc, f"{dependencies.username}@127.0.0.1:{self.port}")

    def cut(self) -> None:
        """Reset every connection of clients; the server's side is left open, as when a cable is pulled."""
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        there_reader, there = await asyncio.open_connection(*self.target)
        self._all.extend((writer, there))
        for task in (
            asyncio.create_task(self._forward(reader, there, from_server=False)),
            asyncio.create_task(self._forward(there_reader, writer, from_server=True)),
        ):
            self._tasks.add(task)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if from_server and self.holds:
                    self.held.set()
                    continue
                writer.write(data)
            if from_server:
                writer.close()

    async def _end(self) -> None:
        for writer in self._all:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._all:
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def database_proxy(url: str) -> AsyncIterator[DatabaseProxy]:
    dependencies = urlsplit(url)
    way = DatabaseProxy((dependencies.hostname or "", dependencies.port or 0))
    server = await asyncio.start_server(way._serve, "127.0.0.1", 0)
    way.port = server.sockets[0].getsockname()[1]
    yield way
    server.close()
    await server.wait_closed()
    await way._end()
