"""Questions of a connection that the core answers by looking: standing, attendance, pages of history."""

from typing import TypeAlias

from chat_core import Chat, ConversationId, Person
from chat_web.intents import (
    Address,
    Answer,
    AskAttendance,
    AskHistory,
    AskStanding,
    Attendance,
    Page,
    Stands,
)

Asked: TypeAlias = AskStanding | AskAttendance | AskHistory


class Questions:
    """Answers for any person; what the person may not read is refused as if it were not there."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    async def answer(self, person: Person, asked: Asked) -> Answer:
        """Raises ``Refused`` or ``Unavailable``."""
        if isinstance(asked, AskStanding):
            heard = dict(self._chat.heard_before(person.id))
            return Stands(standing=await self._chat.standing(person), heard=heard)
        state = await self._chat.conversation(person, await self.id_of(person, asked.address))
        if isinstance(asked, AskAttendance):
            return Attendance(conversation=state, people=dict(self._chat.attendance.at(state)))
        if not asked.is_newest_first:
            events = await self._chat.history(person, state.id, after=asked.seq, limit=asked.limit)
            return Page(conversation=state, events=tuple(events))
        last = state.head if asked.seq <= 0 else min(state.head, asked.seq - 1)
        first = max(0, last - asked.limit)
        events = await self._chat.history(person, state.id, after=first, limit=last - first)
        return Page(conversation=state, events=tuple(reversed(events)))

    async def id_of(self, person: Person, address: Address) -> ConversationId:
        """The conversation that an address means. Raises as ``Chat.channel``, and ``channels.ensure``."""
        if not address.channel:
            return address.id
        if address.may_make:
            await self._chat.channels.ensure(address.channel, any_name=True)
        return (await self._chat.channel(person, address.channel)).id
