"""Bad input: a typed error or the right close code, nothing changed, nobody else disturbed, no traceback."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from chat_core import Config, PersonKind, open_tokens
from chat_core.testing import World
from chat_web.dialects.anonymous import AnonymousPair
from chat_web.dialects.centrifugal import rpc as rpc_methods
from chat_web.dialects.centrifuge import Centrifuge
from chat_web.http.auth import Authenticator, Identity
from chat_web.sockets.pump import PumpLimits
from tests.support.memory_wire import Closed, Wire, masked
from tests.support.noise import DIGITS, noise

SECRET: Final = b"a secret of the tests, long enough for HS256"
UNHURRIED: Final = PumpLimits(frames=None)
TOO_MANY: Final = Closed(3509, "too many errors")
DEEP: Final = "[" * 10_000 + "]" * 10_000


class Bystanders:
    """Two who talk meanwhile in each dialect's way, and notice whether anything reaches them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.authenticator = Authenticator(world.chat)
        self.ann = self.p0("ann")
        self.bob = self.p0("bob")
        self.cat = self.p5()

    async def begin(self) -> None:
        self.cat.say(
            '{"id":1,"connect":{}}\n{"id":2,"rpc":{"method":"join_channel","data":{"name":"general"}}}'
        )
        self.cat.say('{"id":3,"subscribe":{"channel":"channel:general"}}')
        for wire in (self.ann, self.bob, self.cat):
            await self.told(wire)
        self.before = await self.state()

    def p0(self, name: str) -> Wire:
        identity = Identity(person=self.world.chat.guest(name), may_return=False)
        return Wire(self.world.chat, AnonymousPair(), self.authenticator, identity=identity, limits=UNHURRIED)

    def p5(self, limits: PumpLimits = UNHURRIED) -> Wire:
        return Wire(self.world.chat, Centrifuge(), self.authenticator, limits=limits)

    async def authenticated(self) -> Wire:
        wire = self.p5()
        wire.say('{"id":1,"connect":{}}')
        await self.told(wire)
        return wire

    async def told(self, wire: Wire) -> list[Any]:
        for _ in range(2):
            await self.world.settle()
        lines: list[Any] = []
        for seen in wire.seen():
            whole = isinstance(seen, Closed)
            lines.extend([seen] if whole else [json.loads(line) for line in str(seen).split("\n")])
        return lines

    async def state(self) -> tuple[Any, ...]:
        """Everything that bad input could have changed."""
        chat = self.world.chat
        channel = await chat.channel(chat.guest("eve"), "general")
        initial_state = await chat.initial_state(self.ann_person)
        return channel, initial_state

    @property
    def ann_person(self) -> Any:
        identity = self.ann.pump.identity
        assert identity is not None
        return identity.person

    async def undisturbed(self) -> None:
        """Nothing came, nothing changed, and they can still talk."""
        for wire in (self.ann, self.bob, self.cat):
            assert await self.told(wire) == []
        assert await self.state() == self.before
        self.ann.say("still here")
        assert await self.told(self.bob) == [{"type": "message", "message": "still here"}]


@pytest.fixture
async def others(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Bystanders]:
    """People who are not to notice; and a log that is not to hold a failure."""
    config = Config(default_channels=("general",), guests_may_post=True, rate_limits=False)
    with capture_logs() as lines, caplog.at_level(logging.WARNING):
        async with World(config, tokens=open_tokens(secrets=[SECRET])) as world:
            others = Bystanders(world)
            await others.begin()
            yield others
            await others.undisturbed()
    assert not [line for line in lines if line["log_level"] in ("error", "critical", "warning")]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# Frames of WebSocket

BROKEN_FRAMES: Final = {
    "binary": (masked(0x2, b"\x00\x01"), 1003),
    "not UTF-8": (masked(0x1, b"\xff\xfe"), 1007),
    "half a code point": (masked(0x1, "ä".encode()[:1]), 1007),
    "an encoded surrogate": (masked(0x1, b"\xed\xa0\x80"), 1007),
    "unmasked": (b"\x81\x02{}", 1002),
    "a reserved bit": (b"\xf1" + masked(0x1, b"{}")[1:], 1002),
    "an unknown opcode": (masked(0x3, b""), 1002),
    "a fragmented ping": (masked(0x9, b"", is_final=False), 1002),
    "nothing to continue": (masked(0x0, b"x"), 1002),
}


