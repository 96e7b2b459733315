"""Errands: commands whose conversation has to be found before it can be asked."""

from collections.abc import Awaitable, Callable, Sequence

from chat_core.engine.conversations.ephemeral import Signs
from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.lobby.lobbies import Lobbies
from chat_core.engine.results import Reply
from chat_core.model.commands import Delete, Edit, MarkRead, React, Skip, Unreact
from chat_core.model.conversation import Conversation, Room
from chat_core.model.errors import ChatError, Refused
from chat_core.model.ids import ConversationId, MessageId
from chat_core.model.person import Person
from chat_core.ports import Log


class Errands:
    """``readable`` gives a conversation that the person may read, and refuses the rest, all alike."""

    def __init__(
        self,
        logs: Sequence[Log],
        conversations: Conversations,
        lobbies: Lobbies,
        signs: Signs,
        *,
        readable: Callable[[Person, ConversationId], Awaitable[Conversation]],
    ) -> None:
        self._logs = logs
        self._conversations = conversations
        self._lobbies = lobbies
        self.signs = signs
        self._readable = readable

    async def mark_read(self, command: MarkRead, person: Person, reply: Reply) -> None:
        try:
            state = await self._readable(person, command.conversation)
        except ChatError as error:
            reply(error)
        else:
            await self.signs.marked(command, state, person, reply)

    async def skip(self, command: Skip, person: Person, reply: Reply, was_here: bool) -> None:
        try:
            room = await self._readable(person, command.room)
        except ChatError as error:
            reply(error)
            return
        if isinstance(room, Room):
            self._lobbies.skip(room, person, reply, was_here=was_here)
        else:
            reply(Refused("unknown_room", "There is no such room for you."))

    async def about_message(
        self, command: Edit | Delete | React | Unreact, person: Person, reply: Reply
    ) -> None:
        """A command that names only a message: find the conversation it stands in."""
        try:
            home = await self._home(command.message)
            await self._readable(person, home)
        except Refused:
            reply(Refused("unknown_message", "There is no such message."))
        except ChatError as error:
            reply(error)
        else:
            self._conversations.ask(home, command, person, reply)

    async def _home(self, message_id: MessageId) -> ConversationId:
        for log in self._logs:
            message = await log.message(message_id)
            if message is not None:
                return message.conversation
        raise Refused("unknown_message", "There is no such message.")
