"""A wire that fails: a TCP proxy that delays, dribbles, cuts, resets and falls silent, by a seed.

    async with FaultProxy(server.url, seed=7) as wire:
        ...                  # clients connect to wire.url; each connection draws its own fault
        wire.mend()          # no faults any more; what was broken is cut

It knows bytes, not protocols: whatever speaks over TCP may stand behind it.
"""

import asyncio
import contextlib
import enum
import random
import socket
import struct
from collections import Counter
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import attrs

CHUNK: Final = 16 * 1024
DELAY_S: Final = 0.03  # at most, before each piece
DRIBBLE_S: Final = 0.0  # between two bytes


class Fault(enum.Enum):
    NONE = "nothing is wrong"
    DELAY = "every piece comes late"
    DRIBBLE = "one byte at a time"
    FIN = "the connection ends properly, in the middle of something"
    RST = "the connection is reset, in the middle of something"
    HALF_OPEN = "nothing goes through any more, and nobody says so"
    REFUSE = "there is nobody"


@attrs.define(eq=False)
class _Wire:
    """One connection and its fault, which strikes after ``until`` bytes towards the client."""

    fault: Fault
    until: int
    ends: list[asyncio.StreamWriter] = attrs.field(factory=list)
    is_silent: bool = False

    def cut(self, *, rudely: bool) -> None:
        for end in self.ends:
            raw = end.get_extra_info("socket")
            if rudely and raw is not None:
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.transport.abort()
            else:
                end.close()


class FaultProxy:
    """``url`` leads to ``url`` of the server, over wires that fail until ``mend``.

    A new connection draws one of ``faults``, and how many bytes, below ``bytes_max``,
    go well before it strikes. ``struck`` counts the faults that did.
    """

    def __init__(
        self, url: str, *, seed: int, faults: tuple[Fault, ...] = tuple(Fault), bytes_max: int = 8_000
    ) -> None:
        there = urlsplit(url)
        self._host, self._port = there.hostname or "", there.port or 0
        self._rng = random.Random(seed)
        self.faults = faults
        self._bytes_max = bytes_max
        self._is_mended = False
        self._wires: set[_Wire] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.struck: Counter[Fault] = Counter()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        while self._tasks:  # who was about to connect is cut as well
            self.cut()
            await asyncio.wait(self._tasks, timeout=DELAY_S)

    def mend(self) -> None:
        """From now on everything goes through; what is broken is cut."""
        self._is_mended = True
        self.cut()

    def fail(self, faults: tuple[Fault, ...]) -> None:
        """From now on, in these ways; what is open is cut."""
        self._is_mended = False
        self.faults = faults
        self.cut()

    def cut(self) -> None:
        """End every connection."""
        for wire in tuple(self._wires):
            wire.cut(rudely=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        fault = Fault.NONE if self._is_mended else self._rng.choice(self.faults)
        wire = _Wire(fault, self._rng.randrange(self._bytes_max), [writer])
        self._wires.add(wire)
        try:
            if fault is Fault.REFUSE:
                self._strike(wire)
                return
            far_reader, far = await asyncio.open_connection(self._host, self._port)
            wire.ends.append(far)
            await asyncio.gather(self._carry(wire, reader, far), self._carry(wire, far_reader, writer, True))
        except OSError:
            pass
        finally:
            self._wires.discard(wire)
            wire.cut(rudely=False)

    async def _carry(
        self, wire: _Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, home: bool = False
    ) -> None:
        """What comes from one end goes to the other, as far as the fault lets it."""
        while data := await reader.read(CHUNK):
            if wire.is_silent:
                continue
            if home and wire.fault in (Fault.FIN, Fault.RST, Fault.HALF_OPEN):
                rest, wire.until = data[: wire.until], wire.until - len(data)
                if wire.until < 0:
                    writer.write(rest)  # so that a frame is cut in its middle
                    await writer.drain()
                    self._strike(wire)
                    continue
            await self._write(wire.fault, writer, data)
        if not wire.is_silent:
            writer.close()

    async def _write(self, fault: Fault, writer: asyncio.StreamWriter, data: bytes) -> None:
        if fault is Fault.DELAY:
            self.struck[fault] += 1
            await asyncio.sleep(self._rng.random() * DELAY_S)
        if fault is Fault.DRIBBLE:
            self.struck[fault] += 1
            for byte in data:
                writer.write(bytes((byte,)))
                await asyncio.sleep(DRIBBLE_S)
        else:
            writer.write(data)
        await writer.drain()

    def _strike(self, wire: _Wire) -> None:
        self.struck[wire.fault] += 1
        if wire.fault is Fault.HALF_OPEN:
            wire.is_silent = True
        else:
            wire.cut(rudely=wire.fault is not Fault.FIN)
