"""People for tests: they act, and they see. ``await ann.says("hi")``, ``bob.sees(MessagePosted)``."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from chat_core.compose import Config
from chat_core.engine.chat import Chat
from chat_core.engine.delivery.connection import Connection
from chat_core.engine.delivery.local_client import EventsAsTheyAre
from chat_core.engine.results import Committed, Placed, Position, Recovery, Result, result_of
from chat_core.model import commands as c
from chat_core.model.conversation import Channel, Conversation, Room
from chat_core.model.errors import ChatError, Disconnected, Refused
from chat_core.model.events import Event, Matched, Personal
from chat_core.model.ids import ConversationId, LobbyName, MessageId, PersonId
from chat_core.model.message import Message
from chat_core.model.person import Person

E = TypeVar("E", bound=Event)

_ENCODER = EventsAsTheyAre()


class Surroundings(Protocol):
    """The part of a ``World`` that a person acts in."""

    @property
    def chat(self) -> Chat: ...

    @property
    def config(self) -> Config: ...

    async def advance(self, seconds: float) -> None:
        """Move on, stopping at each alarm until its work is done."""

    async def settle(self) -> None:
        """Let finish what is under way, without moving the time."""


class NotSeen(AssertionError):
    """A person did not see what it was expected to see, or saw what it was not."""


class Actor:
    """A person with one connection. Made by ``World``; a second device is a second actor.

    What the person does waits until everything that follows from it has
    happened. ``room`` is the room that a lobby paired the person into last.
    """

    def __init__(self, world: Surroundings, person: Person, *, may_return: bool = True) -> None:
        self.world = world
        self.person = person
        self.may_return = may_return
        self.room: ConversationId = ""
        self.ended: Disconnected | None = None
        self.lost_track_of: list[ConversationId] = []
        self._connection: Connection[tuple[Event, ...]] | None = None
        self._unread: list[Event] = []

    def __repr__(self) -> str:
        return self.person.display_name

    @property
    def id(self) -> PersonId:
        return self.person.id

    @property
    def is_connected(self) -> bool:
        return self._connection is not None and self._connection.is_open

    @property
    def connection(self) -> Connection[tuple[Event, ...]]:
        """The open connection. Raises ``Disconnected`` when there is none."""
        if self._connection is None or not self._connection.is_open:
            raise self.ended or Disconnected(1000, "not connected")
        return self._connection

    # Coming and going

    async def comes(self) -> None:
        """Connect, follow every room and channel of the person, and see what was missed within the grace."""
        heard = self.world.chat.last_positions(self.id)
        self.ended = None
        self._connection = self.world.chat.attach(
            self.person, _ENCODER, self, may_return=self.may_return, autofollow=lambda _: True
        )
        initial_state = await self.world.chat.initial_state(self.person)
        for conversation in (*initial_state.rooms, *initial_state.channels):
            await self.follows(conversation.id, heard.get(conversation.id))
        await self.world.settle()

    returns = comes

    def drops(self) -> None:
        """The connection goes; whether for good, the person does not know yet."""
        if self._connection is not None:
            self._connection.close()

    async def goes(self) -> None:
        """Drop, and stay away until the grace is over."""
        self.drops()
        await self.world.advance(self.world.config.resume_s)

    # Doing

    async def does(self, command: c.Command) -> Result:
        """Ask for anything. Raises ``Refused`` or ``Unavailable``."""
        try:
            return await self.world.chat.do(self.person, command)
        finally:
            await self.world.settle()

    async def is_refused(self, command: c.Command) -> Refused:
        """Ask for what may not be; returns the refusal. Raises ``NotSeen`` where it was allowed."""
        try:
            result = await self.does(command)
        except Refused as refusal:
            return refusal
        raise NotSeen(f"{self} was allowed {command}: {result}")

    async def searches(self, lobby: LobbyName = "anonymous", *interests: str, again: bool = False) -> Placed:
        return _placed(await self.does(c.Search(lobby=lobby, interests=interests, again=again)))

    async def cancels(self, lobby: LobbyName = "anonymous") -> None:
        await self.does(c.CancelSearch(lobby=lobby))

    async def skips(self) -> Placed:
        return _placed(await self.does(c.Skip(room=self.room)))

    async def says(
        self,
        content: str,
        *,
        to: ConversationId | None = None,
        client_id: str | None = None,
        reply_to: MessageId | None = None,
    ) -> Committed:
        """Post to the room, or ``to`` another conversation."""
        return _committed(
            await self.does(
                c.Post(conversation=to or self.room, content=content, client_id=client_id, reply_to=reply_to)
            )
        )

    async def edits(self, message: Message, content: str) -> Committed:
        return _committed(await self.does(c.Edit(message=message.id, content=content)))

    async def deletes(self, message: Message) -> Committed:
        return _committed(await self.does(c.Delete(message=message.id)))

    async def reacts(self, message: Message, emoji: str) -> Committed:
        return _committed(await self.does(c.React(message=message.id, emoji=emoji)))

    async def unreacts(self, message: Message, emoji: str) -> Committed:
        return _committed(await self.does(c.Unreact(message=message.id, emoji=emoji)))

    async def types(self, *, to: ConversationId | None = None, is_typing: bool = True) -> None:
        await self.does(c.Type(conversation=to or self.room, is_typing=is_typing))

    async def reads(self, seq: int, *, of: ConversationId | None = None) -> None:
        await self.does(c.MarkRead(conversation=of or self.room, seq=seq))

    async def starts(self) -> Committed:
        return _committed(await self.does(c.Start(room=self.room)))

    async def keeps(self) -> Committed:
        return _committed(await self.does(c.Keep(room=self.room)))

    async def declines(self) -> Committed:
        return _committed(await self.does(c.Decline(room=self.room)))

    async def ends(self) -> Committed:
        return _committed(await self.does(c.End(room=self.room)))

    async def leaves(self) -> Committed:
        return _committed(await self.does(c.Leave(room=self.room)))

    async def creates(self, name: str, *, private: bool = False) -> Channel:
        return _channel(await self.does(c.CreateChannel(name=name, private=private)))

    async def joins(self, name: str) -> Channel:
        return _channel(await self.does(c.JoinChannel(name=name)))

    async def leaves_channel(self, name: str, *, to: "Actor | None" = None) -> Channel:
        """Leave; an owner hands the channel over first, ``to`` a member."""
        heir = None if to is None else to.id
        return _channel(await self.does(c.LeaveChannel(name=name, new_owner=heir)))

    async def deletes_channel(self, name: str) -> None:
        await self.does(c.DeleteChannel(name=name))

    async def blocks(self, other: "Actor") -> None:
        await self.does(c.Block(user=self.sees_as(other)))

    async def unblocks(self, other: "Actor") -> None:
        await self.does(c.Unblock(user=other.id))

    async def follows(self, conversation: ConversationId, since: Position | None = None) -> Recovery:
        """Hear a conversation from here on. What is recovered is seen too."""

        def ask(reply: Callable[[Recovery | ChatError], None]) -> None:
            def ready(recovery: Recovery | ChatError) -> None:
                if isinstance(recovery, Recovery):
                    self._unread.extend(recovery.events)
                reply(recovery)

            self.connection.follow(conversation, since, ready)

        return await result_of(ask)

    def unfollows(self, conversation: ConversationId) -> None:
        self.connection.unfollow(conversation)

    # Seeing

    def sees(self, kind: type[E]) -> E:
        """The next event of this kind; those before it are passed over. Raises ``NotSeen``."""
        for index, event in enumerate(self._unread):
            if isinstance(event, kind):
                del self._unread[: index + 1]
                return event
        seen = ", ".join(type(event).__name__ for event in self._unread) or "nothing"
        raise NotSeen(f"{self} saw no {kind.__name__}, but {seen}")

    def sees_all(self, kind: type[E]) -> tuple[E, ...]:
        """Every event of this kind that was not looked at; afterwards everything has been."""
        events = tuple(event for event in self._unread if isinstance(event, kind))
        self._unread.clear()
        return events

    def sees_no(self, kind: type[Event]) -> None:
        """Raises ``NotSeen`` when there was one. What was seen stays to be looked at."""
        for event in self._unread:
            if isinstance(event, kind):
                raise NotSeen(f"{self} saw {event}")

    def looks_away(self) -> None:
        """Pass over everything that was seen so far."""
        self._unread.clear()

    def sees_as(self, other: "Actor") -> PersonId:
        """The id on the other's card in the common room, else the other's own."""
        room = self.world.chat.peek(self.room)
        member = None if room is None or self.id not in room.members else room.members.get(other.id)
        return other.id if member is None else member.card.id

    async def sees_room(self) -> Room:
        """The person's room as it is now."""
        room = await self.world.chat.conversation(self.person, self.room)
        if not isinstance(room, Room):
            raise NotSeen(f"{self} is in no room")
        return room

    # The sink of its connection

    def deliver(self, frames: tuple[Event, ...]) -> None:
        self._unread.extend(frames)

    def push(self, event: Personal) -> None:
        if isinstance(event, Matched):
            self.room = event.room
        self._unread.append(event)

    def unsubscribed(self, conversation: ConversationId, *, recoverable: bool) -> None:
        self.lost_track_of.append(conversation)

    def end(self, code: int, reason: str) -> None:
        self.ended = Disconnected(code, reason)
        self.drops()


def _committed(result: Result) -> Committed:
    if not isinstance(result, Committed):
        raise NotSeen(f"no Committed, but {result}")
    return result


def _placed(result: Result) -> Placed:
    if not isinstance(result, Placed):
        raise NotSeen(f"no place, but {result}")
    return result


def _channel(result: Result) -> Channel:
    conversation: Conversation = _committed(result).conversation
    if not isinstance(conversation, Channel):
        raise NotSeen(f"no channel, but {conversation}")
    return conversation
