"""Notices are kept until a device was told: across drops, crashes and a store that fails."""

from collections.abc import Sequence

from chat_core import Config, End, Notification, OpenRoom, Start, Unavailable
from chat_core.adapters.memory.store import MemoryStore
from chat_core.model.events import NotificationKey
from chat_core.model.ids import PersonId
from chat_core.model.limits import RETRY_S
from chat_core.testing import Actor, World

CONFIG = Config(rate_limits=False)


class Unwilling(MemoryStore):
    """A store that does not write down what was told, while it will not; and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.will = False
        self.asked = 0

    async def drop_notifications(self, person: PersonId, keys: Sequence[NotificationKey]) -> None:
        self.asked += 1
        if not self.will:
            raise Unavailable("not now")
        await super().drop_notifications(person, keys)


async def two(world: World) -> tuple[Actor, Actor, str]:
    """Ann has made a room with bob."""
    ann, bob = await world.user("ann"), await world.user("bob")
    committed = await ann.does(OpenRoom(other=bob.person))
    return ann, bob, committed.conversation.id  # type: ignore[union-attr]


async def taken(actor: Actor) -> list[str]:
    """What one more device of the person is told first."""
    notifications = await actor.world.chat.notifications.take(actor.connection)
    await actor.world.settle()
    return [str(notification.key[2]) for notification in notifications]


async def test_what_was_told_is_taken_by_nobody_else() -> None:
    async with World(CONFIG) as world:
        _, bob, room = await two(world)
        assert await taken(bob) == ["invited"]
        other = await world.device(bob)
        assert await taken(other) == []
        await bob.does(Start(room=room))
        assert [bob.sees(Notification).kind, other.sees(Notification).kind] == [
            "invited",
            "countdown_started",
        ]
        assert await world.store.notifications_of(bob.id) == []


async def test_two_devices_that_come_at_once_share_what_was_missed() -> None:
    async with World(CONFIG) as world:
        _, bob, _ = await two(world)
        other = await world.device(bob)
        notifications = world.chat.notifications
        first = notifications.take(bob.connection)
        second = notifications.take(other.connection)
        delivered = [await first, await second]
        assert sorted(len(one) for one in delivered) == [0, 1]


async def test_a_device_that_has_gone_meanwhile_was_told_nothing() -> None:
    async with World(CONFIG) as world:
        _, bob, _ = await two(world)
        asked = world.chat.notifications.take(bob.connection)
        bob.drops()
        assert list(await asked) == []
        await bob.returns()
        assert await taken(bob) == ["invited"]


async def test_a_restart_loses_nothing() -> None:
    async with World(CONFIG) as world:
        ann, bob, room = await two(world)
        await ann.does(Start(room=room))
        await world.restart(away_s=400)
        await world.advance(0)  # what fell due meanwhile happens now
        await bob.returns()
        kinds = await taken(bob)
        assert kinds == ["invited", "countdown_started", "decision"]
        await world.advance(31)
        assert bob.sees_all(Notification)[-1].kind == "room_ended"
        await world.restart()
        await bob.returns()
        assert await taken(bob) == []


async def test_after_a_crash_what_was_told_but_not_written_down_comes_twice() -> None:
    store = Unwilling()
    async with World(CONFIG, store=store) as world:
        _, bob, _ = await two(world)
        assert await taken(bob) == ["invited"]
        other = await world.device(bob)
        assert await taken(other) == [], "this node knows that it was told"
        await world.restart()
        await bob.returns()
        assert await taken(bob) == ["invited"]
        store.will = True
        asked = store.asked
        await world.advance(RETRY_S)
        assert store.asked == asked + 1, "it is tried again"
        assert await store.notifications_of(bob.id) == []


async def test_notices_that_nobody_shows_do_not_count_as_told() -> None:
    async with World(CONFIG) as world:
        ann, bob, room = await two(world)
        await ann.does(End(room=room))
        assert len(bob.sees_all(Notification)) == 2
        assert [str(notification.key[2]) for notification in await world.store.notifications_of(bob.id)] == [
            "invited",
            "room_ended",
        ]


async def test_the_timed_lobby_tells_both_and_the_anonymous_one_leaves_no_trace() -> None:
    async with World(CONFIG) as world:
        ann, bob = await world.user("ann"), await world.user("bob")
        await world.match(ann, bob, lobby="timed")
        for actor in (ann, bob):
            kinds = [
                str(notification.key[2]) for notification in await world.store.notifications_of(actor.id)
            ]
            assert kinds == ["match_found", "countdown_started"]
        eve, kim = await world.pair("eve", "kim")
        await kim.skips()
        for actor in (eve, kim):
            assert await world.store.notifications_of(actor.id) == []


async def test_what_a_program_heard_was_told() -> None:
    async with World(CONFIG) as world:
        ann, bob = await world.user("ann"), await world.user("bob")
        async with world.chat.connect(bob.person) as client:
            await ann.does(OpenRoom(other=bob.person))
            assert (await client.next(Notification)).kind == "invited"
        await world.settle()
        assert await world.store.notifications_of(bob.id) == []
