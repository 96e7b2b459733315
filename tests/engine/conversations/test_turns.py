"""Turns: decided together, stored before told, answered once; a store that fails changes nothing."""

import asyncio

import attrs
import pytest

from chat_core import Config, MessagePosted, Post, Refused, Result, Unavailable
from chat_core.model.commands import Close, Tick
from chat_core.model.conversation import Conversation, EndReason
from chat_core.model.events import DecisionOpened, Notification, NotificationKind, RoomEnded
from chat_core.model.ids import ConversationId
from chat_core.model.limits import ASKS_WAITING_MAX
from chat_core.testing import Actor, World
from tests.support.failing_stores import FailingStore


async def test_one_client_id_is_one_message(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob")
    first = await ann.says("hi", client_id="1")
    again = await ann.says("hi", client_id="1")
    assert (first.repeated, again.repeated) == (False, True)
    assert again.message == first.message
    assert len(bob.sees_all(MessagePosted)) == 1


async def test_one_client_id_with_another_body_is_refused(parley_world: World) -> None:
    ann, _ = await parley_world.pair("ann", "bob")
    await ann.says("hi", client_id="1")
    refusal = await ann.is_refused(Post(conversation=ann.room, content="ho", client_id="1"))
    assert refusal.code == "client_id_reused"


async def test_one_client_id_fifty_times_at_once_is_one_message() -> None:
    async with World(Config(rate_limits=False)) as world:
        ann, bob = await world.pair("ann", "bob")
        results = await asyncio.gather(*(_ask(world, ann, "hi", client_id="1") for _ in range(50)))
        assert len({committed.message.id for committed in results}) == 1  # type: ignore[union-attr]
        await world.settle()
        assert len(bob.sees_all(MessagePosted)) == 1


async def test_many_repeated_client_ids_in_one_turn_are_all_found() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        for number in range(10):
            await ann.says(f"hi {number}", client_id=str(number))
        store.gate = asyncio.Event()
        asked = [
            asyncio.ensure_future(
                world.chat.do(
                    ann.person, Post(conversation=ann.room, content=f"hi {number}", client_id=str(number))
                )
            )
            for number in range(10)
        ]
        store.gate.set()
        results = await asyncio.gather(*asked)
        assert all(committed.repeated for committed in results)  # type: ignore[union-attr]


async def test_one_client_id_is_one_message_after_a_restart_too() -> None:
    async with World() as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        first = await ann.says("hi", client_id="1")
        await world.restart()
        again = await ann.says("hi", client_id="1")
        assert again.repeated
        assert again.message == first.message


async def test_acknowledgements_say_whether_they_are_durable() -> None:
    async with World(store=FailingStore()) as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        assert (await ann.says("kept")).durable
        await world.match(ann, bob, lobby="anonymous")
        assert not (await ann.says("not kept")).durable


async def test_when_the_store_fails_nothing_happened_and_nobody_heard() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        store.fails_before = True
        with pytest.raises(Unavailable):
            await ann.says("hi", client_id="1")
        bob.sees_no(MessagePosted)
        store.fails_before = False
        assert not (await ann.says("hi", client_id="1")).repeated
        assert len(bob.sees_all(MessagePosted)) == 1


async def test_a_write_whose_outcome_is_unknown_is_read_again_and_told_once() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        store.fails_after = True
        with pytest.raises(Unavailable):
            await ann.says("hi", client_id="1")
        store.fails_after = False
        await world.settle()
        assert len(bob.sees_all(MessagePosted)) == 1
        assert (await ann.says("hi", client_id="1")).repeated


async def test_what_is_unknown_is_read_as_soon_as_the_store_answers() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        store.fails_after = store.cannot_read = True
        with pytest.raises(Unavailable):
            await ann.says("hi")
        await ann.types()  # what need not be stored goes on
        store.fails_after = store.cannot_read = False
        bob.sees_no(MessagePosted)
        await world.advance(1)
        assert len(bob.sees_all(MessagePosted)) == 1


async def test_a_refusal_that_rests_on_what_failed_is_not_final() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        eve = await world.comes("eve")
        store.gate = asyncio.Event()
        store.fails_before = True
        warm_up = _ask(world, ann, "first")
        await store.arrived.wait()
        outsider = _ask(world, eve, "me too", room=ann.room)
        asked = [_ask(world, ann, text, client_id="1") for text in ("one", "two")]
        store.gate.set()
        with pytest.raises(Unavailable):
            await warm_up
        for ask in asked:
            with pytest.raises(Unavailable):
                await ask
        with pytest.raises(Refused):
            await outsider
        bob.sees_no(MessagePosted)


async def test_a_deadline_that_the_store_refused_is_tried_again() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        store.fails_before = True
        await world.advance(305)
        ann.sees_no(DecisionOpened)
        store.fails_before = False
        await world.advance(1)
        assert ann.sees(DecisionOpened).deadline == pytest.approx(world.clock.now() + 30, abs=1)
        await world.advance(30)
        ann.sees(RoomEnded)


async def test_a_failed_deadline_does_not_push_out_the_next() -> None:
    store = FailingStore()
    async with World(store=store) as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        store.fails_after = True
        await world.advance(300)
        store.fails_after = False
        await world.advance(31)
        ann.sees(RoomEnded)


async def test_who_asked_may_go_away_at_any_moment_without_stopping_it() -> None:
    for flush_queue in range(6):
        store = FailingStore()
        async with World(store=store) as world:
            ann, bob = await world.pair("ann", "bob", lobby="timed")
            asked = _ask(world, ann, "hi")
            for _ in range(flush_queue):
                await asyncio.sleep(0)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            await world.settle()
            told = len(bob.sees_all(MessagePosted))
            stored = await store.messages(ann.room, before=None, after=None, limit=10)
            assert told == len(stored)


async def test_a_conversation_that_is_too_busy_says_so() -> None:
    store = FailingStore()
    async with World(Config(rate_limits=False), store=store) as world:
        ann, _ = await world.pair("ann", "bob", lobby="timed")
        store.gate = asyncio.Event()
        answers: list[object] = []
        for number in range(ASKS_WAITING_MAX + 2):
            world.chat.ask(ann.person, Post(conversation=ann.room, content=f"{number}"), answers.append)
        assert [type(answer) for answer in answers] == [Unavailable]
        store.gate.set()
        await world.settle()
        assert len(answers) == ASKS_WAITING_MAX + 2


async def test_nobody_asks_for_what_only_the_server_may(parley_world: World) -> None:
    ann, _ = await parley_world.pair("ann", "bob")
    for command in (Tick(room=ann.room), Close(room=ann.room, reason=EndReason.MODERATED)):
        assert (await ann.is_refused(command)).code == "not_yours"


async def test_a_room_that_is_not_there_is_refused_as_one_that_is_not_yours(parley_world: World) -> None:
    ann, _ = await parley_world.pair("ann", "bob")
    eve = await parley_world.comes("eve")
    refusals = [await eve.is_refused(Post(conversation=room, content="hi")) for room in (ann.room, "nowhere")]
    assert [str(refusal) for refusal in refusals] == ["Room not found."] * 2


async def test_messages_are_edited_deleted_and_reacted_to(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    message = (await ann.says("hi")).message
    assert message is not None
    edited = (await ann.edits(message, "hey")).message
    assert edited is not None
    assert edited.content == "hey"
    reacted = (await bob.reacts(message, "👍")).message
    assert reacted is not None
    assert reacted.reactions == {"👍": (bob.sees_as(bob),)}
    assert (await bob.unreacts(message, "👍")).message is not None
    deleted = (await ann.deletes(message)).message
    assert deleted is not None
    assert deleted.deleted
    assert (await ann.says("re", reply_to=message.id)).message is not None


async def test_a_message_that_is_not_there_is_refused_as_one_that_is_not_yours(parley_world: World) -> None:
    ann, _ = await parley_world.pair("ann", "bob", lobby="timed")
    eve = await parley_world.comes("eve")
    message = (await ann.says("hi")).message
    assert message is not None
    for unseen in (message, attrs.evolve(message, id="nothing")):
        with pytest.raises(Refused, match="no such message"):
            await eve.edits(unseen, "mine")


async def test_history_is_read_by_pages(parley_world: World) -> None:
    ann, _ = await parley_world.pair("ann", "bob", lobby="timed")
    for number in range(5):
        await ann.says(f"{number}")
    chat, room = parley_world.chat, ann.room
    assert [event.seq for event in await chat.history(ann.person, room, after=2, limit=2)] == [3, 4]
    newest = await chat.messages(ann.person, room, limit=2)
    assert [message.content for message in newest] == ["3", "4"]
    older = await chat.messages(ann.person, room, before=newest[0].seq, limit=2)
    assert [message.content for message in older] == ["1", "2"]
    eve = await parley_world.comes("eve")
    with pytest.raises(Refused):
        await chat.messages(eve.person, room)


async def test_consequences_come_once(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await ann.ends()
    kinds = [notification.kind for notification in bob.sees_all(Notification)]
    assert kinds == [NotificationKind.ROOM_ENDED]


def _ask(
    world: World, actor: Actor, text: str, *, client_id: str | None = None, room: str = ""
) -> "asyncio.Future[Result]":
    post = Post(conversation=room or actor.room, content=text, client_id=client_id)
    return asyncio.ensure_future(world.chat.do(actor.person, post))


async def test_a_reading_that_began_before_the_doubt_does_not_settle_it() -> None:
    class Slow(FailingStore):
        late: asyncio.Event | None = None

        async def load(self, conversation: ConversationId) -> Conversation | None:
            state = await super().load(conversation)
            if self.late is not None:
                await self.late.wait()
            return state

    store = Slow()
    async with World(store=store) as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        late = store.late = asyncio.Event()
        store.fails_before = True
        first = _ask(world, ann, "lost")
        with pytest.raises(Unavailable):
            await first  # its reading is under way, and has seen nothing
        store.late, store.fails_before, store.fails_after = None, False, True
        with pytest.raises(Unavailable):
            await _ask(world, ann, "stored")
        store.fails_after = False
        late.set()
        await world.settle()
        assert bob.sees(MessagePosted).message.content == "stored"
