"""``ports.Store`` and notifications: stored with their events, until deleted."""

import abc
from contextlib import AbstractAsyncContextManager
from random import Random

import attrs

from chat_core.engine.conversations.commit import Commit
from chat_core.model.commands import End, JoinChannel, Keep, Start
from chat_core.model.conversation import Room
from chat_core.model.events import Notification, NotificationKind
from chat_core.model.limits import NOTIFICATIONS_KEPT_MAX
from chat_core.model.person import Person, nobody
from chat_core.ports import Change, Stale, Store
from chat_core.testing.contracts.expect import equal, raises
from chat_core.testing.contracts.stories import Author, Story


class NotificationsContract(abc.ABC):
    """A part of the contract of stores."""

    @abc.abstractmethod
    def store(self) -> AbstractAsyncContextManager[Store]:
        """An empty store, closed at the end."""

    async def test_notices_are_kept_with_the_change_and_come_as_the_room_was_then(self) -> None:
        async with self.store() as store:
            ann, bob, story = _two()
            opening = _inviting(story.opening(), ann, bob, at=story.state.created_at)
            told = list(opening.notifications)
            await store.append(opening)
            for turn in ((ann, Start(room=story.id)), (ann, Keep(room=story.id)), (bob, End(room=story.id))):
                before = _room(story)
                change = story.turn(turn)
                notifications = Commit.of(before, change.events).notifications
                told += [notification for notification in notifications if notification.to == bob.id]
                await store.append(attrs.evolve(change, notifications=notifications))
            equal(list(await store.notifications_of(bob.id)), told)
            kinds = [str(notification.key[2]) for notification in told]
            equal(kinds, ["invited", "countdown_started", "keep_request", "room_ended"])
            equal(list(await store.notifications_of("nobody")), [])

    async def test_mentions_are_kept_as_well_in_rooms_and_channels(self) -> None:
        async with self.store() as store:
            author = Author(Random(0))  # noqa: S311 - the same for the same seed
            ann, bob = author.person("ann"), author.person("bob")
            story = author.channel("general", ann, bob)
            await store.append(story.opening())
            await store.append(story.turn((bob, JoinChannel(name="general"))))
            before = story.state
            change = story.post(ann, "hi @bob")
            notifications = Commit.of(before, change.events).notifications
            await store.append(attrs.evolve(change, notifications=notifications))
            equal([notification.to for notification in notifications], [bob.id])
            equal(tuple(await store.notifications_of(bob.id)), notifications)
            await store.drop_notifications(bob.id, [notifications[0].key])
            equal(list(await store.notifications_of(bob.id)), [])

    async def test_what_was_dropped_is_gone_and_nothing_else(self) -> None:
        async with self.store() as store:
            ann, bob, story = _two()
            await store.append(story.opening())
            before = _room(story)
            change = story.turn((ann, Start(room=story.id)))
            await store.append(
                attrs.evolve(change, notifications=Commit.of(before, change.events).notifications)
            )
            (mine,) = await store.notifications_of(ann.id)
            await store.drop_notifications(ann.id, [mine.key])
            await store.drop_notifications(ann.id, [mine.key])
            await store.drop_notifications("nobody", [mine.key])
            equal(list(await store.notifications_of(ann.id)), [])
            equal(len(await store.notifications_of(bob.id)), 1)

    async def test_a_change_that_is_stale_leaves_no_notice(self) -> None:
        async with self.store() as store:
            ann, bob, story = _two()
            await store.append(story.opening())
            before = _room(story)
            change = story.turn((ann, Start(room=story.id)))
            await store.append(change)
            await raises(
                Stale,
                store.append(
                    attrs.evolve(change, notifications=Commit.of(before, change.events).notifications)
                ),
            )
            equal(list(await store.notifications_of(bob.id)), [])

    async def test_the_newest_hundred_of_a_person_are_kept(self) -> None:
        async with self.store() as store:
            author = Author(Random(0))  # noqa: S311 - the same for the same seed
            ann, bob = author.person("ann"), author.person("bob")
            for n in range(NOTIFICATIONS_KEPT_MAX + 5):
                story = author.room(ann, bob)
                await store.append(_inviting(story.opening(), ann, bob, at=1000.0 + n))
            times = [notification.at for notification in await store.notifications_of(bob.id)]
            equal(times, [1000.0 + n for n in range(5, NOTIFICATIONS_KEPT_MAX + 5)])

    async def test_a_room_that_goes_takes_its_notices_along(self) -> None:
        async with self.store() as store:
            ann, bob, story = _two()
            other = Author(Random(1)).room(ann, bob)  # noqa: S311 - the same for the same seed
            for room in (story, other):
                opening = room.opening()
                await store.append(_inviting(opening, ann, bob, at=room.state.created_at))
            await store.drop(story.id)
            equal([notification.key[0] for notification in await store.notifications_of(bob.id)], [other.id])

    async def test_who_is_forgotten_has_no_notices_and_no_name_in_those_of_others(self) -> None:
        async with self.store() as store:
            ann, bob, story = _two()
            opening = story.opening()
            members = {
                one.id: attrs.evolve(opening.after.members[one.id], card=one.card) for one in (ann, bob)
            }
            named = attrs.evolve(opening, after=attrs.evolve(opening.after, members=members))
            await store.append(_inviting(named, ann, bob, at=story.state.created_at))
            await store.anonymise(story.id, ann.id, nobody(ann.id))
            (notification,) = await store.notifications_of(bob.id)
            equal(notification.sender, nobody(ann.id))
            await store.forget_person(bob.id)
            equal(list(await store.notifications_of(bob.id)), [])


def _two() -> tuple[Person, Person, Story]:
    author = Author(Random(0))  # noqa: S311 - the same for the same seed
    ann, bob = author.person("ann"), author.person("bob")
    return ann, bob, author.room(ann, bob)


def _room(story: Story) -> Room:
    if not isinstance(story.state, Room):
        raise TypeError("a story of a room")
    return story.state


def _inviting(opening: Change, by: Person, other: Person, *, at: float) -> Change:
    room = opening.after
    if not isinstance(room, Room):
        raise TypeError("a story of a room")
    invited = Notification(
        at=at, to=other.id, kind=NotificationKind.INVITED, room=room, sender=room.members[by.id].card
    )
    return attrs.evolve(opening, notifications=(invited,))
