"""The pump: order, bounds, deadlines. A real WebSocket over a transport in memory."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chat_core import (
    Config,
    Matched,
    Message,
    MessageId,
    Personal,
    PersonId,
    Post,
    Rate,
    Room,
    open_tokens,
)
from chat_core.adapters.memory.store import MemoryStore
from chat_core.testing import World
from chat_web.dialects.anonymous import AnonymousPair
from chat_web.dialects.centrifuge import COMMANDS_MAX, Centrifuge
from chat_web.dialects.intents import Intents
from chat_web.http.auth import Authenticator, Identity
from chat_web.sockets.pump import INBOX_MAX, PumpLimits
from tests.support.memory_wire import Closed, Wire, masked

SECRET = b"a secret of the tests, long enough for HS256"
UNHURRIED = PumpLimits(frames=None)


def authenticator(world: World) -> Authenticator:
    return Authenticator(world.chat)


def world_with_tokens_of(user_token_s: float) -> World:
    """A world whose users have tokens for so many seconds."""
    config = Config(default_channels=("general",), guests_may_post=True, rate_limits=False)
    return World(config, tokens=open_tokens(secrets=[SECRET], user_token_s=user_token_s))


def p5(world: World, limits: PumpLimits = UNHURRIED, dialect: Centrifuge | None = None) -> Wire:
    return Wire(world.chat, dialect or Centrifuge(), authenticator(world), limits=limits)


def p0(world: World, name: str, limits: PumpLimits = UNHURRIED) -> Wire:
    identity = Identity(person=world.chat.guest(name), may_return=True)
    return Wire(world.chat, AnonymousPair(), authenticator(world), identity=identity, limits=limits)


def command(id: int, **what: Any) -> str:
    return json.dumps({"id": id, **what})


def rpc(id: int, method: str, **data: Any) -> str:
    return command(id, rpc={"method": method, "data": data})


async def told(world: World, wire: Wire) -> list[Any]:
    """The lines that came, as JSON; closes as they are."""
    for _ in range(3):
        await world.settle()
    lines: list[Any] = []
    for seen in wire.seen():
        if isinstance(seen, Closed):
            lines.append(seen)
        else:
            lines.extend(json.loads(line) for line in seen.split("\n"))
    return lines


async def connected(world: World, limits: PumpLimits = UNHURRIED) -> Wire:
    wire = p5(world, limits)
    wire.say(command(1, connect={}))
    (answer,) = [line for line in await told(world, wire) if line]  # a ping may have come already
    assert answer["connect"]["ping"] == 25
    return wire


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is awaited is a timer of the loop, which tells nobody
            await asyncio.sleep(0.001)


# Order


async def test_commands_behind_connect_wait_for_it(world: World) -> None:
    wire = p5(world)
    wire.say("\n".join([command(1, connect={}), command(2, subscribe={"channel": "channel:general"})]))
    assert [line["id"] for line in await told(world, wire)] == [1, 2]


async def test_a_full_frame_of_commands_is_answered_in_order(world: World) -> None:
    wire = await connected(world)
    first = rpc(2, "search", lobby="timed")  # takes a while, so that the others queue behind it
    rest = [rpc(n, "typing", conversation="nowhere") for n in range(3, COMMANDS_MAX + 2)]
    wire.say("\n".join([first, *rest]))
    answers = [line for line in await told(world, wire) if "id" in line]
    assert [line["id"] for line in answers] == list(range(2, COMMANDS_MAX + 2))
    assert {line["error"]["code"] for line in answers[1:]} == {1009}
    assert wire.is_open


async def test_a_frame_of_too_many_commands_is_not_understood(world: World) -> None:
    wire = await connected(world)
    wire.say("\n".join(command(n, ping={}) for n in range(1, COMMANDS_MAX + 2)))
    assert await told(world, wire) == [{"id": 0, "error": {"code": 107, "message": "bad request"}}]


async def test_what_follows_a_bad_connect_in_the_same_frame_is_not_done(world: World) -> None:
    wire = await connected(world)
    wire.say("\n".join([command(2, connect={}), rpc(3, "join_channel", name="general")]))
    assert await told(world, wire) == [Closed(3501, "bad request: already connected")]
    channel = await world.chat.channel(world.chat.guest("eve"), "general")
    assert not channel.members


async def test_posts_overtake_nothing_and_wait_for_nothing_but_what_is_no_post(world: World) -> None:
    wire = await connected(world)
    lines = [rpc(2, "join_channel", name="general"), command(3, subscribe={"channel": "channel:general"})]
    lines += [
        command(n, publish={"channel": "channel:general", "data": {"content": str(n)}}) for n in range(4, 40)
    ]
    wire.say("\n".join(lines))
    heard = [line for line in await told(world, wire) if "push" in line]
    posted = [line["push"]["pub"]["data"] for line in heard]
    assert [data["message"]["content"] for data in posted] == [str(n) for n in range(4, 40)]


async def test_an_old_client_may_talk_before_it_is_told_where_it_stands(world: World) -> None:
    ann, bob = p0(world, "ann"), p0(world, "bob")
    await told(world, ann)
    await told(world, bob)
    person = ann.pump.identity  # the same person once more
    ann.drop()
    again = Wire(world.chat, AnonymousPair(), authenticator(world), identity=person, limits=UNHURRIED)
    again.say("I am back")
    assert [line["message"] for line in await told(world, bob)] == ["I am back"]


# Bounds


async def test_a_connection_with_much_to_do_is_not_read(world: World) -> None:
    wire = await connected(world)
    wire.say("\n".join(command(n, history={"channel": "channel:general"}) for n in range(2, INBOX_MAX + 4)))
    assert wire.transport.is_reading_paused
    answers = await told(world, wire)
    assert [line["id"] for line in answers] == list(range(2, INBOX_MAX + 4))
    assert not wire.transport.is_reading_paused


async def test_two_hundred_and_more_partners_one_after_the_other(world: World) -> None:
    ann = p0(world, "ann")
    for n in range(205):
        bob = p0(world, f"bob {n}")
        await told(world, ann)
        bob.say(f"hello {n}")
        assert {"type": "message", "message": f"hello {n}"} in await told(world, ann)
        bob.drop()
        await world.advance(10)
    assert [line["event"] for line in await told(world, ann)] == ["partner_left", "waiting"]


async def test_who_does_not_read_is_closed_and_the_others_hear_everything(world: World) -> None:
    ann, bob, cat = [await connected(world) for _ in range(3)]
    for wire in (ann, bob, cat):
        wire.say(rpc(2, "join_channel", name="general"))
        wire.say(command(3, subscribe={"channel": "channel:general"}))
        await told(world, wire)
    bob.transport.takes = False
    count = 500
    for n in range(count):
        ann.say(command(n + 4, publish={"channel": "channel:general", "data": {"content": "x" * 1000}}))
        await world.settle()
    assert not bob.is_open
    assert len(bob.transport.written) < 512 * 1024
    assert Closed(3008, "slow: too much unread") in await told(world, bob)
    pushes = [line["push"] for line in await told(world, cat) if "push" in line]
    heard = [push for push in pushes if "offset" in push.get("pub", ())]
    assert len(heard) == count
    bob.drop()


async def test_frames_above_the_rate_are_refused_each_by_its_id_then_the_connection_ends(
    world: World,
) -> None:
    wire = await connected(world, PumpLimits(frames=Rate(per_second=0.001, burst=3)))
    wire.say(command(2, ping={}))
    wire.say(command(3, ping={}))
    assert await told(world, wire) == [{"id": 2, "ping": {}}, {"id": 3, "ping": {}}]
    wire.say("\n".join([rpc(4, "join_channel", name="general"), command(5, ping={})]))
    refused = await told(world, wire)
    assert [(line["id"], line["error"]["code"], line["error"]["temporary"]) for line in refused] == [
        (4, 1020, True),
        (5, 1020, True),
    ]
    for n in range(9):
        wire.say(command(n + 6, ping={}))
    *answers, closed = await told(world, wire)
    assert closed == Closed(3509, "too many errors")
    assert len(answers) == 9
    assert not (await world.chat.channel(world.chat.guest("eve"), "general")).members


async def test_frames_above_the_rate_in_p0(world: World) -> None:
    wire = p0(world, "ann", PumpLimits(frames=Rate(per_second=0.001, burst=1)))
    await told(world, wire)
    for _ in range(11):
        wire.say('{"type":"skip"}')
    *answers, closed = await told(world, wire)
    assert closed == Closed(3509, "too many errors")
    assert {line["code"] for line in answers} == {"too_many"}


# Deadlines, shortened


async def test_who_does_not_introduce_itself_is_turned_away(world: World) -> None:
    wire = p5(world, PumpLimits(first_command_s=0.02))
    wire.say("nonsense does not count")
    await until(lambda: not wire.is_open)
    assert (await told(world, wire))[-1] == Closed(3502, "no connect command in time")
    wire.drop()


async def test_who_does_not_answer_a_ping_is_closed(world: World) -> None:
    wire = p5(world, PumpLimits(ping_s=0.02, pong_s=0.02))
    wire.say(command(1, connect={}))
    await until(lambda: not wire.is_open)
    *_, ping, closed = wire.seen()
    assert (ping, closed) == ("{}", Closed(3012, "no pong"))
    wire.drop()


async def test_who_answers_stays_also_between_commands_of_one_frame(world: World) -> None:
    wire = await connected(world, PumpLimits(frames=None, ping_s=0.01, pong_s=5.0))
    for answer in ("{}", "{}", command(2, ping={}) + "\n{}", "{}"):
        seen: list[str | Closed] = []

        def pinged(seen: list[str | Closed] = seen) -> bool:
            seen.extend(wire.seen())
            return "{}" in seen

        await until(pinged)
        wire.say(answer)
        assert wire.is_open
    wire.drop()


async def test_a_pong_that_nobody_asked_for_proves_nothing(world: World) -> None:
    """Who sends pongs and reads nothing would stay for ever."""
    wire = await connected(world, PumpLimits(frames=None, ping_s=0.03, pong_s=0.01))
    pinged = False
    async with asyncio.timeout(5):
        while not pinged:
            wire.say("{}")
            await asyncio.sleep(0.005)
            pinged = "{}" in wire.seen()
    wire.drop()


async def test_pongs_that_nobody_asked_for_count_as_frames(world: World) -> None:
    wire = await connected(world, PumpLimits(frames=Rate(per_second=0.001, burst=5)))
    for _ in range(20):
        wire.say("{}")
    assert (await told(world, wire))[-1] == Closed(3509, "too many errors")


async def test_a_token_that_runs_out_unrenewed_ends_the_connection() -> None:
    async with world_with_tokens_of(0.02) as world:
        made = authenticator(world)
        person = (await world.chat.accounts.register("ann", "ann@example.org", "correct horse")).person
        wire = Wire(world.chat, Centrifuge(), made, limits=PumpLimits(token_grace_s=0.01))
        token, _ = await made.token_of(person)
        wire.say(command(1, connect={"token": token}))
        (answer,) = await told(world, wire)
        assert (answer["connect"]["expires"], answer["connect"]["ttl"]) == (True, 1)
        await until(lambda: not wire.is_open)
        (closed,) = wire.seen()
        assert isinstance(closed, Closed)
        assert closed.code == 3005
        wire.drop()


async def test_a_token_is_renewed_by_its_own_person_alone(world: World) -> None:
    made = authenticator(world)
    ann, eve = world.chat.guest("ann"), world.chat.guest("eve")
    for other, expected in ((ann, None), (eve, Closed(3500, "invalid token"))):
        wire = Wire(world.chat, Centrifuge(), made, limits=UNHURRIED)
        wire.say(command(1, connect={"token": (await made.token_of(ann))[0]}))
        await told(world, wire)
        wire.say(command(2, refresh={"token": (await made.token_of(other))[0]}))
        (answer,) = await told(world, wire)
        if expected is None:
            assert (answer["id"], answer["refresh"]["expires"]) == (2, True)
        else:
            assert answer == expected
        wire.drop()


async def test_an_expired_token_is_109_for_connect_and_for_refresh() -> None:
    async with world_with_tokens_of(1.0) as world:
        made = authenticator(world)
        person = (await world.chat.accounts.register("ann", "ann@example.org", "correct horse")).person
        old, _ = await made.token_of(person)
        await world.advance(60)
        wire = Wire(world.chat, Centrifuge(), made, limits=UNHURRIED)
        expired = {"code": 109, "message": "token expired"}
        wire.say("\n".join([command(1, connect={"token": old}), rpc(2, "search", lobby="timed")]))
        first, second = await told(world, wire)
        assert first == {"id": 1, "error": expired}
        assert (second["id"], second["error"]["code"]) == (2, 1001)
        wire.say(command(3, connect={"token": (await made.token_of(person))[0]}))
        assert (await told(world, wire))[0]["connect"]["data"]["person"]["id"] == person.id
        wire.say(command(4, refresh={"token": old}))
        assert await told(world, wire) == [{"id": 4, "error": expired}]
        assert wire.is_open
        wire.drop()


class SlowStore(MemoryStore):
    """A store that answers no question about rooms and names while ``gate`` is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()

    async def open_rooms_of(self, person: PersonId) -> Sequence[Room]:
        rooms = await super().open_rooms_of(person)
        await self.gate.wait()
        return rooms

    async def message(self, message: MessageId) -> Message | None:
        await self.gate.wait()
        return await super().message(message)


