"""Commits: each fact of a turn is folded once and told of once, and everybody whom it names hears of it."""

import asyncio
from collections import Counter
from functools import partial
from typing import Any

import pytest

from chat_core import Config, JoinChannel, LeaveChannel, Mentioned, MessagePosted, Post
from chat_core.engine import disconnects
from chat_core.engine.disconnects import BAD_REQUEST, Disconnect
from chat_core.engine.results import result_of
from chat_core.model.conversation import Channel
from chat_core.model.events import Logged
from chat_core.rules import log, notifications
from chat_core.testing import World

CONFIG = Config(rate_limits=False, default_channels=("general",))


def counted(patch: pytest.MonkeyPatch, module: Any, name: str) -> Counter[int]:
    """How often the rule was asked about each event, by seq."""
    true, asked = getattr(module, name), Counter[int]()

    def rule(state: Any, event: Logged) -> Any:
        asked[event.seq] += 1
        return true(state, event)

    patch.setattr(module, name, rule)
    return asked


async def test_a_post_is_folded_once_and_its_mentions_are_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World(CONFIG) as world:
        ann, bob = await world.user("ann"), await world.user("bob")
        for one in (ann, bob):
            await one.follows((await one.joins("general")).id)
        folded, told = counted(monkeypatch, log, "evolve"), counted(monkeypatch, notifications, "personal")
        posted = await ann.says("hi @bob", to=(await world.chat.channel(ann.person, "general")).id)
        assert bob.sees(Mentioned).message_seq == posted.events[0].seq
        assert folded == told == {posted.events[0].seq: 1}


async def test_what_happens_to_a_room_is_folded_and_told_of_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with World(CONFIG) as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        folded, told = counted(monkeypatch, log, "evolve"), counted(monkeypatch, notifications, "personal")
        asked, kept = await ann.keeps(), await bob.keeps()
        seqs = {event.seq: 1 for event in (*asked.events, *kept.events)}
        assert folded == told == seqs


async def test_another_node_folds_what_it_hears_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World(CONFIG) as world:
        ann = await world.user("ann")
        channel = await ann.joins("general")
        await ann.follows(channel.id)
        other = await world.node()
        await other.conversation(ann.person, channel.id)
        told = counted(monkeypatch, notifications, "personal")
        await other.do(ann.person, Post(conversation=channel.id, content="hi"))
        await world.settle()
        seq = ann.sees(MessagePosted).seq
        assert told == {seq: 2}, "once on each of the two nodes"


@pytest.mark.parametrize("is_member_first", [False, True])
async def test_whom_a_message_names_is_who_was_a_member_when_it_was_posted(is_member_first: bool) -> None:
    """In one turn: somebody comes and is named, or is named and goes. Both were members then."""
    async with World(CONFIG) as world:
        ann, bob = await world.user("ann"), await world.user("bob")
        channel = await ann.joins("general")
        if is_member_first:
            await bob.joins("general")
        ask = world.chat.conversations.ask
        post = partial(ask, channel.id, Post(conversation=channel.id, content="hi @bob"), ann.person)
        comes = partial(ask, channel.id, JoinChannel(name="general"), bob.person)
        goes = partial(ask, channel.id, LeaveChannel(name="general"), bob.person)
        first, second = (post, goes) if is_member_first else (comes, post)
        blocker = partial(ask, channel.id, Post(conversation=channel.id, content="first"), ann.person)
        await asyncio.gather(result_of(blocker), result_of(first), result_of(second))
        await world.settle()
        assert [event.to for event in bob.sees_all(Mentioned)] == [bob.id]
        assert [notification.to for notification in await world.store.notifications_of(bob.id)] == [bob.id]
        state = await world.chat.conversations.state(channel.id)
        assert isinstance(state, Channel)
        assert (state.member(bob.id) is None) is is_member_first


def test_every_close_code_has_one_reason_and_every_reason_is_in_plain_words() -> None:
    found = [one for one in vars(disconnects).values() if isinstance(one, Disconnect)]
    assert len({one.reason for one in found}) == len(found)
    codes = Counter(one.code for one in found if one.code >= 3000)
    assert set(codes.values()) == {1}
    assert all(0 < len(one.reason.encode()) <= 123 for one in found), "a close frame has room for 123 bytes"


def test_a_close_code_can_have_a_more_exact_reason() -> None:
    assert BAD_REQUEST.because("connect first") == (3501, "bad request: connect first")
    assert disconnects.SHUTDOWN.because("later") == (3001, "shutdown: later")