@pytest.mark.parametrize("dialect", ["p0", "p5"])
@pytest.mark.parametrize("name", BROKEN_FRAMES)
async def test_a_broken_frame_has_its_close_code(others: Bystanders, dialect: str, name: str) -> None:
    raw, code = BROKEN_FRAMES[name]
    wire = others.p0("eve") if dialect == "p0" else await others.authenticated()
    await others.told(wire)
    wire.send(raw)
    (closed,) = await others.told(wire)
    assert closed.code == code
    assert closed.reason
    wire.drop()


@pytest.mark.parametrize(("dialect", "most"), [("p0", 16 * 1024), ("p5", 64 * 1024)])
async def test_one_byte_more_than_a_message_may_have(others: Bystanders, dialect: str, most: int) -> None:
    wire = others.p0("eve") if dialect == "p0" else await others.authenticated()
    await others.told(wire)
    wire.say("x" * most)
    assert [line.get("event", "error") for line in await others.told(wire)] == ["error"]
    assert wire.is_open
    wire.say("x" * (most + 1))
    (closed,) = await others.told(wire)
    assert closed.code == 1009
    wire.drop()


async def test_fragments_count_together(others: Bystanders) -> None:
    wire = await others.authenticated()
    wire.send(masked(0x1, b"x" * 40_000, is_final=False))
    wire.send(masked(0x0, b"x" * 40_000))
    assert [closed.code for closed in await others.told(wire)] == [1009]
    wire.drop()


# JSON

NO_COMMANDS: Final = {
    "not JSON": "hello",
    "cut": '{"id":7,"rpc":{"method":"sea',
    "a number": "5",
    "null": "null",
    "a string": '"connect"',
    "a list": '[{"id":7,"ping":{}}]',
    "NaN": '{"id":NaN,"ping":{}}',
    "NaN where nobody looks": '{"id":7,"ping":{},"x":NaN}',
    "Infinity": '{"id":7,"ping":{},"x":Infinity}',
    "1e400": '{"id":7,"ping":{},"x":1e400}',
    "10,000 digits": f'{{"id":7,"ping":{{}},"x":{DIGITS}}}',
    "2**53 + 1": '{"id":7,"ping":{},"x":9007199254740993}',
    "10,000 digits as the id": f'{{"id":{DIGITS},"ping":{{}}}}',
    "10,000 levels": f'{{"id":7,"ping":{{}},"x":{DEEP}}}',
    "33 levels": '{"id":7,"ping":{},"x":' + "[" * 32 + "]" * 32 + "}",
    "a lone surrogate": '{"id":7,"rpc":{"method":"\\ud800"}}',
    "a lone surrogate where nobody looks": '{"id":7,"ping":{},"x":"\\udc00"}',
    "half a pair": '{"id":7,"ping":{},"x":"\\ud83d"}',
    "trailing text": '{"id":7,"ping":{}} x',
    "a comment": '{"id":7,/* hi */"ping":{}}',
    "a byte order mark": '\ufeff{"id":7,"ping":{}}',
    "a control character in a string": '{"id":7,"rpc":{"method":"a\u0001b"}}',
    "no command": '{"id":7}',
    "an unknown command": '{"id":7,"dance":{}}',
    "two commands": '{"id":7,"ping":{},"rpc":{"method":"search"}}',
    "no id": '{"ping":{}}',
    "a negative id": '{"id":-1,"ping":{}}',
    "an id of 2**32": '{"id":4294967296,"ping":{}}',
    "an id of the wrong type": '{"id":"7","ping":{}}',
    "a fraction for an id": '{"id":7.5,"ping":{}}',
    "true for an id": '{"id":true,"ping":{}}',
}


@pytest.mark.parametrize("name", NO_COMMANDS)
async def test_what_is_no_command_is_error_107_and_the_connection_stays(
    others: Bystanders, name: str
) -> None:
    wire = await others.authenticated()
    wire.say(NO_COMMANDS[name])
    (answer,) = await others.told(wire)
    assert answer["error"] == {"code": 107, "message": "bad request"}
    wire.say('{"id":8,"ping":{}}')
    assert await others.told(wire) == [{"id": 8, "ping": {}}]
    wire.drop()


