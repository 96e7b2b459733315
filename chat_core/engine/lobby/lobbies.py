"""Lobbies: pairing in one atomic step. Reserve both, confirm both, store the room, commit.

If the room cannot be stored, both return to the line with their old rank; while
nobody knows whether it was, both stay reserved. The
matcher looks at each arrival and once a second while two or more wait (what
kept them apart may have passed). Nobody is queued who did not ask for it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from random import Random

import attrs

from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.delivery.notifications import Notices
from chat_core.engine.lobby.pairing_records import Sessions
from chat_core.engine.presence.people import People
from chat_core.engine.results import Done, Placed, Reply, Result
from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.commands import Close, Leave, Search
from chat_core.model.conversation import EndReason, Member, Retention, Room, RoomState
from chat_core.model.errors import ChatError, InvariantBroken, Refused
from chat_core.model.events import Logged, Matched, MemberLeft, Notable, Notice, NoticeKind, Waiting
from chat_core.model.ids import ConversationId, LobbyName, PersonId
from chat_core.model.limits import MATCHER_CYCLE_S, RETRY_S
from chat_core.model.person import Person, pseudonym
from chat_core.ports import Clock, Session, Store
from chat_core.rules import room as room_rules
from chat_core.rules.lobby import Line, LobbyRules, Matcher, Pair, Place, Seeker
from chat_core.rules.notifications import found, kept

_log = logging.getLogger(__name__)


class Lobbies:
    """All lobbies of this node, by name."""

    def __init__(
        self,
        *,
        rules: Sequence[LobbyRules],
        matchers: Mapping[LobbyName, Matcher],
        clock: Clock,
        chance: Random,
        new_id: Callable[[], str],
        store: Store,
        conversations: Conversations,
        people: People,
        alarms: Alarms,
        sessions: Sessions,
        notices: Notices,
        tasks: Tasks,
    ) -> None:
        self._lines = {lobby.name: Line(lobby) for lobby in rules}
        self._matchers = matchers
        self._clock = clock
        self._chance = chance
        self._new_id = new_id
        self._store = store
        self._conversations = conversations
        self._people = people
        self._alarms = alarms
        self._sessions = sessions
        self._notices = notices
        self._tasks = tasks
        self._settling: dict[tuple[LobbyName, PersonId], asyncio.Future[None]] = {}
        self._stopped = False

    @property
    def lines(self) -> Mapping[LobbyName, Line]:
        return self._lines

    def waiting(self, lobby: LobbyName, person: PersonId) -> Placed | None:
        """Where the person stands in this lobby's line, None when not in it."""
        line = self._line(lobby)
        return self._waiting(line, person) if line.place(person) in (Place.SEEKING, Place.RESERVED) else None

    def is_seeking(self, person: PersonId) -> bool:
        """Whether the person has a place in a line."""
        return any(line.place(person) is Place.SEEKING for line in self._lines.values())

    def placed(self, person: PersonId) -> Placed | None:
        """The line that the person waits in, None when in none."""
        for line in self._lines.values():
            if line.place(person) in (Place.SEEKING, Place.RESERVED):
                return self._waiting(line, person)
        return None

    # Commands

    def search(self, command: Search, by: Person, reply: Reply, *, was_here: bool | None = None) -> None:
        """Take a place in the line, and answer where it led. Asked twice, the place stays.

        ``was_here``: the person was connected when it asked (None: now), and is
        given no place if it has gone before there is one.
        """
        was_here = self._people.is_here(by.id) if was_here is None else was_here
        self._tasks.spawn(self._search(command, by, reply, was_here))

    async def _search(self, command: Search, by: Person, reply: Reply, was_here: bool) -> None:
        try:
            line = self._line(command.lobby)
            repeated = line.place(by.id) is Place.IN_ROOM
            if line.place(by.id) is None:
                if self._stopped:
                    raise Refused("wrong_state", "The server is about to restart. Try again soon.")
                blocked = await self._blocked(by)
                if was_here and not self._people.is_here(by.id):
                    raise Refused("wrong_state", "You left before there was a place for you.")
                if line.place(by.id) is None:
                    line.seek(
                        by,
                        interests=command.interests,
                        blocked=blocked,
                        again=command.again,
                        now=self._clock.now(),
                    )
                    self.look(line)
                    self._tell_waiting(line, by.id)
            while (settling := self._settling.get((line.rules.name, by.id))) is not None:
                await asyncio.wait([settling])
            placed = await self._where(line, by.id)
            reply(attrs.evolve(placed, repeated=True) if repeated and placed.room is not None else placed)
        except ChatError as error:
            reply(error)

    def cancel(self, lobby: LobbyName, by: Person, reply: Reply) -> None:
        """Give the place up. Who is being paired right now is matched all the same."""
        try:
            self._line(lobby).cancel(by.id)
        except ChatError as error:
            reply(error)
        else:
            reply(Done())

    def skip(self, room: Room, by: Person, reply: Reply, *, was_here: bool) -> None:
        """Leave the room, then search again in its lobby at the end of the line."""

        def left(result: Result | ChatError) -> None:
            if isinstance(result, ChatError):
                reply(result)
            else:
                self.search(Search(lobby=room.lobby), by, reply, was_here=was_here)

        if room.lobby not in self._lines:
            reply(Refused("wrong_state", "No lobby made this room; leave it instead."))
        else:
            self._conversations.ask(room.id, Leave(room=room.id), by, left)

    def block(self, one: PersonId, other: PersonId) -> None:
        """The two are never paired from now on, also where a pair is being made of them."""
        for line in self._lines.values():
            line.block(one, other)

    def gone(self, person: PersonId) -> None:
        """The person's grace is over: out of every line, and nothing is owed."""
        for line in self._lines.values():
            line.cancel(person)
            line.forget(person)

    def stop(self) -> None:
        """Pair nobody from now on."""
        self._stopped = True

    # Pairing

    def look(self, line: Line) -> None:
        """Ask the matcher who talks to whom, and make their rooms."""
        if self._stopped:
            return
        try:
            pairs = line.propose(self._matchers[line.rules.name], self._chance, now=self._clock.now())
        except InvariantBroken:
            _log.exception("the matcher of %s gave an answer that cannot be", line.rules.name)
            pairs = []
        except Exception:
            _log.exception("the matcher of %s failed", line.rules.name)
            pairs = []
        for pair in pairs:
            settled = asyncio.get_running_loop().create_future()
            for seeker in pair:
                self._settling[line.rules.name, seeker.person.id] = settled
            self._tasks.spawn(self._pair(line, pair, settled))
        if len(line) > 1:
            when = self._clock.now() + MATCHER_CYCLE_S
            self._alarms.set(("lobby", line.rules.name), when, lambda: self.look(line))

    async def _pair(self, line: Line, pair: Pair, settled: asyncio.Future[None]) -> None:
        room = self._room(line.rules, pair)
        opening = room_rules.opening(room, now=room.created_at)
        stored: bool | None = False
        try:
            if all(self._people.is_here(seeker.person.id) for seeker in pair):
                stored = await self._store_room(room, opening)
        finally:
            self._conclude(line, pair, room, opening, stored)
            self._settle(line, pair, settled)

    def _conclude(
        self, line: Line, pair: Pair, room: Room, opening: Sequence[Logged], stored: bool | None
    ) -> None:
        """Both are in the room, or both back in the line, or reserved until it is known (None)."""
        if stored is None:
            find_out = partial(self._find_out, line, pair, room, opening)
            when = self._clock.now() + RETRY_S
            self._alarms.set(("doubt", room.id), when, lambda: self._tasks.spawn(find_out()))
        elif stored and self._goes_on(room):
            now_pair = line.reserved(pair)
            line.commit(now_pair, room.id)
            self._matched(line, now_pair, room, opening)
        else:
            self._release(line, pair)

    def _goes_on(self, room: Room) -> bool:
        """False for a room that ended before it was known to be there: a block ends it, say."""
        known = self._conversations.peek(room.id)
        return not isinstance(known, Room) or known.state is not RoomState.ENDED

    async def _find_out(self, line: Line, pair: Pair, room: Room, opening: Sequence[Logged]) -> None:
        self._conclude(line, pair, room, opening, await self._is_there(room))

    def _settle(self, line: Line, pair: Pair, settled: asyncio.Future[None]) -> None:
        """Who waits for the pair's outcome waits no longer."""
        for seeker in pair:
            key = (line.rules.name, seeker.person.id)
            if self._settling.get(key) is settled:  # else another pair is being made of the person already
                del self._settling[key]
        _wake(settled)

    def _room(self, rules: LobbyRules, pair: Pair) -> Room:
        now = self._clock.now()
        return Room(
            id=self._new_id(),
            epoch=self._new_id(),
            retention=rules.retention,
            created_at=now,
            members={seeker.person.id: self._member(rules, seeker, now) for seeker in pair},
            rules=rules.room,
            lobby=rules.name,
        )

    async def _store_room(self, room: Room, opening: Sequence[Logged]) -> bool | None:
        """True once the room is there for good, False when there is none, None while nobody knows.

        A store that fails may have written it all the same: both stay reserved
        until that is known, or else each could be in two rooms.
        """
        try:
            if room.retention is Retention.NONE:
                a, b = room.members
                await self._store.open_session(
                    Session(id=room.id, lobby=room.lobby, user_a=a, user_b=b, started_at=room.created_at)
                )
            await self._conversations.open(room, opening, _first_notices(room, opening))
        except ChatError:
            return await self._is_there(room)
        return True

    async def _is_there(self, room: Room) -> bool | None:
        try:
            is_there = await self._conversations.state(room.id) is not None
        except ChatError:
            return None
        if room.retention is Retention.NONE and not is_there:
            self._sessions.close(room.id, self._clock.now())
        return is_there

    def _member(self, rules: LobbyRules, seeker: Seeker, now: float) -> Member:
        """Where nothing is kept nobody is known: each gets a pseudonym for this room alone."""
        anonymous = rules.retention is Retention.NONE
        card = pseudonym(self._new_id()) if anonymous else seeker.person.card
        return Member(card=card, joined_at=now)

    def _release(self, line: Line, pair: Pair) -> None:
        """Back to the line; who is gone meanwhile leaves it, and others may suit the rest."""
        line.release(pair)
        missing = [s.person.id for s in pair if not self._people.is_here(s.person.id)]
        for person in missing:
            line.cancel(person)
        if missing:
            self.look(line)
        elif len(line) > 1:
            when = self._clock.now() + MATCHER_CYCLE_S
            self._alarms.set(("lobby", line.rules.name), when, lambda: self.look(line))

    def _matched(self, line: Line, pair: Pair, room: Room, opening: Sequence[Logged]) -> None:
        """Both hear of it; what changed while the room was being stored takes effect now."""
        now = self._clock.now()
        after = room_rules.fold(room, opening)
        for seeker in pair:
            person = seeker.person.id
            self._people.tell(Matched(at=now, to=person, lobby=line.rules.name, room=room.id, snapshot=after))
            self._notices.tell(Notice(at=now, to=person, kind=NoticeKind.MATCH_FOUND, room=after))
        self._conversations.begin(room, after, opening)
        a, b = pair
        if b.person.id in a.blocked or a.person.id in b.blocked:
            self._conversations.insist(room.id, Close(room=room.id, reason=EndReason.BLOCKED), None)
        for seeker in pair:
            if not self._people.is_here(seeker.person.id):
                self._conversations.insist(room.id, Leave(room=room.id, disconnected=True), seeker.person)

    # What rooms mean for places

    def rooms(self) -> Iterator[ConversationId]:
        """The rooms in which somebody has a place."""
        for line in self._lines.values():
            for person, place in line.people():
                room = line.room_of(person) if place is Place.IN_ROOM else None
                if room is not None:
                    yield room

    def restored(self, room: Room) -> None:
        """A room from before a restart takes its members' places."""
        line = self._lines.get(room.lobby)
        if line is not None and room.holds_place:
            for person in room.present():
                line.enter(person, room.id)

    def room_changed(self, before: Room, after: Room, events: Sequence[Logged]) -> None:
        """Free the places of a room that was kept or ended, and remember who parted."""
        line = self._lines.get(after.lobby)
        if line is None or not before.holds_place or after.holds_place:
            return
        leavers = {event.member for event in events if isinstance(event, MemberLeft)}
        members = tuple(before.present())
        ended_by = events[-1].by if events else None
        for person in members:
            stays = person not in leavers and person != ended_by and after.state is RoomState.ENDED
            left_behind = stays and self._people.is_here(person)  # else nobody would ever ask for the rank
            line.leave_room(person, after.id, left_behind=left_behind)
        if after.state is RoomState.ENDED and len(members) == 2:
            line.part(members[0], members[1], now=self._clock.now())

    async def _where(self, line: Line, person: PersonId) -> Placed:
        room_id = line.room_of(person)
        if room_id is not None:
            room = await self._conversations.state(room_id)
            if isinstance(room, Room):
                return Placed(lobby=line.rules.name, room=room)
        return self._waiting(line, person)

    def _waiting(self, line: Line, person: PersonId) -> Placed:
        seeker = line.seeker(person)
        return Placed(
            lobby=line.rules.name,
            position=line.position(person),
            since=None if seeker is None else seeker.since,
        )

    def _tell_waiting(self, line: Line, person: PersonId) -> None:
        seeker = line.seeker(person)
        if seeker is not None and line.place(person) is Place.SEEKING:
            self._people.tell(
                Waiting(
                    at=seeker.since,
                    to=person,
                    lobby=line.rules.name,
                    position=line.position(person),
                    since=seeker.since,
                )
            )

    async def _blocked(self, by: Person) -> frozenset[PersonId]:
        attendee = self._people.attendee(by)
        while attendee.blocked is None:
            changes = attendee.block_changes
            blocked = await self._store.blocked_with(by.id)
            if attendee.block_changes == changes:  # else it may have been read too early
                attendee.blocked = blocked
        return attendee.blocked

    def _line(self, lobby: LobbyName) -> Line:
        line = self._lines.get(lobby)
        if line is None:
            raise Refused("unknown_lobby", "There is no such lobby.")
        return line


def _first_notices(room: Room, opening: Sequence[Logged]) -> tuple[Notable, ...]:
    """What is to be kept for the members of a new room until they were told."""
    if room.retention is Retention.NONE:
        return ()
    return found(room_rules.fold(room, opening), room.created_at) + kept(room, opening)


def _wake(doubt: asyncio.Future[None]) -> None:
    if not doubt.done():
        doubt.set_result(None)
