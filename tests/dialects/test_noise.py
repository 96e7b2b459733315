"""Noise: whatever a client of P1, P3 or P4 sends gets a typed error or a close code, and disturbs nobody."""

import json
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from chat_core import Committed, Config, JoinChannel, OpenRoom, Person, PersonKind
from chat_core.testing import World
from chat_web.dialects.channel_chat import ChannelChat
from chat_web.dialects.intents import Dialect
from chat_web.dialects.notifications import Notifications
from chat_web.dialects.open_rooms import OpenRooms
from chat_web.dialects.timed_rooms import TimedRooms
from chat_web.http.auth import Authenticator, Identity
from chat_web.sockets.pump import PumpLimits
from tests.support.memory_wire import Closed, Wire, masked
from tests.support.noise import noise

FRAMES: Final = 2000
UNHURRIED: Final = PumpLimits(frames=None)
SEEDS: Final = [
    '{"type":"message","channel":"general","content":"hello","client_id":"c1"}',
    '{"type":"message","content":"hello"}',
    '{"type":"typing","channel":"general","is_typing":true}',
    '{"type":"keep"}',
    '{"type":"dance","content":[{"a":1}]}',
]
ANSWERS: Final = frozenset({"error", "message", "room_state"})
CODES: Final = frozenset(
    {
        "bad_request",
        "invalid",
        "channel_required",
        "not_member",
        "unknown_channel",
        "wrong_state",
        "client_id_reused",
    }
)


class Town:
    """Eve, who makes noise, and bob, who talks meanwhile in the same places."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.authenticator = Authenticator(world.chat)
        self.eve, self.bob = (
            world.chat.person(world.chat.new_id(), name, PersonKind.USER) for name in ("eve", "bob")
        )
        self.room = ""

    async def begin(self) -> None:
        for person in (self.eve, self.bob):
            await self.world.chat.do(person, JoinChannel(name="general"))
        opened = await self.world.chat.do(self.eve, OpenRoom(other=self.bob))
        assert isinstance(opened, Committed)
        self.room = opened.conversation.id

    def connect(self, person: Person, dialect: Dialect) -> Wire:
        identity = Identity(person=person, may_return=False)
        return Wire(self.world.chat, dialect, self.authenticator, identity=identity, limits=UNHURRIED)

    async def seen(self, wire: Wire) -> list[Any]:
        for _ in range(3):
            await self.world.settle()
        return [one if isinstance(one, Closed) else json.loads(one) for one in wire.seen()]


DIALECTS: Final[dict[str, Callable[[Town], Dialect]]] = {
    "p1": lambda town: ChannelChat(),
    "p3": lambda town: TimedRooms(room=town.room),
    "p3 notifications": lambda town: Notifications(),
    "p4": lambda town: OpenRooms(room=town.room),
}


@pytest.fixture
async def town(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Town]:
    """A place where nothing may fail."""
    config = Config(default_channels=("general",), rate_limits=False)
    with capture_logs() as lines, caplog.at_level(logging.WARNING):
        async with World(config) as world:
            town = Town(world)
            await town.begin()
            yield town
    assert not [line for line in lines if line["log_level"] in ("error", "critical", "warning")]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("name", DIALECTS)
async def test_two_thousand_malformed_frames(town: Town, name: str) -> None:
    rng = random.Random(20_260_107)
    bob = town.connect(town.bob, ChannelChat())
    wire: Wire | None = None
    closes: set[int] = set()
    codes: set[str] = set()
    for _ in range(FRAMES):
        if wire is None or not wire.is_open:
            wire = town.connect(town.eve, DIALECTS[name](town))
            await town.seen(wire)
        text = noise(rng, SEEDS)[:16_000]
        wire.say(text)
        answers = await town.seen(wire)
        assert answers or "typing" in text, text
        closes |= {answer.code for answer in answers if isinstance(answer, Closed)}
        frames = [answer for answer in answers if not isinstance(answer, Closed)]
        assert {frame["type"] for frame in frames} <= ANSWERS, text
        codes |= {frame["code"] for frame in frames if frame["type"] == "error"}
        if not wire.is_open:
            wire.drop()
    assert closes <= {3509}
    assert codes <= CODES
    assert "bad_request" in codes
    if wire is not None:
        wire.drop()
    heard = await town.seen(bob)
    assert {frame["type"] for frame in heard} <= {"history", "ready", "message", "typing", "presence"}
    bob.say("still here")
    assert (await town.seen(bob))[-1]["content"] == "still here"
    bob.drop()


@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (masked(0x2, b"\x00"), 1003),
        (masked(0x1, b"\xff"), 1007),
        (masked(0x1, b"x" * (16 * 1024 + 1)), 1009),
        (masked(0x3, b""), 1002),
        (b"\x81\x02{}", 1002),
    ],
)
async def test_a_broken_frame_has_its_close_code(town: Town, name: str, raw: bytes, code: int) -> None:
    wire = town.connect(town.eve, DIALECTS[name](town))
    await town.seen(wire)
    wire.send(raw)
    (closed,) = await town.seen(wire)
    assert (closed.code, bool(closed.reason)) == (code, True)
    wire.drop()


@pytest.mark.parametrize("name", DIALECTS)
async def test_the_tenth_bad_frame_ends_the_connection(town: Town, name: str) -> None:
    wire = town.connect(town.eve, DIALECTS[name](town))
    await town.seen(wire)
    for _ in range(9):
        wire.say('{"nonsense":')
    assert wire.is_open
    wire.say('{"nonsense":')
    *errors, closed = await town.seen(wire)
    assert {error["code"] for error in errors} == {"bad_request"}
    assert closed == Closed(3509, "too many errors")
    wire.drop()