NO_FRAMES: Final = {
    "cut": '{"type":"message","mess',
    "no type": '{"message":"hi"}',
    "an unknown type": '{"type":"dance"}',
    "a type that is none": '{"type":5}',
    "no text": '{"type":"message","message":5}',
    "null": '{"type":"message","message":null}',
    "a list": '{"type":"message","message":["hi"]}',
    "NaN": '{"type":"message","message":"hi","x":NaN}',
    "1e400": '{"type":"message","message":"hi","x":1e400}',
    "10,000 digits": f'{{"type":"message","message":"hi","x":{DIGITS}}}',
    "5,000 levels": '{"type":"message","message":"hi","x":' + "[" * 5000 + "]" * 5000 + "}",
    "a lone surrogate": '{"type":"message","message":"\\ud800"}',
    "trailing text": '{"type":"skip"} x',
    "only a brace": "{",
}


@pytest.mark.parametrize("name", NO_FRAMES)
async def test_what_is_no_frame_of_p0_is_bad_request_and_the_connection_stays(
    others: Bystanders, name: str
) -> None:
    wire = others.p0("eve")
    await others.told(wire)
    wire.say(NO_FRAMES[name])
    (answer,) = await others.told(wire)
    assert (answer["type"], answer["event"], answer["code"]) == ("system", "error", "bad_request")
    assert wire.is_open
    wire.drop()


REFUSED_TEXTS: Final = ["", "   ", "\n\t", "x" * 1001, "a\u0000b", "a\u001bb", "\u0085x", "\u2003"]


@pytest.mark.parametrize("text", REFUSED_TEXTS, ids=ascii)
async def test_a_text_that_no_message_can_have_is_invalid_in_both_dialects(
    others: Bystanders, text: str
) -> None:
    others.ann.say(json.dumps({"type": "message", "message": text}))
    (answer,) = await others.told(others.ann)
    assert (answer["event"], answer["code"]) == ("error", "invalid")
    data = {"content": text}
    others.cat.say(json.dumps({"id": 9, "publish": {"channel": "channel:general", "data": data}}))
    (answer,) = await others.told(others.cat)
    assert (answer["id"], answer["error"]["code"]) == (9, 1019)
    assert answer["error"]["message"].startswith("invalid ")


# Commands out of place


@pytest.mark.parametrize(
    "line",
    [
        '{"id":1,"subscribe":{"channel":"channel:general"}}',
        '{"id":1,"publish":{"channel":"channel:general","data":{"content":"x"}}}',
        '{"id":1,"rpc":{"method":"search","data":{"lobby":"anonymous"}}}',
        '{"id":1,"history":{"channel":"channel:general"}}',
        '{"id":1,"refresh":{"token":"x"}}',
        '{"id":1,"ping":{}}',
        '{"send":{"data":{}}}',
    ],
)
async def test_nothing_comes_before_connect(others: Bystanders, line: str) -> None:
    wire = others.p5()
    wire.say(line)
    assert await others.told(wire) == [Closed(3501, "bad request: connect first")]
    wire.drop()


@pytest.mark.parametrize("second", ["one frame", "another frame"])
async def test_connect_comes_once(others: Bystanders, second: str) -> None:
    wire = others.p5()
    lines = ['{"id":1,"connect":{}}', '{"id":2,"connect":{}}']
    for text in ["\n".join(lines)] if second == "one frame" else lines:
        wire.say(text)
        seen = await others.told(wire)
    assert seen[-1] == Closed(3501, "bad request: already connected")
    wire.drop()


# Wrong types in every field

