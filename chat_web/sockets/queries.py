"""Questions of a connection that the core answers by looking: standing, attendance, pages of history."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import structlog

from chat_core import Chat, ChatError, Connection, ConversationId, Person, Unavailable
from chat_web.dialects.intents import (
    Address,
    AskHistory,
    AskInitialState,
    AskPresence,
    ExecuteInChannel,
    FetchNotifications,
    Follow,
    InitialStateResult,
    IntentResult,
    Page,
    PendingNotifications,
    PresenceResult,
)

Asked: TypeAlias = AskInitialState | AskPresence | AskHistory
Question: TypeAlias = ExecuteInChannel | Follow | FetchNotifications | Asked

_log: Final = structlog.get_logger("parley.sockets")


class Queries:
    """Answers for any person; what the person may not read is refused as if it were not there."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    async def ask(
        self, question: Question, connection: Connection[Any], finished: Callable[[Any, IntentResult], None]
    ) -> None:
        """Find the answer, and give it to ``finished`` with the question's ``ref``, once. Never raises."""
        person = connection.person
        try:
            match question:
                case ExecuteInChannel(command=command, ref=ref):
                    conversation = await self.id_of(person, question.address)
                    connection.ask(command(conversation), lambda result: finished(ref, result))
                    return
                case Follow(address=address, since=since, recent=recent, ref=ref):
                    conversation = await self.id_of(person, address)
                    connection.follow(conversation, since, lambda result: finished(ref, result), recent)
                    return
                case FetchNotifications():
                    answer: IntentResult = PendingNotifications(
                        notifications=tuple(await self._chat.notifications.take(connection))
                    )
                case _:
                    answer = await self.answer(person, question)
        except ChatError as error:
            answer = error
        except Exception:
            _log.exception("query_failed", query=type(question).__name__)
            answer = Unavailable("Something went wrong. Try again.")
        finished(question.ref, answer)

    async def answer(self, person: Person, asked: Asked) -> IntentResult:
        """Raises ``Refused`` or ``Unavailable``."""
        if isinstance(asked, AskInitialState):
            heard = dict(self._chat.last_positions(person.id))
            return InitialStateResult(
                initial_state=await self._chat.initial_state(person), last_positions=heard
            )
        state = await self._chat.conversation(person, await self.id_of(person, asked.address))
        if isinstance(asked, AskPresence):
            return PresenceResult(conversation=state, people=dict(self._chat.followers.at(state)))
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
