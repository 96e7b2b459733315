"""Channels that are open to all: any JSON by anybody, under any name. For development."""

from pathlib import Path

import pytest

from chat_core import Config, DataPublished, Position, PublishData, Refused, open_chat
from chat_core.model.limits import DATA_LENGTH_MAX, OPEN_NAME_LENGTH_MAX
from chat_core.testing import World

OPEN = Config(open_channels=True, rate_limits=False)


async def test_where_channels_are_not_open_nobody_publishes_data(parley_world: World) -> None:
    ann = await parley_world.user("ann")
    tea = await ann.creates("tea")
    refused = await ann.is_refused(PublishData(conversation=tea.id, data="{}"))
    assert refused.code == "not_member"
    with pytest.raises(Refused, match="name"):
        await parley_world.chat.channels.ensure("No Spaces")


async def test_a_guest_publishes_what_it_wants_and_it_is_there_after_a_restart(tmp_path: Path) -> None:
    config = Config(open_channels=True, rate_limits=False, database=tmp_path / "parley.db")
    chat = await open_chat(config)
    try:
        guest = chat.guest("somebody")
        channel = await chat.channels.ensure("Any name: ☂", any_name=True)
        committed = await chat.do(guest, PublishData(conversation=channel.id, data='{"x":[1,2.5,null]}'))
        (event,) = committed.events  # type: ignore[union-attr]
    finally:
        await chat.stop()
    chat = await open_chat(config)
    try:
        again = await chat.channel(chat.guest("another"), "Any name: ☂")
        assert (again.id, again.head) == (channel.id, 1)
        found = await chat.history(guest, channel.id, after=0, limit=10)
        assert list(found) == [event]
        assert isinstance(event, DataPublished)
        assert event.data == '{"x":[1,2.5,null]}'
    finally:
        await chat.stop()


async def test_the_bounds_of_open_channels() -> None:
    async with World(OPEN) as world:
        chat = world.chat
        eve = chat.guest("eve")
        for name in ("", "x" * (OPEN_NAME_LENGTH_MAX + 1)):
            with pytest.raises(Refused, match="characters"):
                await chat.channels.ensure(name, any_name=True)
        channel = await chat.channels.ensure("x" * OPEN_NAME_LENGTH_MAX, any_name=True)
        with pytest.raises(Refused) as refused:
            await chat.do(eve, PublishData(conversation=channel.id, data="1" * (DATA_LENGTH_MAX + 1)))
        assert refused.value.code == "too_large"
        with pytest.raises(Refused) as refused:
            await chat.do(eve, PublishData(conversation="nowhere", data="1"))
        assert refused.value.code == "unknown_room"


async def test_a_private_channel_and_a_room_stay_closed() -> None:
    async with World(OPEN) as world:
        ann, eve = await world.user("ann"), await world.comes("eve")
        tea = await ann.creates("tea", private=True)
        assert (await eve.is_refused(PublishData(conversation=tea.id, data="1"))).code == "unknown_channel"
        await world.match(ann, eve)
        assert (await eve.is_refused(PublishData(conversation=eve.room, data="1"))).code == "unknown_channel"


async def test_a_position_before_the_first_event_needs_no_epoch(parley_world: World) -> None:
    ann = await parley_world.user("ann")
    tea = await ann.creates("tea")
    for text in ("one", "two"):
        await ann.says(text, to=tea.id)
    recovery = await ann.follows(tea.id, Position(epoch="", seq=0))
    assert recovery.recovered
    assert [event.seq for event in recovery.events] == [1, 2, 3]
    assert not (await ann.follows(tea.id, Position(epoch="", seq=1))).recovered
    assert not (await ann.follows(tea.id, Position(epoch="another", seq=0))).recovered