GOOD: Final[dict[str, dict[str, Any]]] = {
    "subscribe": {
        "channel": "channel:none",
        "recover": True,
        "epoch": "e",
        "offset": 1,
        "delta": "",
        "type": 0,
    },
    "unsubscribe": {"channel": "channel:none"},
    "publish": {"channel": "channel:none", "data": {"content": "x", "client_id": "c"}},
    "presence": {"channel": "channel:none"},
    "presence_stats": {"channel": "channel:none"},
    "history": {
        "channel": "channel:none",
        "limit": 1,
        "since": {"offset": 1, "epoch": "e"},
        "reverse": False,
    },
    "rpc": {"method": "search"},
    "refresh": {"token": "x"},
}
NOWHERE: Final = "018bcfe5-6800-7000-8000-000000000000"
GOOD_RPC: Final[dict[str, dict[str, Any]]] = {
    "search": {"lobby": "none", "interests": ["x"]},
    "cancel_search": {"lobby": "none", "interests": []},
    "skip": {"room": NOWHERE},
    "post": {
        "conversation": NOWHERE,
        "content": "x",
        "client_id": "c",
        "reply_to": NOWHERE,
        "attachments": ["x"],
    },
    "edit": {"message": NOWHERE, "content": "x"},
    "delete": {"message": NOWHERE},
    "react": {"message": NOWHERE, "emoji": "x"},
    "unreact": {"message": NOWHERE, "emoji": "x"},
    "read": {"conversation": NOWHERE, "seq": 1},
    "typing": {"conversation": NOWHERE, "is_typing": True},
    "start": {"room": NOWHERE},
    "keep": {"room": NOWHERE},
    "decline": {"room": NOWHERE},
    "end": {"room": NOWHERE},
    "leave": {"room": NOWHERE},
    "join_channel": {"name": "none"},
    "leave_channel": {"name": "none"},
    "block": {"user": 1},
    "unblock": {"user": 1},
}
WRONG: Final[tuple[Any, ...]] = (5, -1, 1.5, 2**60, True, "5", "", "x" * 300, [], [5], {}, {"a": 1}, None)


