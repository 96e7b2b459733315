"""Signs: what members show one another without its being kept: typing, and how far they have read."""

from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.delivery.hub import Hub
from chat_core.engine.results import Done, Reply
from chat_core.model.commands import MarkRead, Type
from chat_core.model.conversation import Conversation, Persistence
from chat_core.model.errors import ChatError, Refused
from chat_core.model.events import PersonTyped, ReadMarked
from chat_core.model.person import Person
from chat_core.ports import Clock, Store
from chat_core.ports.accounts import Accounts
from chat_core.rules import log as log_rules


class EphemeralEvents:
    """Passes signs on to who follows; a read mark of a stored conversation is kept as well."""

    def __init__(
        self,
        clock: Clock,
        store: Store,
        hub: Hub,
        conversations: Conversations,
        accounts: Accounts,
    ) -> None:
        self._accounts = accounts
        self._clock = clock
        self._store = store
        self._hub = hub
        self._conversations = conversations

    def typed(self, command: Type, person: Person, reply: Reply) -> None:
        """Broadcasts that the person types or stopped. Does nothing if the conversation is not loaded."""
        state = self._conversations.peek(command.conversation)
        member = None if state is None else state.member(person.id)
        if member is None:
            reply(log_rules.unknown())
            return
        self._hub.broadcast_ephemeral(
            PersonTyped(
                at=self._clock.now(),
                by=person.id,
                conversation=command.conversation,
                person=member.card,
                is_typing=command.is_typing,
            )
        )
        reply(Done())

    async def marked(self, command: MarkRead, state: Conversation, person: Person, reply: Reply) -> None:
        """The person has read up to a seq of ``state``. A mark never goes back."""
        try:
            if state.member(person.id) is None:
                raise Refused("not_member", "Join the channel first.")
            if not 0 <= command.seq <= state.head:
                words = "There is no event of that number yet."
                raise Refused("invalid", words, fields={"seq": words})
            told = await self._shows_read_marks(person)
            if state.persistence is Persistence.PERSISTENT:
                moved = await self._store.mark_read(state.id, person.id, command.seq)
                told = told and moved
        except ChatError as error:
            reply(error)
            return
        if told:
            self._hub.broadcast_ephemeral(
                ReadMarked(
                    at=self._clock.now(),
                    by=person.id,
                    conversation=state.id,
                    person=state.card_of(person),
                    seq=command.seq,
                )
            )
        reply(Done())

    async def _shows_read_marks(self, person: Person) -> bool:
        """Whether others may see how far the person has read; only a user can have switched it off."""
        account = await self._accounts.by_id(person.id)
        return account is None or account.shows_read_marks
