"""Channels: who may make, join, leave, own, read and delete them."""

import pytest

from chat_core import (
    Config,
    CreateChannel,
    DeleteChannel,
    JoinChannel,
    LeaveChannel,
    MessagePosted,
    Post,
    Refused,
)
from chat_core.model.commands import Skip, Start
from chat_core.model.events import ChannelDeleted, MemberJoined, MemberLeft, OwnerChanged
from chat_core.testing import World


async def test_who_makes_a_channel_owns_it_and_others_join_and_talk(parley_world: World) -> None:
    ann, bob = await parley_world.user("ann"), await parley_world.user("bob")
    tea = await ann.creates("tea")
    assert tea.owner == ann.id
    await ann.follows(tea.id)
    await bob.joins("tea")
    assert ann.sees(MemberJoined).member == bob.id
    await bob.says("hello", to=tea.id)
    assert ann.sees(MessagePosted).message.author.username == "bob"
    assert [channel.name for channel in (await parley_world.chat.initial_state(bob.person)).channels] == [
        "tea"
    ]


async def test_a_name_is_taken_once(parley_world: World) -> None:
    ann = await parley_world.user("ann")
    await ann.creates("tea")
    assert (await ann.is_refused(CreateChannel(name="tea"))).code == "channel_exists"
    assert (await ann.is_refused(CreateChannel(name="No Spaces"))).code == "invalid"


async def test_a_deleted_channel_tells_everybody_and_frees_its_name(parley_world: World) -> None:
    ann, bob, eve = [await parley_world.user(name) for name in ("ann", "bob", "eve")]
    tea = await ann.creates("tea")
    await bob.joins("tea")
    for reader in (bob, eve):  # eve only reads
        await reader.follows(tea.id)
    await ann.deletes_channel("tea")
    for reader in (bob, eve):
        reader.sees(ChannelDeleted)
        assert reader.lost_track_of == [tea.id]
    assert (await bob.is_refused(JoinChannel(name="tea"))).code == "unknown_channel"
    assert (await bob.creates("tea")).id != tea.id


async def test_an_owner_hands_over_before_leaving(parley_world: World) -> None:
    ann, bob = await parley_world.user("ann"), await parley_world.user("bob")
    tea = await ann.creates("tea")
    await bob.joins("tea")
    await bob.follows(tea.id)
    assert (await ann.is_refused(LeaveChannel(name="tea"))).code == "owner_must_stay"
    await ann.leaves_channel("tea", to=bob)
    assert bob.sees(OwnerChanged).owner == bob.id
    assert bob.sees(MemberLeft).member == ann.id
    assert (await ann.is_refused(DeleteChannel(name="tea"))).code == "not_owner"


async def test_a_public_channel_is_read_by_anybody_also_after_leaving(parley_world: World) -> None:
    ann, bob = await parley_world.user("ann"), await parley_world.user("bob")
    tea = await ann.creates("tea")
    await bob.joins("tea")
    await bob.follows(tea.id)
    await bob.leaves_channel("tea")
    bob.looks_away()
    await ann.says("still there?", to=tea.id)
    bob.sees(MessagePosted)
    assert (await bob.is_refused(Post(conversation=tea.id, content="no"))).code == "not_member"


async def test_a_private_channel_is_nobody_elses_business(parley_world: World) -> None:
    ann, eve = await parley_world.user("ann"), await parley_world.user("eve")
    tea = await ann.creates("tea", private=True)
    assert (await eve.is_refused(JoinChannel(name="tea"))).code == "unknown_channel"
    for question in (
        parley_world.chat.channel(eve.person, "tea"),
        parley_world.chat.channel(eve.person, "no"),
    ):
        with pytest.raises(Refused, match="Channel not found"):
            await question
    with pytest.raises(Refused):
        await eve.follows(tea.id)
    assert (await parley_world.chat.channel(ann.person, "tea")).id == tea.id


async def test_guests_read_and_do_not_write_unless_they_may() -> None:
    for may_post in (False, True):
        async with World(Config(guests_may_post=may_post, default_channels=("general",))) as world:
            guest = await world.comes("guest")
            general = await world.chat.channel(guest.person, "general")
            await guest.follows(general.id)
            assert (await guest.is_refused(CreateChannel(name="mine"))).code == "guests_may_not"
            if may_post:
                await guest.joins("general")
                await guest.says("hi", to=general.id)
            else:
                assert (await guest.is_refused(JoinChannel(name="general"))).code == "guests_may_not"
                refusal = await guest.is_refused(Post(conversation=general.id, content="hi"))
                assert refusal.code == "guests_may_not"


async def test_a_channel_is_no_room(parley_world: World) -> None:
    ann = await parley_world.user("ann")
    tea = await ann.creates("tea")
    for command in (Start(room=tea.id), Skip(room=tea.id)):
        assert (await ann.is_refused(command)).code == "unknown_room"
    assert (await ann.is_refused(DeleteChannel(name="nowhere"))).code == "unknown_channel"
