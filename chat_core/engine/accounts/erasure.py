"""Erasure: everything about a person, gone.

It begins with one transaction that takes the account and the sessions away
and leaves a note; what follows (texts become tombstones, memberships end, names
become nobody's) may be interrupted at any point and is taken up again, also by the
next start, until the note goes too.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from chat_core.engine.accounts.sessions import Sessions
from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.lobby.lobbies import Lobbies
from chat_core.engine.presence.people import People
from chat_core.engine.results import Result, result_of
from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.commands import (
    ConversationCommand,
    DeleteChannel,
    Leave,
    LeaveChannel,
    Purge,
)
from chat_core.model.conversation import Channel, Conversation, Role, Room, RoomState
from chat_core.model.errors import ChatError, Refused
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.limits import RETRY_S
from chat_core.model.message import Message
from chat_core.model.person import Person, PersonKind, nobody
from chat_core.ports import Clock, Store
from chat_core.ports.accounts import Accounts

MESSAGES_AT_ONCE: Final = 200
TRIES_MAX: Final = 5


class Erasure:
    """Ends an account and all that is known of its person; also that of a guest."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        accounts: Accounts,
        sessions: Sessions,
        people: People,
        lobbies: Lobbies,
        conversations: Conversations,
        alarms: Alarms,
        tasks: Tasks,
    ) -> None:
        self._clock = clock
        self._store = store
        self._accounts = accounts
        self._sessions = sessions
        self._people = people
        self._lobbies = lobbies
        self._conversations = conversations
        self._alarms = alarms
        self._tasks = tasks

    async def erase(self, person: PersonId) -> None:
        """The account and its sessions are gone when this returns, and the rest unless something failed."""
        await self._accounts.erase(person, self._clock.now())
        self._sessions.ended(person)
        await self._finish(person)

    async def resume(self) -> None:
        """Go on with erasures that a stop interrupted."""
        for person in await self._accounts.unfinished_erasures():
            self._tasks.spawn(self._finish(person))

    async def _finish(self, person: PersonId) -> None:
        try:
            await self._leave_everything(person)
            await self._store.forget_person(person)
            await self._accounts.erased(person)
        except ChatError:
            when = self._clock.now() + RETRY_S
            self._alarms.set(("erase", person), when, lambda: self._tasks.spawn(self._finish(person)))

    async def _leave_everything(self, person: PersonId) -> None:
        self._lobbies.gone(person)
        card = nobody(person)
        gone = Person(id=person, username=card.username, display_name=card.display_name, kind=PersonKind.USER)
        for room in self._people.ephemeral_rooms(person):
            await self._leave(room, gone)
        for conversation in await self._store.conversations_of(person):
            await self._purge(conversation, person)
            await self._leave(conversation, gone)
            await self._store.anonymise(conversation, person, card)
            await self._conversations.catch_up(conversation)

    async def _leave(self, conversation: ConversationId, gone: Person) -> None:
        for _ in range(TRIES_MAX):
            state = await self._conversations.state(conversation)
            if state is None or state.member(gone.id) is None:
                return
            command = _leaving(state, gone.id)
            if command is None:
                return
            try:
                await self._ask(conversation, command, gone)
            except Refused:  # who was to inherit has left meanwhile, say
                continue
            return

    async def _purge(self, conversation: ConversationId, person: PersonId) -> None:
        """Turns all the person's texts here into tombstones, and broadcasts that."""
        after = 0
        while messages := await self._page(conversation, person, after):
            asked = [
                self._ask(conversation, Purge(message=message.id), None)
                for message in messages
                if not message.deleted
            ]
            await asyncio.gather(*asked)
            after = messages[-1].seq

    async def _page(self, conversation: ConversationId, person: PersonId, after: int) -> Sequence[Message]:
        return await self._store.written_by(conversation, person, after=after, limit=MESSAGES_AT_ONCE)

    async def _ask(
        self, conversation: ConversationId, command: ConversationCommand, by: Person | None
    ) -> Result:
        return await result_of(partial(self._conversations.ask, conversation, command, by))


def _leaving(state: Conversation, person: PersonId) -> ConversationCommand | None:
    """Removes the person: their own channel goes to a moderator, or to the longest-standing member."""
    match state:
        case Room():
            return None if state.state is RoomState.ENDED else Leave(room=state.id)
        case Channel():
            if state.owner != person:
                return LeaveChannel(name=state.name)
            others = [other for other in state.present() if other != person]
            moderators = [other for other in others if state.members[other].role is Role.MODERATOR]
            heirs = moderators or others
            if not heirs:
                return DeleteChannel(name=state.name)
            return LeaveChannel(name=state.name, new_owner=heirs[0])
        case _:
            return None
