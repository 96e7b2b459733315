"""The whole story of two strangers, in sentences."""

from chat_core import Keep, Matched, MessagePosted, Post, Search, open_chat
from chat_core.model.conversation import EndReason, RoomOutcome, RoomState
from chat_core.model.events import (
    DecisionOpened,
    KeepAsked,
    KeepDeclined,
    Notification,
    NotificationKind,
    RoomEnded,
    RoomKept,
)
from chat_core.testing import World


async def test_ten_lines_are_enough_to_embed_it() -> None:
    chat = await open_chat()  # memory store, system clock
    ann, bob = chat.guest("ann"), chat.guest("bob")
    async with chat.connect(ann) as a, chat.connect(bob) as b:
        await a.do(Search(lobby="anonymous"))
        await b.do(Search(lobby="anonymous"))
        matched = await a.next(Matched)
        await a.do(Post(conversation=matched.room, content="hello"))
        assert (await b.next(MessagePosted)).message.content == "hello"
    await chat.stop()


async def test_two_strangers_talk_are_asked_and_keep_the_room(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await ann.says("hi")
    assert bob.sees(MessagePosted).message.content == "hi"
    await parley_world.advance(300)
    assert bob.sees(DecisionOpened).deadline == parley_world.clock.now() + 30
    await ann.keeps()
    assert bob.sees(KeepAsked).member == ann.id
    await bob.keeps()
    assert ann.sees(RoomKept).outcome is RoomOutcome.KEPT
    room = await ann.sees_room()
    assert (room.state, room.deadline) == (RoomState.IDLE, None)
    await ann.says("still here")
    await parley_world.advance(3600)
    assert (await bob.sees_room()).outcome is RoomOutcome.KEPT


async def test_when_one_keeps_and_the_other_says_nothing_the_room_ends(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await ann.keeps()
    await parley_world.advance(330)
    assert bob.sees(RoomEnded).reason is EndReason.NO_RESPONSE
    assert ann.sees(RoomEnded).by is None


async def test_when_nobody_answers_the_room_ends_thirty_seconds_after_the_question(
    parley_world: World,
) -> None:
    ann, _bob = await parley_world.pair("ann", "bob", lobby="timed")
    began = parley_world.clock.now()
    await parley_world.advance(329.9)
    ann.sees_no(RoomEnded)
    await parley_world.advance(0.1)
    assert ann.sees(RoomEnded).at == began + 330


async def test_answers_at_the_instant_of_the_deadline_are_too_late(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await parley_world.advance(300)
    parley_world.clock.set(parley_world.clock.now() + 30)  # the alarm has not rung yet
    refusals = [await someone.is_refused(_keep(someone.room)) for someone in (ann, bob)]
    assert [refusal.code for refusal in refusals] == ["wrong_state", "wrong_state"]
    await parley_world.advance(0)
    assert ann.sees(RoomEnded).reason is EndReason.NO_RESPONSE


async def test_both_may_keep_before_anybody_is_asked(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await ann.keeps()
    assert bob.sees(Notification).kind is NotificationKind.KEEP_REQUEST
    await bob.keeps()
    ann.sees(RoomKept)


async def test_who_declines_lets_the_countdown_go_on(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await ann.keeps()
    await bob.declines()
    ann.sees(KeepDeclined)
    assert (await ann.sees_room()).state is RoomState.COUNTDOWN


async def test_a_kept_room_may_count_down_again(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await ann.keeps()
    await bob.keeps()
    await ann.starts()
    await parley_world.advance(330)
    assert bob.sees(RoomEnded).reason is EndReason.NO_RESPONSE


async def test_ending_a_room_names_nobody(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await ann.ends()
    assert bob.sees(RoomEnded).reason is EndReason.ENDED_BY_MEMBER
    assert (await bob.is_refused(_keep(bob.room))).code == "wrong_state"


async def test_everybody_hears_of_each_step_wherever_they_look(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    bob.unfollows(bob.room)
    await parley_world.advance(300)
    await ann.keeps()
    await bob.keeps()
    kinds = [notification.kind for notification in bob.sees_all(Notification)]
    assert kinds == [NotificationKind.DECISION, NotificationKind.KEEP_REQUEST, NotificationKind.ROOM_KEPT]


def _keep(room: str) -> Keep:
    return Keep(room=room)
