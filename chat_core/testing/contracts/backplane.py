"""The contract of ``ports.Backplane``: that of a log which forgets, and of hints that are handed on."""

import abc
import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Final, TypeAlias

from chat_core.model.commands import Leave
from chat_core.model.conversation import Conversation, Persistence
from chat_core.model.events import Logged
from chat_core.model.limits import EPHEMERAL_EVENTS_MAX, EPHEMERAL_KEPT_S
from chat_core.ports import Backplane, Log
from chat_core.testing.clock import FakeClock
from chat_core.testing.contracts.expect import equal, true
from chat_core.testing.contracts.log import LogContract
from chat_core.testing.contracts.stories import Author, Story

ROUNDS: Final = 20  # of the event loop, in which a hint of this process arrives

Heard: TypeAlias = list[tuple[Conversation, Sequence[Logged]]]


class BackplaneContract(LogContract):
    """Subclass it with ``backplane``, and with ``arrive`` where a hint takes a network's time."""

    retention = Persistence.EPHEMERAL

    @abc.abstractmethod
    def backplane(self, clock: FakeClock) -> AbstractAsyncContextManager[Backplane]:
        """An empty backplane that lives by this clock, closed at the end."""

    def log(self) -> AbstractAsyncContextManager[Log]:
        return self.backplane(FakeClock())

    async def arrive(self) -> None:
        """Wait until what was published has been heard."""
        for _ in range(ROUNDS):
            await asyncio.sleep(0)

    # Hints

    async def test_what_is_published_is_heard_by_every_listener_in_order(self) -> None:
        async with self.backplane(FakeClock()) as backplane:
            one: Heard = []
            other: Heard = []
            backplane.listen(lambda after, events: one.append((after, tuple(events))))
            backplane.listen(lambda after, events: other.append((after, tuple(events))))
            story = _room()
            told: Heard = []
            for n in range(5):
                change = story.post(story.people[0], f"{n}")
                told.append((change.after, tuple(change.events)))
                backplane.publish(change.after, change.events)
            await self.arrive()
            equal(one, told)
            equal(other, told)

    async def test_who_stopped_listening_hears_no_more(self) -> None:
        async with self.backplane(FakeClock()) as backplane:
            heard: Heard = []
            others: Heard = []
            end = backplane.listen(lambda after, events: heard.append((after, events)))
            backplane.listen(lambda after, events: others.append((after, events)))
            end()
            backplane.publish(_room().state, ())
            await self.arrive()
            equal((len(heard), len(others)), (0, 1))

    async def test_every_listener_is_told_also_when_one_stops_meanwhile(self) -> None:
        async with self.backplane(FakeClock()) as backplane:
            heard: Heard = []
            others: Heard = []

            def once(after: Conversation, events: Sequence[Logged]) -> None:
                heard.append((after, events))
                end()

            end = backplane.listen(once)
            backplane.listen(lambda after, events: others.append((after, events)))
            for _ in range(2):
                backplane.publish(_room().state, ())
                await self.arrive()
            equal((len(heard), len(others)), (1, 2))

    async def test_publishing_without_listeners_is_harmless(self) -> None:
        async with self.backplane(FakeClock()) as backplane:
            backplane.publish(_room().state, ())
            await self.arrive()

    async def test_a_hint_writes_nothing(self) -> None:
        async with self.backplane(FakeClock()) as backplane:
            story = _room()
            change = story.post(story.people[0], "only a hint")
            backplane.publish(change.after, change.events)
            await self.arrive()
            equal(await backplane.load(story.id), None)

    # What is kept, and for how long

    async def test_a_long_log_keeps_its_last_hundred_events(self) -> None:
        async with self.backplane(FakeClock()) as backplane:
            story = _room()
            ann = story.people[0]
            await backplane.append(story.opening())
            for n in range(EPHEMERAL_EVENTS_MAX + 7):
                await backplane.append(story.post(ann, f"{n}", client_id=f"{n}"))
            found = await backplane.after(story.id, 0, 1000)
            equal(list(found), list(story.events())[-EPHEMERAL_EVENTS_MAX:], "events")
            messages = await backplane.messages(story.id, before=None, after=None, limit=1000)
            equal(list(messages), list(story.messages())[-EPHEMERAL_EVENTS_MAX:], "messages")
            equal(await backplane.load(story.id), story.state)
            equal(await backplane.message(story.messages()[0].id), None)
            equal(dict(await backplane.posted(story.id, [(ann.id, "0")])), {})

    async def test_an_ended_room_is_forgotten_two_minutes_later(self) -> None:
        clock = FakeClock()
        async with self.backplane(clock) as backplane:
            story, other = _room(1), _room(2)
            for one in (story, other):
                await backplane.append(one.opening())
                await backplane.append(one.post(one.people[0], "hello", client_id="1"))
            said = story.newest().id
            await backplane.append(story.turn((story.people[0], Leave(room=story.id))))
            await clock.advance(EPHEMERAL_KEPT_S - 1)
            true(await backplane.load(story.id), "it is there before")
            await clock.advance(2)
            equal(await backplane.load(story.id), None)
            equal(list(await backplane.after(story.id, 0, 10)), [])
            equal(await backplane.message(said), None)
            equal(dict(await backplane.posted(story.id, [(story.people[0].id, "1")])), {})
            true(await backplane.load(other.id), "another room stays")

    async def test_closing_is_harmless_twice(self) -> None:
        async with self.backplane(FakeClock()) as backplane:
            await backplane.close()
            await backplane.close()


def _room(seed: int = 0) -> Story:
    author = Author(Random(seed))  # noqa: S311 - the same for the same seed
    return author.room(
        author.person("ann"), author.person("bob"), persistence=Persistence.EPHEMERAL, lobby="anonymous"
    )