async def test_a_pong_that_we_did_not_read_is_waited_for(config: Config) -> None:
    store = SlowStore()
    async with World(config, store=store) as world:
        wire = await connected(world, PumpLimits(frames=None, ping_s=0.01, pong_s=0.01))
        store.gate.clear()
        wire.say("\n".join(rpc(n, "delete", message="none") for n in range(2, INBOX_MAX + 10)))
        assert wire.transport.is_reading_paused
        await asyncio.sleep(0.1)  # ten times as long as a pong may take
        assert wire.is_open
        store.gate.set()
        wire.drop()


async def test_what_happened_while_the_standing_was_looked_up_is_told_behind_it(config: Config) -> None:
    store = SlowStore()
    async with World(config, store=store) as world:
        made = authenticator(world)
        token, _ = await made.token_of(world.chat.guest("ann"))
        first, second = (Wire(world.chat, Centrifuge(), made, limits=UNHURRIED) for _ in range(2))
        first.say(command(1, connect={"token": token}))
        await told(world, first)
        bob = await connected(world)
        bob.say(rpc(2, "search", lobby="timed"))
        await told(world, bob)
        store.gate.clear()
        second.say(command(1, connect={"token": token}))
        first.say(rpc(2, "search", lobby="timed"))
        await until(lambda: bool(first.transport.written))
        store.gate.set()
        answer, *pushes = await told(world, second)
        assert answer["connect"]["data"]["rooms"] == []  # it was looked up before
        assert [push["push"]["pub"]["data"]["type"] for push in pushes][:2] == ["matched", "match_found"]