def wrong_values(good: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same with each field wrong in each way, also in objects inside."""
    for name, value in good.items():
        for wrong in WRONG:
            if wrong != value or type(wrong) is not type(value):
                yield f"{name}={str(wrong)[:9]}", {**good, name: wrong}
        yield f"no {name}", {other: kept for other, kept in good.items() if other != name}
        if isinstance(value, dict):
            for inner, changed in wrong_values(value):
                yield f"{name}.{inner}", {**good, name: changed}


@pytest.mark.parametrize("what", GOOD)
async def test_wrong_values_in_every_field_of_every_command(others: Bystanders, what: str) -> None:
    for named, value in wrong_values(GOOD[what]):
        wire = await others.authenticated()
        wire.say(json.dumps({"id": 7, what: value}))
        (answer,) = await others.told(wire)
        if isinstance(answer, Closed):
            assert (what, answer.code) == ("refresh", 3500), named
        else:
            assert answer["id"] == 7, named
            assert what == "unsubscribe" or answer["error"]["code"] in (102, 107, 108, 1000, 1019), named
        wire.drop()


@pytest.mark.parametrize("method", rpc_methods.METHODS)
async def test_wrong_values_in_every_field_of_every_rpc(others: Bystanders, method: str) -> None:
    assert method in GOOD_RPC, "a new method belongs into the table"
    for named, value in wrong_values(GOOD_RPC[method]):
        wire = await others.authenticated()
        wire.say(json.dumps({"id": 7, "rpc": {"method": method, "data": value}}))
        (answer,) = await others.told(wire)
        assert answer["id"] == 7, named
        if "error" in answer:
            assert answer["error"]["code"] in (107, 1000, 1007, 1008, 1009, 1010, 1011, 1019), named
        else:  # to block somebody who is not there does no harm
            assert method in ("block", "unblock"), (method, named, answer)
        wire.drop()


@pytest.mark.parametrize("data", ["5", "null", '"x"', "[]", "{}", "NaN", DEEP])
@pytest.mark.parametrize("method", ["search", "post", "keep", "join_channel"])
async def test_data_of_the_wrong_shape(others: Bystanders, method: str, data: str) -> None:
    wire = await others.authenticated()
    wire.say(f'{{"id":7,"rpc":{{"method":"{method}","data":{data}}}}}')
    (answer,) = await others.told(wire)
    assert answer["error"]["code"] in (107, 1000)
    wire.drop()


# The tenth bad frame


@pytest.mark.parametrize("dialect", ["p0", "p5"])
async def test_the_tenth_bad_frame_ends_the_connection(others: Bystanders, dialect: str) -> None:
    wire = others.p0("eve") if dialect == "p0" else await others.authenticated()
    await others.told(wire)
    for _ in range(9):
        wire.say('{"nonsense":')
    assert wire.is_open
    wire.say('{"nonsense":')
    *errors, closed = await others.told(wire)
    assert len(errors) == 10
    assert closed == TOO_MANY
    wire.drop()


async def test_ten_bad_lines_of_one_frame_count_ten_times_and_nothing_follows(others: Bystanders) -> None:
    wire = await others.authenticated()
    join = '{"id":9,"rpc":{"method":"join_channel","data":{"name":"general"}}}'
    wire.say("\n".join(["nonsense"] * 10 + [join]))
    assert (await others.told(wire))[-1] == TOO_MANY
    wire.drop()


async def test_what_is_well_formed_and_refused_does_not_count(others: Bystanders) -> None:
    wire = await others.authenticated()
    for n in range(1, 40):
        wire.say(f'{{"id":{n},"rpc":{{"method":"keep","data":{{"room":"nowhere"}}}}}}')
        wire.say(f'{{"id":{n},"rpc":{{"method":"dance"}}}}')
    assert len(await others.told(wire)) == 78
    assert wire.is_open
    wire.drop()


# Tokens


async def test_tokens_that_are_none(others: Bystanders) -> None:
    chat = others.world.chat
    ring, stranger = open_tokens(secrets=[SECRET]), open_tokens(secrets=[b"x" * 32])
    now = chat.clock.now()
    good = ring.issue_access(NOWHERE, "ann", PersonKind.USER, "sid", now)
    header, claims, signature = good.split(".")
    tricks = [
        "x",
        "a.b.c",
        "..",
        good + "x",
        good[:-2],
        f"{header}.{claims}.",
        f"eyJhbGciOiJub25lIn0.{claims}.",
        f"{claims}.{header}.{signature}",
        stranger.issue_access(NOWHERE, "ann", PersonKind.USER, "sid", now),
        ring.issue_access(NOWHERE, "ann", PersonKind.USER, "sid", now + 3600),  # from the future
        "ä.b.c",
        "x" * 20_000,
        "\u0000",
    ]
    for token in tricks:
        wire = others.p5()
        wire.say(json.dumps({"id": 1, "connect": {"token": token}}))
        assert await others.told(wire) == [Closed(3500, "invalid token")], token[:40]
        wire.drop()


# Anything


P5_SEEDS: Final = [
    *(json.dumps({"id": 7, what: value}) for what, value in GOOD.items() if what != "refresh"),
    *(json.dumps({"id": 7, "rpc": {"method": name, "data": data}}) for name, data in GOOD_RPC.items()),
]
P0_SEEDS: Final = ['{"type":"message","message":"hello"}', '{"type":"dance"}', '{"type":"message"}']
FRAMES: Final = 2000


@pytest.mark.parametrize("dialect", ["p0", "p5"])
async def test_noise_gets_answers_and_disturbs_nobody(others: Bystanders, dialect: str) -> None:
    rng = random.Random(20_260_101)
    codes: set[int] = set()
    wire: Wire | None = None
    for _ in range(FRAMES):
        if wire is None or not wire.is_open:
            wire = others.p0("eve") if dialect == "p0" else await others.authenticated()
            if dialect == "p0":
                await others.told(wire)
        text = noise(rng, P0_SEEDS if dialect == "p0" else P5_SEEDS)
        wire.say(text)
        answers = await others.told(wire)
        assert answers or not text.strip() or "{}" in text, text
        codes |= {answer.code for answer in answers if isinstance(answer, Closed)}
        if not wire.is_open:
            wire.drop()
    assert codes <= {3509, 3501, 3500}
    if wire is not None:
        wire.drop()


async def test_raw_noise_on_the_wire(others: Bystanders) -> None:
    rng = random.Random(7)
    for _ in range(300):
        wire = others.p5() if rng.random() < 0.5 else others.p0("eve")
        raw = rng.randbytes(rng.randrange(1, 200))
        if rng.random() < 0.5:
            raw = masked(0x1, b'{"id":1,"connect":{}}') + raw
        for at in range(0, len(raw), 37):
            wire.send(raw[at : at + 37])
        await asyncio.sleep(0)
        wire.transport.lose()
