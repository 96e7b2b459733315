"""Channels by name: making one, and finding the conversation that a name means."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from chat_core.engine.conversations.commit import Commit
from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.results import Committed, Reply
from chat_core.model.commands import ChannelCommand, CreateChannel
from chat_core.model.conversation import Channel, Persistence
from chat_core.model.errors import ChatError, Refused
from chat_core.model.ids import ConversationId
from chat_core.model.person import Person, PersonKind
from chat_core.ports import Clock, NameTaken, Store
from chat_core.rules import channel as channel_rules

NAMES_KNOWN_MAX: Final = 10_000


class Channels:
    """The names of channels. A name is looked up in the store once, then remembered."""

    def __init__(
        self, clock: Clock, store: Store, conversations: Conversations, new_id: Callable[[], str]
    ) -> None:
        self._clock = clock
        self._store = store
        self._conversations = conversations
        self._new_id = new_id
        self._ids: OrderedDict[str, ConversationId] = OrderedDict()

    async def ensure(self, name: str, *, any_name: bool = False) -> Channel:
        """The channel of this name, made without an owner when it is missing.

        Raises ``Refused("invalid")`` for a name that a channel cannot have; with
        ``any_name`` only the length counts.
        """
        channel = await self.named(name)
        if channel is not None:
            return channel
        try:
            return await self._open(CreateChannel(name=name), None, any_name=any_name)
        except NameTaken:  # another node was faster
            channel = await self.named(name)
            if channel is None:
                raise
            return channel

    async def named(self, name: str) -> Channel | None:
        """The channel of this name as it is now, None where there is none."""
        known = self._ids.get(name)
        if known is not None:
            state = await self._conversations.state(known)
            if isinstance(state, Channel) and not state.deleted:
                return state
        channel = await self._store.channel_named(name)  # also where another one has got the name since
        if channel is None:
            return None
        self._remember(channel)
        state = await self._conversations.state(channel.id)
        return state if isinstance(state, Channel) and not state.deleted else None

    async def create(self, command: CreateChannel, by: Person, reply: Reply) -> None:
        """Make a channel that ``by`` owns."""
        try:
            if by.kind is PersonKind.GUEST:
                raise Refused("guests_may_not", "Guests cannot create channels. Sign in first.")
            channel = await self._open(command, by)
        except NameTaken:
            reply(Refused("channel_exists", "A channel with this name already exists."))
        except ChatError as error:
            reply(error)
        else:
            reply(Committed(conversation=channel, durable=self._store.durable))

    async def ask(self, command: ChannelCommand, by: Person, reply: Reply) -> None:
        """Hand the command to the conversation that its name means."""
        try:
            channel = await self.named(command.name)
            if channel is None:
                raise channel_rules.unknown()
        except ChatError as error:
            reply(error)
        else:
            self._conversations.ask(channel.id, command, by, reply)

    def forget(self, channel: Channel) -> None:
        """The channel was deleted: its name is free again."""
        self._ids.pop(channel.name, None)

    async def _open(self, command: CreateChannel, by: Person | None, *, any_name: bool = False) -> Channel:
        channel_rules.check(command, any_name=any_name)
        now = self._clock.now()
        channel = Channel(
            id=self._new_id(),
            epoch=self._new_id(),
            persistence=Persistence.PERSISTENT,
            created_at=now,
            name=command.name,
            description=command.description,
            private=command.private,
            owner=None if by is None else by.id,
        )
        opening = channel_rules.opening(channel, by=by, now=now)
        commit = Commit.of(channel, opening)
        await self._conversations.open(commit)
        self._remember(channel)
        self._conversations.begin(commit)
        return commit.after if isinstance(commit.after, Channel) else channel

    def _remember(self, channel: Channel) -> None:
        self._ids[channel.name] = channel.id
        while len(self._ids) > NAMES_KNOWN_MAX:
            self._ids.popitem(last=False)
