"""Pairing in one atomic step. Reserve both, confirm both, store the room, commit.

If the room cannot be stored, both return to the line with their old rank; while
nobody knows whether it was, both stay reserved. The matcher looks at each arrival
and once a second while two or more wait (what kept them apart may have passed).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from random import Random

from chat_core.engine.conversations.commit import Commit
from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.delivery.notifications import Notifications
from chat_core.engine.lobby.pairing_records import PairingRecords
from chat_core.engine.presence.people import People
from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.commands import Close, Leave
from chat_core.model.conversation import EndReason, Member, Persistence, Room, RoomState
from chat_core.model.errors import ChatError, InvariantBroken
from chat_core.model.events import Matched, Notification, NotificationKind
from chat_core.model.ids import LobbyName, PersonId
from chat_core.model.limits import MATCHER_CYCLE_S, RETRY_S
from chat_core.model.person import pseudonym
from chat_core.ports import Clock, Pairing, Store
from chat_core.rules import room as room_rules
from chat_core.rules.lobby import LobbyRules, Matcher, Pair, Seeker, WaitingQueue
from chat_core.rules.notifications import found

_log = logging.getLogger(__name__)


class Matchmaking:
    """Makes a room for each pair that a lobby's matcher proposes."""

    def __init__(
        self,
        *,
        matchers: Mapping[LobbyName, Matcher],
        clock: Clock,
        rng: Random,
        new_id: Callable[[], str],
        store: Store,
        conversations: Conversations,
        people: People,
        alarms: Alarms,
        pairing_records: PairingRecords,
        notifications: Notifications,
        tasks: Tasks,
    ) -> None:
        self._matchers = matchers
        self._clock = clock
        self._rng = rng
        self._new_id = new_id
        self._store = store
        self._conversations = conversations
        self._people = people
        self._alarms = alarms
        self._pairing_records = pairing_records
        self._notifications = notifications
        self._tasks = tasks
        self._settling: dict[tuple[LobbyName, PersonId], asyncio.Future[None]] = {}
        self._stopped = False

    @property
    def is_stopped(self) -> bool:
        return self._stopped

    def stop(self) -> None:
        """Stops pairing."""
        self._stopped = True

    async def settled(self, queue: WaitingQueue, person: PersonId) -> None:
        """Wait until no pair is being made of the person."""
        while (settling := self._settling.get((queue.rules.name, person))) is not None:
            await asyncio.wait([settling])

    def look(self, queue: WaitingQueue) -> None:
        """Ask the matcher who talks to whom, and make their rooms."""
        if self._stopped:
            return
        try:
            pairs = queue.propose(self._matchers[queue.rules.name], self._rng, now=self._clock.now())
        except InvariantBroken:
            _log.exception("matcher_returned_invalid_pairing: %s", queue.rules.name)
            pairs = []
        except Exception:
            _log.exception("matcher_failed: %s", queue.rules.name)
            pairs = []
        for pair in pairs:
            settled = asyncio.get_running_loop().create_future()
            for seeker in pair:
                self._settling[queue.rules.name, seeker.person.id] = settled
            self._tasks.spawn(self._pair(queue, pair, settled))
        if len(queue) > 1:
            when = self._clock.now() + MATCHER_CYCLE_S
            self._alarms.set(("lobby", queue.rules.name), when, lambda: self.look(queue))

    async def _pair(self, queue: WaitingQueue, pair: Pair, settled: asyncio.Future[None]) -> None:
        room = self._room(queue.rules, pair)
        commit = Commit.of(room, room_rules.opening(room, now=room.created_at))
        stored: bool | None = False
        try:
            if all(self._people.is_here(seeker.person.id) for seeker in pair):
                stored = await self._store_room(room, commit)
        finally:
            self._conclude(queue, pair, room, commit, stored)
            self._settle(queue, pair, settled)

    def _conclude(
        self, queue: WaitingQueue, pair: Pair, room: Room, commit: Commit, stored: bool | None
    ) -> None:
        """Both are in the room, or both back in the line, or reserved until it is known (None)."""
        if stored is None:
            find_out = partial(self._find_out, queue, pair, room, commit)
            when = self._clock.now() + RETRY_S
            self._alarms.set(("doubt", room.id), when, lambda: self._tasks.spawn(find_out()))
        elif stored and self._goes_on(room):
            now_pair = queue.reserved(pair)
            queue.commit(now_pair, room.id)
            self._matched(queue, now_pair, room, commit)
        else:
            self._release(queue, pair)

    def _goes_on(self, room: Room) -> bool:
        """False for a room that ended before it was known to be there: a block ends it, say."""
        known = self._conversations.peek(room.id)
        return not isinstance(known, Room) or known.state is not RoomState.ENDED

    async def _find_out(self, queue: WaitingQueue, pair: Pair, room: Room, commit: Commit) -> None:
        self._conclude(queue, pair, room, commit, await self._is_there(room))

    def _settle(self, queue: WaitingQueue, pair: Pair, settled: asyncio.Future[None]) -> None:
        """Wakes the callers that wait for the outcome of the pair."""
        for seeker in pair:
            key = (queue.rules.name, seeker.person.id)
            if self._settling.get(key) is settled:  # else another pair is being made of the person already
                del self._settling[key]
        _wake(settled)

    def _room(self, rules: LobbyRules, pair: Pair) -> Room:
        now = self._clock.now()
        return Room(
            id=self._new_id(),
            epoch=self._new_id(),
            persistence=rules.persistence,
            created_at=now,
            members={seeker.person.id: self._member(rules, seeker, now) for seeker in pair},
            rules=rules.room,
            lobby=rules.name,
        )

    async def _store_room(self, room: Room, commit: Commit) -> bool | None:
        """True if the room is stored, False if not, None while that is unknown.

        A store that fails may have written it all the same: both stay reserved
        until that is known, or else each could be in two rooms.
        """
        try:
            if room.persistence is Persistence.EPHEMERAL:
                a, b = room.members
                await self._store.open_pairing(
                    Pairing(id=room.id, lobby=room.lobby, user_a=a, user_b=b, started_at=room.created_at)
                )
            await self._conversations.open(commit, _first_notifications(commit))
        except ChatError:
            return await self._is_there(room)
        return True

    async def _is_there(self, room: Room) -> bool | None:
        try:
            is_there = await self._conversations.state(room.id) is not None
        except ChatError:
            return None
        if room.persistence is Persistence.EPHEMERAL and not is_there:
            self._pairing_records.close(room.id, self._clock.now())
        return is_there

    def _member(self, rules: LobbyRules, seeker: Seeker, now: float) -> Member:
        """In an anonymous room each member gets a pseudonym for this room alone."""
        anonymous = rules.persistence is Persistence.EPHEMERAL
        card = pseudonym(self._new_id()) if anonymous else seeker.person.card
        return Member(card=card, joined_at=now)

    def _release(self, queue: WaitingQueue, pair: Pair) -> None:
        """Returns both to the queue; removes those who are gone, and matches the rest again."""
        queue.release(pair)
        missing = [s.person.id for s in pair if not self._people.is_here(s.person.id)]
        for person in missing:
            queue.cancel(person)
        if missing:
            self.look(queue)
        elif len(queue) > 1:
            when = self._clock.now() + MATCHER_CYCLE_S
            self._alarms.set(("lobby", queue.rules.name), when, lambda: self.look(queue))

    def _matched(self, queue: WaitingQueue, pair: Pair, room: Room, commit: Commit) -> None:
        """Notifies both; changes during the storing of the room take effect now."""
        now = self._clock.now()
        after = _room_after(commit)
        for seeker in pair:
            person = seeker.person.id
            self._people.push(
                Matched(at=now, to=person, lobby=queue.rules.name, room=room.id, snapshot=after)
            )
            self._notifications.notify(
                Notification(at=now, to=person, kind=NotificationKind.MATCH_FOUND, room=after)
            )
        self._conversations.begin(commit)
        a, b = pair
        if b.person.id in a.blocked or a.person.id in b.blocked:
            self._conversations.ask_with_retry(room.id, Close(room=room.id, reason=EndReason.BLOCKED), None)
        for seeker in pair:
            if not self._people.is_here(seeker.person.id):
                self._conversations.ask_with_retry(
                    room.id, Leave(room=room.id, disconnected=True), seeker.person
                )


def _first_notifications(commit: Commit) -> tuple[Notification, ...]:
    """The notifications to keep for the members of a new room until they are delivered."""
    room = _room_after(commit)
    return () if room.persistence is Persistence.EPHEMERAL else found(room, room.created_at)


def _room_after(commit: Commit) -> Room:
    if not isinstance(commit.after, Room):
        raise InvariantBroken("a room became something else")
    return commit.after


def _wake(doubt: asyncio.Future[None]) -> None:
    if not doubt.done():
        doubt.set_result(None)
