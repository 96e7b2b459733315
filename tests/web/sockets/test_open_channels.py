"""P5.6: with OPEN_CHANNELS any name is a channel and any JSON a publication; without it nothing is."""

import json
from typing import Any

import pytest

from chat_core import Config
from chat_core.testing import World
from chat_web.config.settings import Settings
from chat_web.config.variables import SettingsError
from chat_web.dialects.centrifugal.encoding import ChannelLines, as_lines
from chat_web.dialects.centrifuge import Centrifuge
from chat_web.http.auth import Authenticator
from chat_web.sockets.pump import PumpLimits
from tests.support.memory_wire import Closed, Wire


class Client:
    """One connection; ``asks`` sends a command and gives its answer, pushes wait in ``pushed``."""

    def __init__(self, world: World, *, is_open: bool = True) -> None:
        authenticator = Authenticator(world.chat)
        dialect = Centrifuge(open_to_all=is_open)
        self.world = world
        self.wire = Wire(world.chat, dialect, authenticator, limits=PumpLimits(frames=None))
        self.pushed: list[Any] = []
        self._id = 0

    async def asks(self, **command: Any) -> Any:
        self._id += 1
        self.wire.say(json.dumps({"id": self._id, **command}))
        (answer,) = [line for line in await self.sees() if line.get("id") == self._id]
        return answer

    async def sees(self) -> list[Any]:
        for _ in range(3):
            await self.world.settle()
        lines: list[Any] = []
        for seen in self.wire.seen():
            assert not isinstance(seen, Closed), seen
            lines += [json.loads(line) for line in seen.split("\n")]
        self.pushed += [line["push"] for line in lines if "push" in line]
        return lines

    def publications(self) -> list[tuple[str, Any]]:
        found = [
            (push["channel"], push["pub"]["data"]) for push in self.pushed if "offset" in push.get("pub", {})
        ]
        self.pushed.clear()
        return found


@pytest.fixture
def config() -> Config:
    return Config(open_channels=True, rate_limits=False, default_channels=("general",))


async def connected(world: World, *, is_open: bool = True) -> Client:
    client = Client(world, is_open=is_open)
    await client.asks(connect={})
    return client


async def test_each_hears_under_the_name_that_it_used(world: World) -> None:
    ann, bob = await connected(world), await connected(world)
    assert (await ann.asks(subscribe={"channel": "test"}))["subscribe"]["recoverable"]
    assert (await bob.asks(subscribe={"channel": "channel:test"}))["subscribe"]["recoverable"]
    sent: tuple[Any, ...] = ({"my": ["data", 1.5, None]}, "text", 7, None, [], {"type": "message_posted"})
    for data in sent:
        assert "publish" in await ann.asks(publish={"channel": "test", "data": data})
        await bob.sees()
        assert ann.publications() == [("test", data)]
        assert bob.publications() == [("channel:test", data)]


async def test_one_channel_is_subscribed_to_under_one_name_at_a_time(world: World) -> None:
    ann = await connected(world)
    await ann.asks(subscribe={"channel": "test"})
    assert (await ann.asks(subscribe={"channel": "channel:test"}))["error"]["code"] == 105
    await ann.asks(unsubscribe={"channel": "test"})
    assert "subscribe" in await ann.asks(subscribe={"channel": "channel:test"})
    await ann.asks(publish={"channel": "test", "data": 1})
    assert ann.publications() == [("channel:test", 1)]


async def test_any_name_will_do_and_history_has_what_was_published(world: World) -> None:
    ann = await connected(world)
    for name in ("a b", "ns:sub:x", "#42", "☂" * 85, "x" * 255, "\u0000", "$private"):
        assert "publish" in await ann.asks(publish={"channel": name, "data": {"in": name}})
        history = await ann.asks(history={"channel": name, "limit": -1})
        assert [shown["data"] for shown in history["history"]["publications"]] == [{"in": name}]
        assert (await ann.asks(presence_stats={"channel": name}))["presence_stats"]["num_clients"] == 0
    for name in ("", "x" * 256):
        answer = await ann.asks(subscribe={"channel": name})
        assert answer["error"]["code"] in (102, 107)
    for name in ("room:nowhere", "user:somebody"):
        assert (await ann.asks(subscribe={"channel": name}))["error"]["code"] == 102


