"""Blocks: by person, both ways, at once. A pending match is undone, a common room ends."""

from collections import deque
from functools import partial

from chat_core.engine.conversations.reading import Reading
from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.lobby.lobbies import Lobbies
from chat_core.engine.presence.people import People
from chat_core.engine.results import Done, Reply, result_of
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.commands import Block, Close, Unblock
from chat_core.model.conversation import EndReason
from chat_core.model.errors import ChatError, Refused, Unavailable
from chat_core.model.ids import PersonId
from chat_core.model.person import Person
from chat_core.ports import Clock, Store
from chat_core.ports.accounts import Accounts


class Blocks:
    """Blocks between people: who is never paired with whom."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        accounts: Accounts,
        people: People,
        lobbies: Lobbies,
        conversations: Conversations,
        reading: Reading,
        tasks: Tasks,
    ) -> None:
        self._clock = clock
        self._store = store
        self._accounts = accounts
        self._people = people
        self._lobbies = lobbies
        self._conversations = conversations
        self._reading = reading
        self._tasks = tasks
        self._asked: dict[PersonId, deque[tuple[Block | Unblock, Person, Reply]]] = {}

    def ask(self, command: Block | Unblock, person: Person, reply: Reply) -> None:
        """Blocks or unblocks; replies once it is in force. One person's requests are processed in order."""
        asked = self._asked.setdefault(person.id, deque())
        asked.append((command, person, reply))
        if len(asked) == 1:
            self._tasks.spawn(self._all(person.id))

    async def _all(self, person: PersonId) -> None:
        asked = self._asked[person]
        try:
            while asked:
                await self._one(*asked[0])
                asked.popleft()
        finally:
            del self._asked[person]

    async def _one(self, command: Block | Unblock, person: Person, reply: Reply) -> None:
        try:
            if isinstance(command, Unblock) and command.user in await self._store.blocked_with(person.id):
                other = command.user  # possibly a person who is offline
            else:
                other = await self._behind(person, command.user)
            if other == person.id:
                raise Refused("invalid", "You cannot block yourself.")
            if isinstance(command, Unblock):
                await self._store.unblock(person.id, other)
                self._reread(person.id, other)
            else:
                await self._block(person.id, other)
                await self._part(person, other)
        except ChatError as error:
            reply(error)
        else:
            reply(Done())

    async def _block(self, person: PersonId, other: PersonId) -> None:
        try:
            await self._store.block(person, other, self._clock.now())
        except ChatError:
            self._reread(person, other)  # it may have been written
            raise
        for one, foe in ((person, other), (other, person)):
            online = self._people.get(one)
            if online is not None:
                online.block(foe)
        self._lobbies.block(person, other)

    def _reread(self, *people: PersonId) -> None:
        for one in people:
            online = self._people.get(one)
            if online is not None:
                online.reread_blocks()

    async def _part(self, person: Person, other: PersonId) -> None:
        """Ends every common room of the two; raises if one has not ended yet."""
        for room in await self._reading.open_rooms_of_two(person, other):
            close = Close(room=room.id, reason=EndReason.BLOCKED)
            try:
                await result_of(partial(self._conversations.ask, room.id, close, None))
            except Unavailable:
                self._conversations.ask_with_retry(room.id, close, None)
                raise

    async def _behind(self, person: Person, card_id: PersonId) -> PersonId:
        """The person behind a card: in an anonymous room the card shows a pseudonym.

        Refuses an id of a person whom the caller cannot have met.
        """
        online = self._people.get(person.id)
        if online is not None and card_id in online.met:
            return online.met[card_id]
        followed = () if online is None else tuple(map(self._conversations.peek, online.followed()))
        for state in (*followed, *await self._reading.open_rooms(person)):
            if state is not None and person.id in state.members:
                behind = state.owner_of(card_id)
                if behind is not None:
                    return behind
        if self._people.get(card_id) is not None or await self._accounts.by_id(card_id) is not None:
            return card_id
        for channel in await self._reading.channels_of(person):
            if channel.owner_of(card_id) is not None:
                return card_id  # a guest who is not here
        raise Refused("unknown_user", "Person not found.")