async def test_a_conversation_under_a_wrong_name_leaves_the_right_one_alone(world: World) -> None:
    wire = await connected(world)
    wire.say(rpc(2, "join_channel", name="general"))
    (answer,) = await told(world, wire)
    id = answer["rpc"]["data"]["id"]
    wire.say(command(3, subscribe={"channel": "channel:general"}))
    wire.say(command(4, subscribe={"channel": f"room:{id}"}))
    wire.say(command(5, publish={"channel": "channel:general", "data": {"content": "hi"}}))
    *_, refused, posted, heard = await told(world, wire)
    assert (refused["id"], refused["error"]["code"]) == (4, 102)
    assert posted == {"id": 5, "publish": {}}
    assert heard["push"]["channel"] == "channel:general"


async def test_two_skips_in_a_row_are_one(world: World) -> None:
    ann, bob = p0(world, "ann"), p0(world, "bob")
    await told(world, ann)
    await told(world, bob)
    for _ in range(3):
        ann.say('{"type":"skip"}')
    assert [line["event"] for line in await told(world, ann)] == ["waiting"]
    assert [line["event"] for line in await told(world, bob)] == ["partner_left", "waiting"]


async def test_who_comes_back_to_its_place_in_the_line_searches_no_second_time() -> None:
    async with World(Config(searches_per_minute=60, searches_burst=1)) as world:
        ann = p0(world, "ann")
        identity = ann.pump.identity
        for _ in range(5):
            assert [line["event"] for line in await told(world, ann)] == ["connected", "waiting"]
            ann.drop()
            ann = Wire(world.chat, AnonymousPair(), authenticator(world), identity=identity, limits=UNHURRIED)


