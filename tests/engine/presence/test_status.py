"""Neighbours: who hears how a person is seen, and who hears of changes of its own channels."""

import asyncio
from collections.abc import Sequence

import pytest

from chat_core import (
    ChannelChange,
    ChannelsChanged,
    Config,
    ConversationId,
    CreateChannel,
    DeleteChannel,
    JoinChannel,
    LeaveChannel,
    Message,
    MessagePosted,
    Post,
    Recent,
    Recovery,
    RemoveMember,
    Status,
    StatusChanged,
    Unavailable,
)
from chat_core.adapters.memory.store import MemoryStore
from chat_core.model.errors import ChatError
from chat_core.testing import Actor, World

CONFIG = Config(rate_limits=False, default_channels=("general", "random"))


async def watching(world: World, name: str, *channels: str) -> Actor:
    """A user in these channels, who watches."""
    actor = await world.user(name)
    for channel in channels:
        await actor.does(JoinChannel(name=channel))
    actor.drops()
    await actor.returns()
    actor.connection.watch_status()
    actor.looks_away()
    return actor


def seen(actor: Actor) -> list[tuple[str, Status]]:
    return [(event.person.username, event.status) for event in actor.sees_all(StatusChanged)]


async def test_one_hears_once_of_who_shares_two_channels() -> None:
    async with World(CONFIG) as world:
        ann = await watching(world, "ann", "general", "random")
        bob = await watching(world, "bob", "general", "random")
        assert seen(ann) == []
        await bob.goes()
        await bob.returns()
        assert seen(ann) == [("bob", Status.OFFLINE), ("bob", Status.ONLINE)]


async def test_who_does_not_watch_or_shares_nothing_hears_nothing() -> None:
    async with World(CONFIG) as world:
        ann = await watching(world, "ann", "general")
        cat = await watching(world, "cat", "random")
        bob = await world.user("bob")
        await bob.does(JoinChannel(name="general"))
        dog = await world.user("dog")
        await dog.does(JoinChannel(name="general"))
        dog.looks_away()
        await bob.goes()
        assert (len(seen(ann)), seen(cat), seen(dog)) == (1, [], [])


async def test_who_stops_to_follow_watches_no_more() -> None:
    async with World(CONFIG) as world:
        ann = await watching(world, "ann", "general")
        bob = await watching(world, "bob", "general")
        await ann.does(LeaveChannel(name="general"))
        for conversation in tuple(ann.connection.follows):
            ann.connection.unfollow(conversation)
        ann.looks_away()
        await bob.goes()
        assert seen(ann) == []


async def test_guests_are_seen_as_well() -> None:
    config = Config(rate_limits=False, default_channels=("general",), guests_may_post=True)
    async with World(config) as world:
        ann = await watching(world, "ann", "general")
        bob = await world.comes("bob")
        await bob.does(JoinChannel(name="general"))
        await bob.goes()
        assert seen(ann) == [(bob.person.username, Status.OFFLINE)]


async def test_a_person_hears_of_its_own_channels_and_of_no_others() -> None:
    async with World(CONFIG) as world:
        ann, bob = await world.user("ann"), await world.user("bob")
        device = await world.device(ann)
        await ann.does(CreateChannel(name="cats"))
        await bob.does(JoinChannel(name="cats"))
        await ann.does(RemoveMember(name="cats", member=bob.id))
        await bob.does(JoinChannel(name="cats"))
        await ann.does(DeleteChannel(name="cats"))
        joined, left, deleted = ChannelChange.JOINED, ChannelChange.LEFT, ChannelChange.DELETED
        for actor in (ann, device):
            assert [event.change for event in actor.sees_all(ChannelsChanged)] == [joined, deleted]
        assert [event.change for event in bob.sees_all(ChannelsChanged)] == [joined, left, joined, deleted]


# The messages that come before the live events


class Silent(MemoryStore):
    """A store whose messages cannot be read."""

    async def messages(
        self, conversation: ConversationId, *, before: int | None, after: int | None, limit: int
    ) -> Sequence[Message]:
        raise Unavailable("not now")


async def begun(actor: Actor, conversation: str, recent: Recent) -> Recovery | ChatError:
    answers: list[Recovery | ChatError] = []
    actor.connection.unfollow(conversation)
    actor.connection.follow(conversation, None, answers.append, recent)
    await actor.world.settle()
    (answer,) = answers
    return answer


async def test_recent_messages_end_where_live_events_begin() -> None:
    async with World(CONFIG) as world:
        ann = await watching(world, "ann", "general")
        (channel,) = ann.connection.follows
        for n in range(8):
            await ann.says(str(n), to=channel)

        async def shown(**wanted: int) -> tuple[list[str], bool]:
            answer = await begun(ann, channel, Recent(**wanted))
            assert isinstance(answer, Recovery)
            assert answer.offset == answer.conversation.head
            return [message.content for message in answer.messages], answer.has_gap

        assert await shown(last=3) == (["5", "6", "7"], False)
        head = (await world.chat.channel(ann.person, "general")).head
        assert await shown(after=head - 3, most=3, last=2) == (["5", "6", "7"], False)
        assert await shown(after=head - 4, most=3, last=2) == (["6", "7"], True)
        assert await shown(after=head) == ([], False)
        assert await shown(after=head + 100) == ([], False)


class Gated(MemoryStore):
    """A store whose messages are read once the gate is open; what was written meanwhile is among them."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def messages(
        self, conversation: ConversationId, *, before: int | None, after: int | None, limit: int
    ) -> Sequence[Message]:
        await self.gate.wait()
        return await super().messages(conversation, before=before, after=after, limit=limit)


@pytest.mark.parametrize("recent", [Recent(), Recent(after=0)])
async def test_what_is_written_while_the_recent_messages_are_read_comes_after_them_and_once(
    recent: Recent,
) -> None:
    store = Gated()
    async with World(CONFIG, store=store) as world:
        ann, bob = await watching(world, "ann", "general"), await watching(world, "bob", "general")
        (channel,) = ann.connection.follows
        await bob.says("before", to=channel)
        ann.connection.unfollow(channel)
        ann.looks_away()
        told: list[list[str]] = []

        def ready(answer: Recovery | ChatError) -> None:
            assert isinstance(answer, Recovery)
            ann.sees_no(MessagePosted)
            told.append([message.content for message in answer.messages])

        ann.connection.follow(channel, None, ready, recent)
        for _ in range(3):
            await asyncio.sleep(0)
        await world.chat.do(bob.person, Post(conversation=channel, content="meanwhile"))
        for _ in range(3):
            await asyncio.sleep(0)
        assert told == []
        store.gate.set()
        await world.settle()
        assert told == [["before"]]
        assert [event.message.content for event in ann.sees_all(MessagePosted)] == ["meanwhile"]


async def test_where_messages_cannot_be_read_nothing_is_followed() -> None:
    async with World(CONFIG, store=Silent()) as world:
        ann = await watching(world, "ann", "general")
        (channel,) = ann.connection.follows
        assert isinstance(await begun(ann, channel, Recent()), Unavailable)
        assert ann.connection.follows == ()
        ann.looks_away()
        await ann.does(Post(conversation=channel, content="hi"))
        ann.sees_no(MessagePosted)
