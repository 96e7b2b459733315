"""Many who come, write, drop and come back, in P1, P4 and P5: each one's view equals the log."""

import random
from typing import Any, Final

import attrs
import pytest

from tests.support.dialect_sockets import DialectServer, Socket
from tests.support.http_clients import HttpClient
from tests.support.p1_reader import View

STEPS: Final = 250


@attrs.define(eq=False, kw_only=True)
class Reader(View):
    """A P1 client that keeps what it was shown, by seq."""

    caller: HttpClient
    socket: Socket | None = None

    async def comes(self, here: DialectServer) -> None:
        self.socket = await here.p1(self.caller, **self.since)

    def reads(self, frames: list[Any]) -> None:
        for frame in frames:
            self.take(frame)
        assert not self.doubles


@pytest.mark.parametrize("seed", range(4))
async def test_views_equal_the_log(here: DialectServer, seed: int) -> None:
    rng = random.Random(seed)
    readers = [Reader("general", caller=await here.user(f"user{n}", "general")) for n in range(6)]
    channel = (await readers[0].caller.get("/api/channels/general"))[1]["id"]
    open_rooms = [await here.joins(reader.caller, f"/api/ws/{channel}") for reader in readers[:2]]
    for reader in readers:
        await reader.comes(here)
    written = 0
    for _ in range(STEPS):
        reader = rng.choice(readers)
        match rng.randrange(8):
            case 0 if reader.socket is not None:
                reader.reads(await reader.socket.seen())
                await reader.socket.drop()
                reader.socket = None
            case 1 | 2 if reader.socket is None:
                await reader.comes(here)
            case 3:
                await rng.choice(open_rooms).say({"type": "message", "content": f"no. {written}"})
                written += 1
            case 4:
                await reader.caller.says(channel, f"no. {written}")
                written += 1
            case _ if reader.socket is not None:
                await reader.socket.say({"content": f"no. {written}", "client_id": f"{seed}-{written}"})
                written += 1
    for reader in readers:
        if reader.socket is None:
            await reader.comes(here)
    await here.settle()
    log = await here.server.world.chat.messages(readers[0].caller.person, channel, limit=300)
    texts = {message.seq: message.content for message in log}
    assert sorted(texts.values()) == sorted(f"no. {n}" for n in range(written))
    for reader in readers:
        assert reader.socket is not None
        reader.reads(await reader.socket.seen())
        if not reader.losses:
            assert reader.seen == texts
    for socket in open_rooms:
        frames = [frame for frame in await socket.seen() if frame["type"] == "message"]
        assert {frame["seq"]: frame["content"] for frame in frames} == texts