# One connection's trouble is its own


class Broken(Centrifuge):
    """A dialect with a bug."""

    def pushed(self, client: Any, event: Personal, *, now: float) -> Intents:
        if isinstance(event, Matched):
            raise RuntimeError("a bug")
        return super().pushed(client, event, now=now)


async def test_a_bug_of_a_dialect_ends_its_own_connection_alone(world: World) -> None:
    ann, bob = p5(world, dialect=Broken()), await connected(world)
    ann.say(command(1, connect={}))
    await told(world, ann)
    for wire in (ann, bob):
        wire.say(rpc(2, "search", lobby="anonymous"))
        await world.settle()
    assert (await told(world, ann))[-1] == Closed(3004, "server error: come back")
    types = [line["push"]["pub"]["data"]["type"] for line in await told(world, bob) if "push" in line]
    assert "matched" in types


async def test_eleven_connections_of_one_person(world: World) -> None:
    made = authenticator(world)
    token, _ = await made.token_of(world.chat.guest("ann"))
    wires = [Wire(world.chat, Centrifuge(), made, limits=UNHURRIED) for _ in range(11)]
    for wire in wires:
        wire.say(command(1, connect={"token": token}))
    ends = [(await told(world, wire))[-1] for wire in wires]
    assert all("connect" in end for end in ends[:10])
    assert ends[10] == Closed(3504, "too many connections: close another one first")


