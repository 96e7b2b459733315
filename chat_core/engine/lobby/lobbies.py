"""Lobbies: places in queues, and their outcomes. A person is queued only on request.

Kept out: making a room of a pair (``pairing``).
"""

from collections.abc import Iterator, Mapping, Sequence

import attrs

from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.lobby.pairing import Matchmaking
from chat_core.engine.presence.people import People
from chat_core.engine.results import Done, Placed, Reply, Result
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.commands import Leave, Search
from chat_core.model.conversation import Room, RoomState
from chat_core.model.errors import ChatError, Refused
from chat_core.model.events import Logged, MemberLeft, Waiting
from chat_core.model.ids import ConversationId, LobbyName, PersonId
from chat_core.model.person import Person
from chat_core.ports import Clock, Store
from chat_core.rules.lobby import LobbyRules, Place, WaitingQueue


class Lobbies:
    """All lobbies of this node, by name."""

    def __init__(
        self,
        *,
        rules: Sequence[LobbyRules],
        clock: Clock,
        store: Store,
        conversations: Conversations,
        people: People,
        tasks: Tasks,
        matchmaking: Matchmaking,
    ) -> None:
        self._queues = {lobby.name: WaitingQueue(lobby) for lobby in rules}
        self._clock = clock
        self._store = store
        self._conversations = conversations
        self._people = people
        self._tasks = tasks
        self._matchmaking = matchmaking

    @property
    def queues(self) -> Mapping[LobbyName, WaitingQueue]:
        return self._queues

    def waiting(self, lobby: LobbyName, person: PersonId) -> Placed | None:
        """The person's place in this lobby's queue; None if they are not in it."""
        queue = self._queue(lobby)
        return (
            self._waiting(queue, person) if queue.place(person) in (Place.SEEKING, Place.RESERVED) else None
        )

    def is_seeking(self, person: PersonId) -> bool:
        """Whether the person has a place in a line."""
        return any(queue.place(person) is Place.SEEKING for queue in self._queues.values())

    def placed(self, person: PersonId) -> Placed | None:
        """The line that the person waits in, None when in none."""
        for queue in self._queues.values():
            if queue.place(person) in (Place.SEEKING, Place.RESERVED):
                return self._waiting(queue, person)
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
            queue = self._queue(command.lobby)
            repeated = queue.place(by.id) is Place.IN_ROOM
            if queue.place(by.id) is None:
                if self._matchmaking.is_stopped:
                    raise Refused("wrong_state", "The server is about to restart. Try again soon.")
                blocked = await self._blocked(by)
                if was_here and not self._people.is_here(by.id):
                    raise Refused("wrong_state", "You left before you were added to the queue.")
                if queue.place(by.id) is None:
                    queue.seek(
                        by,
                        interests=command.interests,
                        blocked=blocked,
                        again=command.again,
                        now=self._clock.now(),
                    )
                    self._matchmaking.look(queue)
                    self._tell_waiting(queue, by.id)
            await self._matchmaking.settled(queue, by.id)
            placed = await self._where(queue, by.id)
            reply(attrs.evolve(placed, repeated=True) if repeated and placed.room is not None else placed)
        except ChatError as error:
            reply(error)

    def cancel(self, lobby: LobbyName, by: Person, reply: Reply) -> None:
        """Give the place up. Who is being paired right now is matched all the same."""
        try:
            self._queue(lobby).cancel(by.id)
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

        if room.lobby not in self._queues:
            reply(Refused("wrong_state", "This room was not created by a lobby. Leave it instead."))
        else:
            self._conversations.ask(room.id, Leave(room=room.id), by, left)

    def block(self, one: PersonId, other: PersonId) -> None:
        """The two are never paired from now on, also where a pair is being made of them."""
        for queue in self._queues.values():
            queue.block(one, other)

    def gone(self, person: PersonId) -> None:
        """The person's grace is over: removes them from every queue."""
        for queue in self._queues.values():
            queue.cancel(person)
            queue.forget(person)

    def stop(self) -> None:
        """Stops pairing."""
        self._matchmaking.stop()

    # What rooms mean for places

    def rooms(self) -> Iterator[ConversationId]:
        """The rooms in which a person has a place."""
        for queue in self._queues.values():
            for person, place in queue.people():
                room = queue.room_of(person) if place is Place.IN_ROOM else None
                if room is not None:
                    yield room

    def restored(self, room: Room) -> None:
        """A room from before a restart takes its members' places."""
        queue = self._queues.get(room.lobby)
        if queue is not None and room.holds_place:
            for person in room.present():
                queue.enter(person, room.id)

    def room_changed(self, before: Room, after: Room, events: Sequence[Logged]) -> None:
        """Free the places of a room that was kept or ended, and remember who parted."""
        queue = self._queues.get(after.lobby)
        if queue is None or not before.holds_place or after.holds_place:
            return
        leavers = {event.member for event in events if isinstance(event, MemberLeft)}
        members = tuple(before.present())
        ended_by = events[-1].by if events else None
        for person in members:
            stays = person not in leavers and person != ended_by and after.state is RoomState.ENDED
            left_behind = stays and self._people.is_here(person)  # else nobody would ever ask for the rank
            queue.leave_room(person, after.id, left_behind=left_behind)
        if after.state is RoomState.ENDED and len(members) == 2:
            queue.part(members[0], members[1], now=self._clock.now())

    async def _where(self, queue: WaitingQueue, person: PersonId) -> Placed:
        room_id = queue.room_of(person)
        if room_id is not None:
            room = await self._conversations.state(room_id)
            if isinstance(room, Room):
                return Placed(lobby=queue.rules.name, room=room)
        return self._waiting(queue, person)

    def _waiting(self, queue: WaitingQueue, person: PersonId) -> Placed:
        seeker = queue.seeker(person)
        return Placed(
            lobby=queue.rules.name,
            position=queue.position(person),
            since=None if seeker is None else seeker.since,
        )

    def _tell_waiting(self, queue: WaitingQueue, person: PersonId) -> None:
        seeker = queue.seeker(person)
        if seeker is not None and queue.place(person) is Place.SEEKING:
            self._people.push(
                Waiting(
                    at=seeker.since,
                    to=person,
                    lobby=queue.rules.name,
                    position=queue.position(person),
                    since=seeker.since,
                )
            )

    async def _blocked(self, by: Person) -> frozenset[PersonId]:
        online = self._people.online(by)
        while online.blocked is None:
            changes = online.block_changes
            blocked = await self._store.blocked_with(by.id)
            if online.block_changes == changes:  # else it may have been read too early
                online.blocked = blocked
        return online.blocked

    def _queue(self, lobby: LobbyName) -> WaitingQueue:
        queue = self._queues.get(lobby)
        if queue is None:
            raise Refused("unknown_lobby", "Lobby not found.")
        return queue