async def test_what_is_missing_when_it_is_to_be_whole_is_error_112(world: World) -> None:
    ann = await connected(world)
    await ann.asks(publish={"channel": "test", "data": 1})
    lost = {"channel": "test", "recover": True, "epoch": "another", "offset": 1}
    assert (await ann.asks(subscribe={**lost, "flag": 2}))["error"]["code"] == 112
    assert (await ann.asks(subscribe=lost))["subscribe"]["recovered"] is False
    await ann.asks(unsubscribe={"channel": "test"})
    start = await ann.asks(
        subscribe={"channel": "test", "recover": True, "epoch": "", "offset": 0, "flag": 3}
    )
    assert [shown["data"] for shown in start["subscribe"]["publications"]] == [1]


async def test_in_a_room_publish_goes_on_posting(world: World) -> None:
    ann, bob = await connected(world), await connected(world)
    await ann.asks(rpc={"method": "search", "data": {"lobby": "anonymous"}})
    found = await bob.asks(rpc={"method": "search", "data": {"lobby": "anonymous"}})
    room = f"room:{found['rpc']['data']['room']['id']}"
    await bob.asks(subscribe={"channel": room})
    assert "publish" in await bob.asks(publish={"channel": room, "data": {"content": "hi"}})
    ((channel, data),) = bob.publications()
    assert (channel, data["message"]["content"]) == (room, "hi")
    assert (await bob.asks(publish={"channel": room, "data": 5}))["error"]["code"] == 107


async def test_strings_that_are_no_text_are_not_published(world: World) -> None:
    ann = await connected(world)
    ann.wire.say('{"id":9,"publish":{"channel":"test","data":{"x":"\\ud800"}}}')
    assert [line["error"]["code"] for line in await ann.sees()] == [107]


async def test_without_it_names_and_data_are_refused(world: World) -> None:
    ann = await connected(world, is_open=False)
    for name in ("test", "channel:test"):
        assert (await ann.asks(subscribe={"channel": name}))["error"]["code"] == 102
        answer = await ann.asks(publish={"channel": name, "data": {"content": "x"}})
        assert answer["error"]["code"] == 102
    assert (await ann.asks(publish={"channel": "channel:general", "data": {"any": 1}}))["error"][
        "code"
    ] == 107
    assert (await ann.asks(publish={"channel": "channel:general", "data": {"content": "x"}}))["error"][
        "code"
    ] == 103


def test_it_is_off_by_default_and_not_beside_admins() -> None:
    assert Settings().open_channels is False
    with pytest.raises(SettingsError, match="ADMIN_USERS"):
        Settings(open_channels=True, admin_users=("ann",))


async def test_all_connections_share_one_encoder_whatever_names_they_use(world: World) -> None:
    people = [await connected(world) for _ in range(4)]
    names = ("test", "channel:test", "test", "channel:test")
    for person, name in zip(people, names, strict=True):
        await person.asks(subscribe={"channel": name})
    (topic,) = world.chat.hub.topics()
    assert len(topic.groups) == 1
    await people[0].asks(publish={"channel": "test", "data": [1, "\u0000"]})
    await people[0].asks(publish={"channel": "test", "data": 2})
    for person, name in zip(people, names, strict=True):
        await person.sees()
        assert person.publications() == [(name, [1, "\u0000"]), (name, 2)]


def test_a_line_is_made_once_for_each_name() -> None:
    lines = ChannelLines("test", (b'"pub":{"data":1}', b'"pub":{"data":2}'), as_lines)
    assert lines.under("test") is lines.under("test")
    assert lines.under("a") == (
        b'{"push":{"channel":"a","pub":{"data":1}}}\n{"push":{"channel":"a","pub":{"data":2}}}\n'
    )


async def test_what_was_published_before_the_end_of_a_subscription_has_its_name(world: World) -> None:
    ann, bob = await connected(world), await connected(world)
    await ann.asks(subscribe={"channel": "test"})
    await bob.asks(subscribe={"channel": "test"})
    bob.wire.say('{"id":90,"publish":{"channel":"test","data":1}}')
    ann.wire.say('{"id":91,"unsubscribe":{"channel":"test"}}')
    await ann.sees()
    assert ann.publications() == [("test", 1)]
    await ann.asks(subscribe={"channel": "channel:test"})
    await bob.asks(publish={"channel": "test", "data": 2})
    await ann.sees()
    assert ann.publications() == [("channel:test", 2)]


async def test_to_unsubscribe_under_another_name_changes_nothing(world: World) -> None:
    ann = await connected(world)
    await ann.asks(subscribe={"channel": "test"})
    await ann.asks(unsubscribe={"channel": "channel:test"})
    await ann.asks(publish={"channel": "test", "data": 1})
    assert ann.publications() == [("test", 1)]
