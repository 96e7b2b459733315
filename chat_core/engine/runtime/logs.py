"""Logs: in which log a conversation is kept, and where one is found of which only the id is known."""

from collections.abc import Sequence

from chat_core.model.conversation import Conversation, Persistence
from chat_core.model.events import Logged
from chat_core.model.ids import ConversationId, MessageId
from chat_core.model.limits import RECOVERY_EVENTS_MAX
from chat_core.model.message import Message
from chat_core.ports import Backplane, Log, Store


class Logs:
    """The store's log and the backplane's. Everything here raises ``Unavailable`` as they do."""

    def __init__(self, store: Store, backplane: Backplane) -> None:
        self._store = store
        self._backplane = backplane

    def of(self, conversation: Conversation) -> Log:
        """The log that this conversation is kept in."""
        return self._store if conversation.persistence is Persistence.PERSISTENT else self._backplane

    async def load(self, conversation: ConversationId) -> tuple[Log, Conversation] | None:
        """The conversation of this id and its log, None where there is none."""
        for log in (self._backplane, self._store):
            state = await log.load(conversation)
            if state is not None:
                return log, state
        return None

    async def message(self, message: MessageId) -> Message | None:
        """The message of this id, None where there is none."""
        for log in (self._backplane, self._store):
            found = await log.message(message)
            if found is not None:
                return found
        return None

    async def after(self, conversation: Conversation, seq: int) -> Sequence[Logged]:
        """The events after a seq, as many as a listener may miss and still recover."""
        return await self.of(conversation).after(conversation.id, seq, RECOVERY_EVENTS_MAX)
