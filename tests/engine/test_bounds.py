"""Bounds, and what happens at them: many topics, many conversations, logs that were cut, stores that hang."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest

from chat_core import Change, Config, JoinChannel, MessagePosted, Post, Refused, Search, Skip, Unavailable
from chat_core.adapters.memory.store import MemoryStore
from chat_core.compose import open_chat
from chat_core.engine.conversations import loaded
from chat_core.engine.conversations.turns import unknown
from chat_core.engine.delivery import connection
from chat_core.model.commands import Edit
from chat_core.model.conversation import Member, Persistence, Room, RoomRules
from chat_core.model.events import Logged, PresenceChanged
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.limits import EPHEMERAL_EVENTS_MAX
from chat_core.testing import FakeClock, World
from tests.support.failing_stores import DeafBackplane, FailingStore


async def test_a_connection_follows_no_more_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TOPICS_PER_CONNECTION_MAX", 1)
    async with World() as world:
        ann, bob = await world.pair("ann", "bob")
        await world.match(ann, bob, lobby="timed")
        assert len(ann.connection.follows) == 1
        with pytest.raises(Refused, match="too many"):
            await ann.follows(ann.room)


async def test_rooms_that_have_ended_make_room_for_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TOPICS_PER_CONNECTION_MAX", 1)
    async with World() as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        await bob.leaves()
        cid = await world.comes("cid")
        await world.match(ann, cid, lobby="timed")
        await cid.says("hello")
        assert ann.sees(MessagePosted).message.content == "hello"


async def test_idle_conversations_are_forgotten_and_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loaded, "CONVERSATIONS_LOADED_MAX", 10)
    async with World() as world:
        ann = await world.user("ann")
        for number in range(12):
            await ann.creates(f"tea{number}")
        assert world.chat.peek((await world.chat.channel(ann.person, "tea11")).id) is not None
        assert (await ann.joins("tea0")).name == "tea0"


async def test_a_node_that_missed_more_than_the_log_keeps_admits_it() -> None:
    clock = FakeClock()
    backplane = DeafBackplane(clock)
    async with World(Config(rate_limits=False), clock=clock, backplane=backplane) as world:
        ann, bob = await world.pair("ann", "bob")
        other = await world.node()
        backplane.is_deaf = True
        for number in range(EPHEMERAL_EVENTS_MAX + 5):
            await other.do(ann.person, Post(conversation=ann.room, content=f"{number}"))
        backplane.is_deaf = False
        await world.advance(5)
        assert bob.lost_track_of == [bob.room]
        await bob.follows(bob.room)
        await ann.says("and now?")
        assert bob.sees(MessagePosted).message.content == "and now?"


async def test_recovery_from_a_log_that_does_not_answer_is_none() -> None:
    class Silent(MemoryStore):
        is_silent = False

        async def after(self, conversation: ConversationId, seq: int, limit: int) -> Sequence[Logged]:
            if self.is_silent:
                raise Unavailable("no reading")
            return await super().after(conversation, seq, limit)

    store = Silent()
    async with World(store=store) as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        bob.drops()
        await ann.says("hi")
        store.is_silent = True
        await bob.returns()
        bob.sees_no(MessagePosted)


async def test_a_store_that_breaks_in_an_unknown_way_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryStore):
        is_broken = False

        async def append(self, change: Change) -> None:
            if self.is_broken:
                raise ZeroDivisionError
            await super().append(change)

    store = Broken()
    async with World(store=store) as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        store.is_broken = True
        with pytest.raises(Unavailable):
            await ann.says("hi")
        store.is_broken = False
        await ann.says("hi")
    assert "turn_failed" in caplog.text


async def test_a_store_that_cannot_find_a_conversation_says_so() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann = await world.comes("ann")
        store.cannot_read = True
        with pytest.raises(Unavailable):
            await ann.says("hi", to="somewhere")
        with pytest.raises(Unavailable):
            await ann.does(Skip(room="somewhere"))


async def test_who_goes_before_there_is_a_place_gets_none() -> None:
    class Slow(MemoryStore):
        gate = asyncio.Event()

        async def blocked_with(self, person: PersonId) -> frozenset[PersonId]:
            await self.gate.wait()
            return await super().blocked_with(person)

    store = Slow()
    async with World(store=store) as world:
        ann = await world.comes("ann", may_return=False)
        asked = asyncio.ensure_future(world.chat.do(ann.person, Search(lobby="anonymous")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ann.drops()
        store.gate.set()
        with pytest.raises(Refused):
            await asked
        assert not list(world.chat.lobbies.queues["anonymous"].people())


async def test_a_pair_of_whom_one_has_gone_while_the_store_failed_leaves_the_other_waiting() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann = await world.comes("ann")
        bob = await world.comes("bob", may_return=False)
        await ann.searches()
        store.gate = asyncio.Event()
        store.fails_before = True
        asked = asyncio.ensure_future(world.chat.do(bob.person, Search(lobby="anonymous")))
        await store.arrived.wait()
        bob.drops()
        store.gate.set()
        await asked
        await world.settle()
        queue = world.chat.lobbies.queues["anonymous"]
        assert [seeker.person.id for seeker in queue.waiting()] == [ann.id]


async def test_a_room_that_was_made_by_hand_cannot_be_skipped() -> None:
    async with World() as world:
        ann, bob = await world.user("ann"), await world.user("bob")
        members = {person.id: Member(card=person.card, joined_at=0.0) for person in (ann.person, bob.person)}
        room = Room(
            id="by hand",
            epoch="e",
            persistence=Persistence.PERSISTENT,
            created_at=0.0,
            members=members,
            rules=RoomRules(countdown_s=300.0, notification_s=30.0),
        )
        await world.store.append(Change(after=room, expected=None, events=()))
        refusal = await ann.is_refused(Skip(room="by hand"))
        assert refusal.code == "wrong_state"
        ann.room = "by hand"
        await ann.starts()
        await ann.leaves()


async def test_two_nodes_that_make_one_channel_at_once_agree() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        other = await world.node()
        store.gate = asyncio.Event()
        made = asyncio.gather(*(chat.channels.ensure("tea") for chat in (world.chat, other)))
        await store.arrived.wait()
        store.gate.set()
        one, two = await made
        assert one.id == two.id


async def test_presence_of_somebody_unknown_here_is_not_told(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    parley_world.chat.conversations.forget(bob.room)
    bob.unfollows(bob.room)
    await parley_world.settle()
    ann.sees_no(PresenceChanged)


async def test_a_conversation_that_vanished_is_refused() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        store.fails_after = store.cannot_read = True
        with pytest.raises(Unavailable):
            await ann.says("hi")
        store.fails_after = store.cannot_read = False
        store.forget(ann.room)
        assert (await ann.is_refused(Post(conversation=ann.room, content="hi"))).code == "unknown_room"


def test_the_refusal_of_what_is_not_there_names_what_was_asked_for() -> None:
    assert unknown(JoinChannel(name="tea")).code == "unknown_channel"
    assert unknown(Edit(message="m", content="x")).code == "unknown_message"
    assert unknown(Post(conversation="c", content="x")).code == "unknown_room"


async def test_a_chat_in_a_file_is_there_again(tmp_path: Path) -> None:
    config = Config(database=tmp_path / "parley.db", default_channels=("general",))
    chat = await open_chat(config)
    person = chat.guest("ann")
    first = await chat.channel(person, "general")
    await chat.stop()
    chat = await open_chat(attrs.evolve(config, matcher="random"))
    assert (await chat.channel(person, "general")).id == first.id
    await chat.stop()
