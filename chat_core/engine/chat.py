"""The chat: commands and questions go in here. Built by ``chat_core.compose``.

It puts people, lobbies, conversations, the hub and the alarms together, and
holds what none of them owns: who may read, what a fact entails, start and stop.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar, assert_never

from chat_core.engine.accounts.service import AccountDesk
from chat_core.engine.accounts.sessions import REVOKED
from chat_core.engine.after_commit import Aftermath
from chat_core.engine.conversations.channels import Channels
from chat_core.engine.conversations.ephemeral import Signs
from chat_core.engine.conversations.reading import Reading
from chat_core.engine.conversations.retention import Ages
from chat_core.engine.conversations.rooms import Rooms
from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.delivery.connection import Connection, Sink
from chat_core.engine.delivery.flush_queue import Rounds
from chat_core.engine.delivery.hub import Encoder, Hub
from chat_core.engine.delivery.local_client import Seat
from chat_core.engine.delivery.notifications import Notices
from chat_core.engine.dependencies import Parts
from chat_core.engine.dispatch import Errands
from chat_core.engine.lobby.blocks import Blocks
from chat_core.engine.lobby.lobbies import Lobbies
from chat_core.engine.lobby.pairing_records import Sessions
from chat_core.engine.presence.followers import Attendance
from chat_core.engine.presence.people import Attendee, People
from chat_core.engine.presence.status import Neighbours
from chat_core.engine.results import Position, Reply, Result, Standing, resolving
from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model import commands as c
from chat_core.model.conversation import Conversation, Room, RoomState
from chat_core.model.errors import ChatError, Disconnected, Refused, Unavailable
from chat_core.model.events import Logged
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.limits import HEAL_S, RECOVERY_EVENTS_MAX
from chat_core.model.person import Person, PersonKind, guest
from chat_core.ports import Policy

F = TypeVar("F")

_log = logging.getLogger(__name__)


class Chat:
    """One node of Parley. ``start`` before the first connection, ``stop`` after the last."""

    attendance: Attendance
    _aftermath: Aftermath

    def __init__(self, parts: Parts) -> None:
        clock, store, new_id = self.clock, self.store, self.new_id = parts.clock, parts.store, parts.new_id
        self.tasks = Tasks()
        self.alarms = Alarms(clock)
        self.rounds = Rounds()
        self.hub = Hub(
            flush_s=parts.flush_s, rounds=self.rounds, spawn=self.tasks.spawn, read_after=self._read_after
        )
        self._backplane = parts.backplane
        self._policy = parts.policy
        self._channels_are_open = parts.open_channels
        self.people = People(
            clock=clock,
            alarms=self.alarms,
            resume_s=parts.resume_s,
            messages=parts.messages,
            searches=parts.searches,
            gone=self._gone,
            back=lambda attendee: self.attendance.back(attendee),  # noqa: PLW0108 - made below
        )
        self.conversations = Conversations(
            clock=clock,
            store=store,
            backplane=parts.backplane,
            hub=self.hub,
            tasks=self.tasks,
            alarms=self.alarms,
            new_id=new_id,
            guests_may_post=parts.guests_may_post,
            consequences=lambda *facts: self._aftermath(*facts),  # noqa: PLW0108 - made below
        )
        self._sessions = Sessions(store, self.alarms, clock, self.tasks)
        self.notices = Notices(
            store=store, people=self.people, alarms=self.alarms, clock=clock, tasks=self.tasks
        )
        self.lobbies = Lobbies(
            rules=parts.lobbies,
            matchers=parts.matchers,
            clock=clock,
            chance=parts.chance,
            new_id=new_id,
            store=store,
            conversations=self.conversations,
            people=self.people,
            alarms=self.alarms,
            sessions=self._sessions,
            notices=self.notices,
            tasks=self.tasks,
        )
        self.channels = Channels(clock, store, self.conversations, new_id)
        self._put_together(parts)
        self.accounts = AccountDesk(self, parts.accounts)
        self.listen = parts.backplane.listen  # for counters and bots: what is stored, as it happens
        self._end_listening = parts.backplane.listen(self.conversations.hear)

    def _put_together(self, parts: Parts) -> None:
        """What stands on people, conversations and lobbies."""
        self.reading = Reading(self.store, self.conversations, self.channels, self._passing_rooms)
        self.may_read = self.reading.may_read
        self.conversation = self.reading.conversation
        self.channel = self.reading.channel
        self.history = self.reading.history
        self.messages = self.reading.messages
        self.events_after = self.reading.events_after
        self._rooms = Rooms(
            clock=self.clock,
            store=self.store,
            notices=self.notices,
            conversations=self.conversations,
            new_id=self.new_id,
            rules=parts.rooms_by_hand,
        )
        self.ages = Ages(
            clock=self.clock,
            store=self.store,
            alarms=self.alarms,
            tasks=self.tasks,
            conversations=self.conversations,
            texts_kept_s=parts.texts_kept_s,
        )
        self.attendance = Attendance(self.clock, self.hub, self.peek)
        self.neighbours = Neighbours(
            clock=self.clock,
            tasks=self.tasks,
            peek=self.peek,
            status_of=lambda person: self.accounts.status_of(person),  # noqa: PLW0108 - made below
        )
        signs = Signs(
            self.clock,
            self.store,
            self.hub,
            self.conversations,
            shows_marks=lambda person: self.accounts.shows_read_marks(person),  # noqa: PLW0108 - made below
        )
        logs = (parts.backplane, self.store)
        self._errands = Errands(logs, self.conversations, self.lobbies, signs, readable=self.conversation)
        self._aftermath = Aftermath(
            clock=self.clock,
            alarms=self.alarms,
            people=self.people,
            hub=self.hub,
            lobbies=self.lobbies,
            channels=self.channels,
            conversations=self.conversations,
            sessions=self._sessions,
            notices=self.notices,
        )
        self._blocks = Blocks(
            clock=self.clock,
            store=self.store,
            people=self.people,
            lobbies=self.lobbies,
            conversations=self.conversations,
            standing=self.standing,
            tasks=self.tasks,
        )

    # Life

    async def start(self) -> None:
        """Take up rooms from before, and do what fell due meanwhile. Raises ``Unavailable``."""
        await self.store.close_open_sessions(self.clock.now())
        for room in await self.store.live_rooms():
            self.conversations.adopt(room)
            self.lobbies.restored(room)
            self._aftermath.set_alarm(room)
        await self.accounts.start()
        self.ages.start()
        self._compare_heads()

    async def stop(self) -> None:
        """Finish what was begun, deliver what was told, let go of the store. Pairs nobody any more."""
        self.lobbies.stop()
        self.alarms.stop()
        await self.tasks.finished()
        self.accounts.stop()
        self.hub.stop()
        self._end_listening()
        await self._sessions.finish()
        await self.notices.finish()
        await self._backplane.close()
        await self.store.close()

    async def idle(self) -> None:
        """Wait until nothing is under way: for tests and simulations."""
        while True:
            await self.tasks.finished()
            await asyncio.sleep(0)
            if not self.tasks and not self.hub.is_flushing:
                return

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.spawn(work)

    # People and connections

    def guest(self, display_name: str) -> Person:
        """A new person without an account."""
        return self.person(self.new_id(), display_name, PersonKind.GUEST)

    def person(self, person: PersonId, name: str, kind: PersonKind) -> Person:
        """The person of this id: a guest is called ``name``, a user signs in with it."""
        if kind is PersonKind.GUEST:
            return guest(person, name)
        return Person(id=person, username=name, display_name=name, kind=kind)

    def connect(self, person: Person) -> Seat:
        """A connection for a program: ``async with chat.connect(ann) as a: …``."""
        return Seat(self, person)

    def attach(
        self,
        person: Person,
        encoder: Encoder[F],
        sink: Sink[F],
        *,
        may_return: bool = True,
        autofollow: Callable[[Conversation], bool] | None = None,
        sid: str = "",
    ) -> Connection[F]:
        """A connection for a carrier. Raises ``Disconnected``: 3504 above the limit a person, or 3503.

        ``may_return``: the person can prove later to be the same one, so that a
        drop has its grace. ``sid`` is the session that lets it in: when that ends,
        so does the connection (3503).
        """
        if self.accounts.logins.has_ended(sid):
            raise Disconnected(*REVOKED)
        return Connection(
            self,
            person=person,
            encoder=encoder,
            sink=sink,
            may_return=may_return,
            autofollow=autofollow,
            sid=sid,
        )

    async def revoke(self, sid: str) -> None:
        """End a session: its tokens hold no more, its connections close at once (3503)."""
        await self.accounts.log_out(sid)

    async def revoke_person(self, person: PersonId, *, except_sid: str | None = None) -> None:
        """End every session of the person but one, and all connections that are not of that one."""
        await self.tasks.whole(self.accounts.logins.revoke_person(person, except_sid=except_sid))

    async def standing(self, person: Person) -> Standing:
        """Where the person stands: open rooms, channels, and the line it waits in."""
        listed = await self.store.rooms_of(person.id)
        rooms = [room for room in listed if room.state is not RoomState.ENDED and room.member(person.id)]
        for room_id in self._passing_rooms(person.id):
            room = await self.conversations.state(room_id)
            if isinstance(room, Room) and room.state is not RoomState.ENDED:
                rooms.append(room)
        channels = await self.reading.channels_of(person)
        return Standing(rooms=tuple(rooms), channels=tuple(channels), waiting=self.lobbies.placed(person.id))

    def _passing_rooms(self, person: PersonId) -> tuple[ConversationId, ...]:
        attendee = self.people.get(person)
        return () if attendee is None else tuple(attendee.passing_rooms)

    def heard_before(self, person: PersonId) -> Mapping[ConversationId, Position]:
        """How far the person had heard its conversations when its last connection went."""
        attendee = self.people.get(person)
        return {} if attendee is None else dict(attendee.heard)

    # Commands

    async def do(self, person: Person, command: c.Command) -> Result:
        """Ask, and wait for the result. Raises ``Refused`` or ``Unavailable``.

        Cancelling the wait does not stop the command.
        """
        answered: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        reply = resolving(answered)
        self.ask(person, command, reply)
        return await answered

    def ask(self, person: Person, command: c.Command, reply: Reply) -> None:
        """Ask for something; ``reply`` is called exactly once. Never raises."""
        try:
            if self._policy is not None:
                self._check_policy(self._policy, person, command)
            self._dispatch(person, command, reply)
        except ChatError as error:
            reply(error)

    def _dispatch(self, person: Person, command: c.Command, reply: Reply) -> None:
        match command:
            case c.Post():
                self.people.take_message(person)
                self.conversations.ask(command.conversation, command, person, reply)
            case c.PublishData():
                if not self._channels_are_open:
                    raise Refused("not_member", "Channels take messages of their members only.")
                self.people.take_message(person)
                self.conversations.ask(command.conversation, command, person, reply)
            case c.Start() | c.Keep() | c.Decline() | c.End() | c.Leave():
                self.conversations.ask(command.room, command, person, reply)
            case c.Edit() | c.React():
                self.people.take_message(person)
                self.spawn(self._errands.about_message(command, person, reply))
            case c.Delete() | c.Unreact():
                self.spawn(self._errands.about_message(command, person, reply))
            case c.Search():
                if not command.again:  # who was left did not ask to be
                    self.people.take_search(person)
                self.lobbies.search(command, person, reply)
            case c.CancelSearch(lobby=lobby):
                self.lobbies.cancel(lobby, person, reply)
            case c.Skip():
                self.people.take_search(person)
                self.spawn(self._errands.skip(command, person, reply, self.people.is_here(person.id)))
            case c.CreateChannel():
                self.spawn(self.channels.create(command, person, reply))
            case c.JoinChannel() | c.LeaveChannel() | c.DeleteChannel():
                self.spawn(self.channels.ask(command, person, reply))
            case c.AddMember() | c.RemoveMember() | c.SetRole():
                self.spawn(self.channels.ask(command, person, reply))
            case c.OpenRoom():
                self.people.take_message(person)
                self.spawn(self._rooms.open(command, person, reply))
            case c.MarkRead():
                self.spawn(self._errands.mark_read(command, person, reply))
            case c.Type():
                self._errands.signs.typed(command, person, reply)
            case c.Block() | c.Unblock():
                self._blocks.ask(command, person, reply)
            case c.Close() | c.Tick() | c.Purge():
                raise Refused("not_yours", "Only the server can do that.")
            case _:
                assert_never(command)

    # Questions

    def peek(self, conversation: ConversationId) -> Conversation | None:
        """The conversation as this node knows it, None when it is not loaded."""
        return self.conversations.peek(conversation)

    def visit(self, person: Person, *, seeks: bool = False) -> None:
        """The person asks without a connection: who seeks, or is about to, keeps the place for a while."""
        if seeks or self.lobbies.is_seeking(person.id):
            self.people.visit(person)

    # What connections and people report

    def left(
        self, attendee: Attendee, connection: Connection[Any], heard: Mapping[ConversationId, Position]
    ) -> None:
        """A connection has closed; ``heard`` is how far it had heard what it followed."""
        self.people.leave(attendee, connection)
        self.attendance.dropped(attendee, heard)

    def _gone(self, attendee: Attendee) -> None:
        """The person's grace is over: out of the lines and anonymous pairs, and others hear of it."""
        person = attendee.person
        self.lobbies.gone(person.id)
        for room in tuple(attendee.passing_rooms):
            self.conversations.insist(room, c.Leave(room=room, disconnected=True), person)
        self.attendance.gone(attendee)
        self.neighbours.look(attendee)
        self.accounts.left(person)

    def _compare_heads(self) -> None:
        """Heal the topics that missed a hint; again and again."""
        for topic in self.hub.topics():
            conversation = topic.conversation.id
            state = self.peek(conversation)
            if state is not None:
                self.hub.compare(state)
        if self._backplane.is_shared:
            followed = (topic.conversation.id for topic in self.hub.topics())
            for conversation in dict.fromkeys((*followed, *self.lobbies.rooms())):
                self.spawn(self.conversations.compare(conversation))
        self.alarms.set(("heal", ""), self.clock.now() + HEAL_S, self._compare_heads)

    def _check_policy(self, policy: Policy, person: Person, command: c.Command) -> None:
        try:
            policy(person, command, now=self.clock.now())
        except ChatError:
            raise
        except Exception as error:
            _log.exception("the policy failed")
            raise Unavailable("The server's policy does not answer. Try again.") from error

    async def _read_after(self, conversation: ConversationId, seq: int) -> Sequence[Logged]:
        state = self.peek(conversation)
        if state is None:
            return ()
        return await self.events_after(state, seq, RECOVERY_EVENTS_MAX)
