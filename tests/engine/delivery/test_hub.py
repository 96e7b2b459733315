"""The hub by itself: one joined piece a flush, own copies, holes, holds, and what cannot be healed."""

import asyncio
from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

import attrs
import pytest

from chat_core.engine.delivery.flush_queue import FlushQueue
from chat_core.engine.delivery.hub import Encoder, Hub
from chat_core.engine.delivery.local_client import EventsAsTheyAre
from chat_core.model.conversation import Conversation, Persistence, Room, RoomRules
from chat_core.model.errors import Unavailable
from chat_core.model.events import Event, Logged, OwnerChanged, PresenceChanged, PresenceStatus
from chat_core.model.ids import ConversationId
from chat_core.model.limits import HOLD_EVENTS_MAX
from chat_core.model.person import Card, Person

Texts: TypeAlias = tuple[str, ...]

CARD = Card(id="p", username="p", display_name="P")


class OwnCopies:
    """An encoder whose frames differ for who caused the event; of presence it tells nothing."""

    def encode(self, event: Event, conversation: Conversation) -> tuple[Texts | None, Texts | None]:
        if isinstance(event, PresenceChanged):
            return None, None
        seq = event.seq if isinstance(event, Logged) else 0
        return (f"own {seq}",), (None if seq == 3 else (f"other {seq}",))

    def join(self, frames: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
        return tuple(one for frame in frames for one in frame)


class Broken(EventsAsTheyAre):
    def encode(self, event: Event, conversation: Conversation) -> NoReturn:
        raise ValueError


class Recorder:
    def __init__(self, name: str, encoder: Encoder[Any]) -> None:
        self.person = Person(id=name, username=name, display_name=name)
        self.encoder = encoder
        self.last_positions: list[object] = []
        self.pieces = 0
        self.lost_it: list[bool] = []

    def deliver(self, frames: Sequence[object]) -> None:
        self.pieces += 1
        self.last_positions.extend(frames)

    def unsubscribed(self, conversation: ConversationId, *, recoverable: bool) -> None:
        self.lost_it.append(recoverable)


@attrs.define
class Stand:
    """A hub, a room and its log."""

    hub: Hub
    room: Room
    log: list[Logged]
    tasks: list[asyncio.Task[None]]
    fails: bool = False

    def happens(self, count: int = 1, *, by: str | None = None) -> list[Logged]:
        new: list[Logged] = []
        for _ in range(count):
            seq = self.room.head + 1
            self.room = attrs.evolve(self.room, head=seq)
            new.append(OwnerChanged(conversation="c", seq=seq, at=1.0, by=by, owner="p", person=CARD))
        self.log.extend(new)
        return new

    async def finish(self) -> None:
        while self.tasks:
            await self.tasks.pop()
        await asyncio.sleep(0)


@pytest.fixture
def stand() -> Stand:
    return new_stand()


def new_stand(*, flush_s: float = 0.0) -> Stand:
    async def read_after(conversation: Conversation, seq: int) -> Sequence[Logged]:
        await asyncio.sleep(0)
        if made.fails:
            raise Unavailable("no reading")
        return [event for event in made.log if event.seq > seq][:3]

    room = Room(
        id="c",
        epoch="e",
        persistence=Persistence.EPHEMERAL,
        created_at=0.0,
        rules=RoomRules(countdown_s=None, notification_s=1.0),
    )
    hub = Hub(
        flush_s=flush_s,
        flush_queue=FlushQueue(),
        spawn=lambda work: made.tasks.append(asyncio.get_running_loop().create_task(work)),
        read_after=read_after,
    )
    made = Stand(hub, room, [], [])
    return made


async def test_what_is_told_together_arrives_as_one_piece(stand: Stand) -> None:
    ear = Recorder("ann", EventsAsTheyAre())
    stand.hub.attach(ear, stand.room)
    events = stand.happens(3)
    stand.hub.broadcast(stand.room, events)
    assert ear.last_positions == []
    stand.hub.flush_soon("c")
    stand.hub.flush_soon("c")
    await asyncio.sleep(0)
    assert (ear.last_positions, ear.pieces) == (events, 1)


async def test_who_caused_it_gets_its_own_copy(stand: Stand) -> None:
    encoder = OwnCopies()
    ann, bob = Recorder("ann", encoder), Recorder("bob", encoder)
    for ear in (ann, bob):
        stand.hub.attach(ear, stand.room)
    stand.hub.broadcast(stand.room, stand.happens(1, by="ann"))
    stand.hub.broadcast(stand.room, stand.happens(2, by="bob"))
    stand.hub.broadcast_ephemeral(
        PresenceChanged(at=1.0, by="ann", conversation="c", person=CARD, status=PresenceStatus.ONLINE)
    )
    stand.hub.flush("c")
    assert ann.last_positions == ["own 1", "other 2"]
    assert bob.last_positions == ["other 1", "own 2", "own 3"]


async def test_what_comes_twice_is_passed_over_and_a_hole_is_healed(stand: Stand) -> None:
    ear = Recorder("ann", EventsAsTheyAre())
    stand.hub.attach(ear, stand.room)
    missed = stand.happens(7)
    stand.hub.broadcast(stand.room, missed[:1])
    stand.hub.broadcast(stand.room, missed[:1])
    stand.hub.broadcast(stand.room, missed[6:])
    newest = stand.happens()
    stand.hub.broadcast(stand.room, newest)
    await stand.finish()
    assert ear.last_positions == stand.log


async def test_a_hole_is_healed_later_when_the_log_does_not_answer(stand: Stand) -> None:
    ear = Recorder("ann", EventsAsTheyAre())
    stand.hub.attach(ear, stand.room)
    stand.happens(2)
    stand.fails = True
    stand.hub.catch_up(stand.room)
    await stand.finish()
    assert ear.last_positions == []
    stand.fails = False
    stand.hub.catch_up(stand.room)
    stand.hub.catch_up(stand.room)
    await stand.finish()
    assert ear.last_positions == stand.log


async def test_what_the_log_no_longer_has_is_admitted(stand: Stand) -> None:
    ear, held = Recorder("ann", EventsAsTheyAre()), Recorder("bob", EventsAsTheyAre())
    stand.hub.attach(ear, stand.room)
    stand.hub.attach(held, stand.room, hold=True)
    events = stand.happens(6)
    stand.hub.broadcast(stand.room, events[:1])
    del stand.log[:4]
    stand.hub.catch_up(stand.room)
    await stand.finish()
    assert ear.last_positions == events[:1]
    assert ear.lost_it == held.lost_it == [True]
    assert not stand.hub.topics()
    stand.hub.release(held, "c")
    assert held.last_positions == []


async def test_what_comes_while_the_history_is_read_is_held(stand: Stand) -> None:
    ear = Recorder("ann", EventsAsTheyAre())
    assert stand.hub.attach(ear, stand.room, hold=True) == 0
    first = stand.happens()
    stand.hub.broadcast(stand.room, first)
    stand.hub.flush("c")
    assert ear.last_positions == []
    stand.hub.release(ear, "c")
    second = stand.happens()
    stand.hub.broadcast(stand.room, second)
    stand.hub.flush("c")
    assert ear.last_positions == first + second
    assert stand.hub.attach(ear, stand.room, hold=True) == 2
    stand.hub.release(ear, "c")


async def test_who_is_held_too_long_loses_track(stand: Stand) -> None:
    ear = Recorder("ann", EventsAsTheyAre())
    stand.hub.attach(ear, stand.room, hold=True)
    stand.hub.broadcast(stand.room, stand.happens(HOLD_EVENTS_MAX + 5))
    stand.hub.release(ear, "c")
    assert ear.lost_it == [True]
    assert "c" not in stand.hub


async def test_who_leaves_hears_first_what_was_told(stand: Stand) -> None:
    ear, other = Recorder("ann", EventsAsTheyAre()), Recorder("bob", EventsAsTheyAre())
    stand.hub.attach(ear, stand.room)
    stand.hub.attach(other, stand.room, hold=True)
    events = stand.happens()
    stand.hub.broadcast(stand.room, events)
    stand.hub.flush_soon("c")
    assert stand.hub.detach(ear, "c") is not None
    assert stand.hub.detach(ear, "c") is None
    assert ear.last_positions == events
    assert stand.hub.listeners("c") == (other,)
    stand.hub.detach(other, "c")
    assert "c" not in stand.hub
    assert stand.hub.detach(other, "c") is None
    assert stand.hub.listeners("c") == ()


async def test_where_nobody_follows_nothing_happens(stand: Stand) -> None:
    stand.hub.broadcast(stand.room, stand.happens())
    stand.hub.broadcast_ephemeral(
        PresenceChanged(at=1.0, conversation="c", person=CARD, status=PresenceStatus.ONLINE)
    )
    stand.hub.flush_soon("c")
    stand.hub.flush("c")
    stand.hub.catch_up(stand.room)
    stand.hub.drop("c")
    assert not stand.hub.is_flushing


async def test_an_encoder_that_fails_hurts_only_its_own(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    ear, deaf = Recorder("ann", EventsAsTheyAre()), Recorder("bob", Broken())
    stand.hub.attach(ear, stand.room)
    stand.hub.attach(deaf, stand.room)
    stand.hub.broadcast(stand.room, stand.happens())
    stand.hub.stop()
    assert (ear.pieces, deaf.pieces) == (1, 0)
    assert "event_encoding_failed" in caplog.text
    assert not stand.hub.topics()


async def test_a_connection_that_ends_when_it_hears_leaves_the_rest_in_order(stand: Stand) -> None:
    class Slow(Recorder):
        def deliver(self, frames: Sequence[object]) -> None:
            super().deliver(frames)
            stand.hub.detach(self, "c")
            stand.hub.broadcast_ephemeral(
                PresenceChanged(at=1.0, conversation="c", person=CARD, status=PresenceStatus.OFFLINE)
            )

    encoder = EventsAsTheyAre()
    slow, ear = Slow("ann", encoder), Recorder("bob", encoder)
    for each in (slow, ear):
        stand.hub.attach(each, stand.room)
    events = stand.happens()
    stand.hub.broadcast(stand.room, events)
    late = Recorder("cid", encoder)
    stand.hub.attach(late, stand.room)
    await stand.finish()
    assert ear.last_positions[0] is events[0]
    assert isinstance(ear.last_positions[1], PresenceChanged)
    assert slow.last_positions == events
    assert late.last_positions == []


async def test_in_a_large_topic_events_wait_for_company() -> None:
    stand = new_stand(flush_s=0.01)
    encoder = EventsAsTheyAre()
    ears = [Recorder(str(number), encoder) for number in range(6)]
    for ear in ears:
        stand.hub.attach(ear, stand.room)
    stand.hub.broadcast(stand.room, stand.happens())
    stand.hub.flush_soon("c")
    await asyncio.sleep(0)
    assert ears[0].pieces == 1  # quiet until now: at once
    for _ in range(3):
        stand.hub.broadcast(stand.room, stand.happens())
        stand.hub.flush_soon("c")
    await asyncio.sleep(0)
    assert ears[0].pieces == 1
    assert stand.hub.is_flushing
    stand.hub.flush("c")
    assert (ears[0].pieces, len(ears[0].last_positions)) == (2, 4)
