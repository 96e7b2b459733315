"""Reading: what a person may see, and pages of it. Everything else is as if it were not there."""

from collections.abc import Sequence

from chat_core.engine.conversations.channels import Channels
from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.presence.people import People
from chat_core.engine.results import MessagePage, Recent
from chat_core.engine.runtime.logs import Logs
from chat_core.model.conversation import Channel, Conversation, Room, RoomState
from chat_core.model.errors import Refused
from chat_core.model.events import Logged
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.limits import HISTORY_PAGE_MAX, SEARCH_LENGTH_MAX
from chat_core.model.message import Cursor, Message
from chat_core.model.person import Person
from chat_core.ports import Store
from chat_core.rules import channel as channel_rules
from chat_core.rules import log as log_rules
from chat_core.rules import room as room_rules


class Reading:
    """Questions about conversations."""

    def __init__(
        self,
        store: Store,
        logs: Logs,
        conversations: Conversations,
        channels: Channels,
        people: People,
    ) -> None:
        self._store = store
        self._logs = logs
        self._conversations = conversations
        self._channels = channels
        self._people = people

    def may_read(self, person: PersonId, conversation: Conversation) -> bool:
        """Members read; a public channel is read by anybody."""
        if isinstance(conversation, Channel) and not conversation.private:
            return not conversation.deleted
        return conversation.member(person) is not None

    # One conversation

    async def conversation(self, person: Person, conversation: ConversationId) -> Conversation:
        """A conversation that the person may read. Refuses the rest, all alike."""
        state = await self._conversations.state(conversation)
        if state is None or not self.may_read(person.id, state):
            raise log_rules.unknown()
        return state

    async def channel(self, person: Person, name: str) -> Channel:
        """The channel of this name, if the person may read it. Refuses the rest, all alike."""
        channel = await self._channels.named(name)
        if channel is None or not self.may_read(person.id, channel):
            raise channel_rules.unknown()
        return channel

    async def room(self, person: Person, room: ConversationId) -> Room:
        """A room that the person is a member of. Refuses the rest, all alike."""
        state = await self._conversations.state(room)
        if not isinstance(state, Room) or state.member(person.id) is None:
            raise room_rules.unknown()
        return state

    async def history(
        self, person: Person, conversation: ConversationId, *, after: int, limit: int
    ) -> Sequence[Logged]:
        """The first ``limit`` events after a seq, oldest first."""
        state = await self.conversation(person, conversation)
        return await self.events_after(state, after, min(limit, HISTORY_PAGE_MAX))

    async def events_after(self, state: Conversation, seq: int, limit: int) -> Sequence[Logged]:
        """The log after a seq, without checking the reader."""
        return await self._logs.of(state).after(state.id, seq, limit)

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
        state = await self.conversation(person, conversation)
        log = self._logs.of(state)
        return await log.messages(
            conversation, before=before, after=after, limit=min(limit, HISTORY_PAGE_MAX)
        )

    async def recent(
        self, state: Conversation, wanted: Recent, *, up_to: int
    ) -> tuple[Sequence[Message], bool]:
        """The messages that ``wanted`` means, up to a seq; and whether there are more after its own."""
        log = self._logs.of(state)
        if wanted.after is not None:
            found = await log.messages(state.id, before=None, after=wanted.after, limit=wanted.most + 1)
            found = [message for message in found if message.seq <= up_to]
            if len(found) <= wanted.most:
                return found, False
        last = await log.messages(state.id, before=up_to + 1, after=None, limit=wanted.last)
        return last, wanted.after is not None

    # Lists

    async def rooms(self, person: Person) -> Sequence[Room]:
        """The rooms that the person is in, ended ones too, the newest first."""
        rooms = [room for room in await self._store.rooms_of(person.id) if room.member(person.id)]
        for room_id in self._people.ephemeral_rooms(person.id):
            room = await self._conversations.state(room_id)
            if isinstance(room, Room) and room.member(person.id):
                rooms.append(room)
        return sorted(rooms, key=lambda room: (room.created_at, room.id), reverse=True)

    async def open_rooms(self, person: Person) -> Sequence[Room]:
        """Every room that the person is in and that has not ended; stored ones first, newest first."""
        return await self._with_ephemeral(await self._store.open_rooms_of(person.id), person.id)

    async def open_rooms_of_two(self, person: Person, other: PersonId) -> Sequence[Room]:
        """Every room that both are in and that has not ended."""
        rooms = await self._with_ephemeral(await self._store.open_rooms_of_two(person.id, other), person.id)
        return [room for room in rooms if room.member(other) is not None]

    async def _with_ephemeral(self, stored: Sequence[Room], person: PersonId) -> Sequence[Room]:
        rooms = list(stored)
        for room_id in self._people.ephemeral_rooms(person):
            room = await self._conversations.state(room_id)
            if isinstance(room, Room) and room.state is not RoomState.ENDED:
                rooms.append(room)
        return rooms

    async def channels_of(self, person: Person) -> Sequence[Channel]:
        """The channels that the person is a member of, by name."""
        channels = await self._known(await self._store.channels_of(person.id))
        mine = [channel for channel in channels if channel.member(person.id) is not None]
        return sorted(mine, key=lambda channel: channel.name)

    async def channels(
        self, person: Person, *, after: str = "", part: str = "", limit: int = 50
    ) -> Sequence[Channel]:
        """The channels that the person may read, by name: those above ``after`` that have ``part`` in it."""
        found = await self._store.channels_listed(
            person.id, after=after, part=part, limit=min(limit, HISTORY_PAGE_MAX)
        )
        return [channel for channel in await self._known(found) if self.may_read(person.id, channel)]

    async def _known(self, channels: Sequence[ConversationId]) -> Sequence[Channel]:
        """The channels of these ids as they are now, for the most part without asking the store."""
        states = [await self._conversations.state(one) for one in channels]
        return [state for state in states if isinstance(state, Channel)]

    # Messages of many conversations

    async def messages_of_channels(
        self, person: Person, *, before: Cursor | None = None, after: Cursor | None = None, limit: int = 50
    ) -> MessagePage:
        """Messages of all the person's channels, oldest first; pages as ``messages``."""
        channels = await self.channels_of(person)
        found = await self._store.messages_across(
            [channel.id for channel in channels],
            before=before,
            after=after,
            limit=min(limit, HISTORY_PAGE_MAX),
        )
        return MessagePage(messages=tuple(found), conversations={channel.id: channel for channel in channels})

    async def messages_by(
        self, person: Person, *, before: Cursor | None = None, after: Cursor | None = None, limit: int = 50
    ) -> MessagePage:
        """The person's own messages in persistent conversations, oldest first; pages as ``messages``."""
        limit = min(limit, HISTORY_PAGE_MAX)
        return await self._excerpt(
            await self._store.messages_by(person.id, before=before, after=after, limit=limit)
        )

    async def search(
        self,
        person: Person,
        text: str,
        *,
        within: str | None = None,
        author: str | None = None,
        before: Cursor | None = None,
        limit: int = 50,
    ) -> MessagePage:
        """Messages with these words that the person may read, the newest first.

        Each word of ``text`` begins one of the message's, in any order and either case.

        ``within`` is a channel's name or a conversation's id, ``author`` a user name.
        """
        if not text.strip() or len(text) > SEARCH_LENGTH_MAX:
            words = f"Search for 1 to {SEARCH_LENGTH_MAX} characters."
            raise Refused("invalid", words, fields={"q": words})
        home = None if within is None else (await self._within(person, within)).id
        limit = min(limit, HISTORY_PAGE_MAX)
        return await self._excerpt(
            await self._store.search(person.id, text, within=home, author=author, before=before, limit=limit)
        )

    async def _within(self, person: Person, named: str) -> Conversation:
        try:
            return await self.channel(person, named)
        except Refused as refusal:
            try:
                return await self.conversation(person, named)
            except Refused:
                raise refusal from None

    async def _excerpt(self, messages: Sequence[Message]) -> MessagePage:
        states: dict[ConversationId, Conversation] = {}
        for conversation in dict.fromkeys(message.conversation for message in messages):
            state = await self._conversations.state(conversation)
            if state is not None:
                states[conversation] = state
        return MessagePage(messages=tuple(messages), conversations=states)