async def test_what_happens_while_a_client_connects_is_told_afterwards(world: World) -> None:
    made = authenticator(world)
    ann = world.chat.guest("ann")
    token, _ = await made.token_of(ann)
    first = Wire(world.chat, Centrifuge(), made, limits=UNHURRIED)
    first.say(command(1, connect={"token": token}))
    await told(world, first)
    second = Wire(world.chat, Centrifuge(), made, limits=UNHURRIED)
    second.say(command(1, connect={"token": token}))
    first.say(rpc(2, "search", lobby="timed"))
    lines = await told(world, second)
    assert "connect" in lines[0]
    is_told = lines[0]["connect"]["data"]["waiting"] is not None
    assert is_told or lines[1]["push"]["pub"]["data"]["type"] == "waiting"


async def test_a_connection_that_ends_leaves_nothing_behind(world: World) -> None:
    before = len(asyncio.all_tasks())
    for _ in range(50):
        wire = p5(world)
        wire.say(
            "\n".join(
                [
                    command(1, connect={}),
                    rpc(2, "join_channel", name="general"),
                    command(3, subscribe={"channel": "channel:general"}),
                    command(4, publish={"channel": "channel:general", "data": {"content": "hi"}}),
                ]
            )
        )
        wire.drop()
        assert wire.has_left
    for _ in range(5):
        await world.settle()
    assert len(asyncio.all_tasks()) == before
    stranger = world.chat.guest("eve")
    channel = await world.chat.channel(stranger, "general")
    with pytest.raises(Exception, match="Join the channel first"):
        await world.chat.do(stranger, Post(conversation=channel.id, content="x"))


async def test_a_close_frame_is_answered_once(world: World) -> None:
    wire = await connected(world)
    wire.send(masked(0x8, (1000).to_bytes(2, "big")))
    assert await told(world, wire) == [Closed(1000, "")]
    assert wire.has_left
