"""The chat: the front of one node. Commands and questions go in here.

``assemble`` builds it of its dependencies. Kept out: everything that a part of its own does.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import attrs

from chat_core.engine.accounts.service import AccountService
from chat_core.engine.after_commit import AfterCommit
from chat_core.engine.conversations.channels import Channels
from chat_core.engine.conversations.reading import Reading
from chat_core.engine.conversations.retention import Retention
from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.delivery.connection import Connection, Sink
from chat_core.engine.delivery.flush_queue import FlushQueue
from chat_core.engine.delivery.hub import Encoder, Hub
from chat_core.engine.delivery.local_client import LocalClient
from chat_core.engine.delivery.notifications import Notifications
from chat_core.engine.disconnects import REVOKED
from chat_core.engine.dispatch import Dispatch
from chat_core.engine.lobby.lobbies import Lobbies
from chat_core.engine.lobby.pairing_records import PairingRecords
from chat_core.engine.presence.followers import Followers
from chat_core.engine.presence.people import People
from chat_core.engine.presence.status import StatusFeed
from chat_core.engine.results import InitialState, Position, Reply, Result, result_of
from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.commands import Command
from chat_core.model.conversation import Channel, Conversation
from chat_core.model.errors import Disconnected
from chat_core.model.events import Logged
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.limits import HEAL_S, OPEN_ROOMS_SHOWN_MAX
from chat_core.model.message import Message
from chat_core.model.person import Person, PersonKind, guest
from chat_core.ports import Backplane, Clock, Hint, Store

F = TypeVar("F")


@attrs.define(eq=False, kw_only=True, repr=False)
class Chat:
    """One node of Parley. ``start`` before the first connection, ``stop`` after the last."""

    clock: Clock
    store: Store
    new_id: Callable[[], str]
    tasks: Tasks
    alarms: Alarms
    flush_queue: FlushQueue
    hub: Hub
    people: People
    followers: Followers
    status_feed: StatusFeed
    notifications: Notifications
    conversations: Conversations
    reading: Reading
    channels: Channels
    retention: Retention
    lobbies: Lobbies
    accounts: AccountService
    _backplane: Backplane
    _dispatch: Dispatch
    _after_commit: AfterCommit
    _pairing_records: PairingRecords
    _end_listening: Callable[[], None]

    # Life

    async def start(self) -> None:
        """Restores live rooms, and handles deadlines that passed meanwhile. Raises ``Unavailable``."""
        await self.store.close_open_pairings(self.clock.now())
        for room in await self.store.live_rooms():
            self.conversations.adopt(room)
            self.lobbies.restored(room)
            self._after_commit.set_alarm(room)
        await self.accounts.start()
        self.retention.start()
        self._compare_heads()

    async def stop(self) -> None:
        """Finishes pending work, delivers pending events, closes the store. Stops pairing."""
        self.lobbies.stop()
        self.alarms.stop()
        await self.tasks.finished()
        self.accounts.stop()
        self.hub.stop()
        self._end_listening()
        await self._pairing_records.finish()
        await self.notifications.finish()
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

    def listen(self, hint: Hint) -> Callable[[], None]:
        """Call it with all that is stored, as it happens: for counters and bots. Returns what ends it."""
        return self._backplane.listen(hint)

    # People and connections

    def guest(self, display_name: str) -> Person:
        """A new person without an account."""
        return self.person(self.new_id(), display_name, PersonKind.GUEST)

    def person(self, person: PersonId, name: str, kind: PersonKind) -> Person:
        """The person of this id: a guest is called ``name``, a user signs in with it."""
        if kind is PersonKind.GUEST:
            return guest(person, name)
        return Person(id=person, username=name, display_name=name, kind=kind)

    def connect(self, person: Person) -> LocalClient:
        """A connection for a program: ``async with chat.connect(ann) as a: …``."""
        return LocalClient(self, person)

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
        """A connection for a transport. Raises ``Disconnected``: 3504 above the limit per person, or 3503.

        ``may_return``: the person can prove later to be the same one, so that a
        drop has its grace. ``sid`` is the session that lets it in: when that ends,
        so does the connection (3503).
        """
        if self.has_ended(sid):
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

    def has_ended(self, sid: str) -> bool:
        """Whether this session is known to have ended."""
        return self.accounts.sessions.has_ended(sid)

    async def revoke(self, sid: str) -> None:
        """End a session: its tokens are invalid, its connections close at once (3503)."""
        await self.accounts.log_out(sid)

    async def revoke_person(self, person: PersonId, *, except_sid: str | None = None) -> None:
        """End every session of the person but one, and all connections that are not of that one."""
        await self.tasks.whole(self.accounts.sessions.revoke_person(person, except_sid=except_sid))

    def visit(self, person: Person, *, seeks: bool = False) -> None:
        """The person asks without a connection: who seeks, or is about to, keeps the place for a while."""
        if seeks or self.lobbies.is_seeking(person.id):
            self.people.visit(person)

    # Commands

    async def do(self, person: Person, command: Command) -> Result:
        """Ask, and wait for the result. Raises ``Refused`` or ``Unavailable``.

        Cancelling the wait does not stop the command.
        """
        return await result_of(partial(self._dispatch.ask, person, command))

    def ask(self, person: Person, command: Command, reply: Reply) -> None:
        """Ask for something; ``reply`` is called exactly once. Never raises."""
        self._dispatch.ask(person, command, reply)

    # Queries

    async def initial_state(self, person: Person) -> InitialState:
        """The person's initial state: open rooms, channels, and the queue they wait in."""
        rooms = (await self.reading.open_rooms(person))[:OPEN_ROOMS_SHOWN_MAX]
        channels = await self.reading.channels_of(person)
        return InitialState(
            rooms=tuple(rooms), channels=tuple(channels), waiting=self.lobbies.placed(person.id)
        )

    def last_positions(self, person: PersonId) -> Mapping[ConversationId, Position]:
        """The person's last positions in conversations when their last connection ended."""
        online = self.people.get(person)
        return {} if online is None else dict(online.last_positions)

    def peek(self, conversation: ConversationId) -> Conversation | None:
        """The conversation as this node knows it, None when it is not loaded."""
        return self.conversations.peek(conversation)

    def may_read(self, person: PersonId, conversation: Conversation) -> bool:
        """Members read; a public channel is read by anybody."""
        return self.reading.may_read(person, conversation)

    async def conversation(self, person: Person, conversation: ConversationId) -> Conversation:
        """A conversation that the person may read. Refuses the rest, all alike."""
        return await self.reading.conversation(person, conversation)

    async def channel(self, person: Person, name: str) -> Channel:
        """The channel of this name, if the person may read it. Refuses the rest, all alike."""
        return await self.reading.channel(person, name)

    async def history(
        self, person: Person, conversation: ConversationId, *, after: int, limit: int
    ) -> Sequence[Logged]:
        """The first ``limit`` events after a seq, oldest first."""
        return await self.reading.history(person, conversation, after=after, limit=limit)

    async def messages(
        self,
        person: Person,
        conversation: ConversationId,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = 50,
    ) -> Sequence[Message]:
        """A page of messages, oldest first: the last below ``before``, or the first above ``after``."""
        return await self.reading.messages(person, conversation, before=before, after=after, limit=limit)

    # Again and again

    def _compare_heads(self) -> None:
        """Heal the topics that missed a hint."""
        for topic in self.hub.topics():
            conversation = topic.conversation.id
            state = self.peek(conversation)
            if state is not None:
                self.hub.catch_up(state)
        if self._backplane.is_shared:
            followed = (topic.conversation.id for topic in self.hub.topics())
            for conversation in dict.fromkeys((*followed, *self.lobbies.rooms())):
                self.spawn(self.conversations.catch_up(conversation))
        self.alarms.set(("heal", ""), self.clock.now() + HEAL_S, self._compare_heads)
