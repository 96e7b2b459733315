"""Farewell: everything about a person handed over, or gone.

An erasure begins with one transaction that takes the account and the sessions away
and leaves a note; what follows (texts become tombstones, memberships end, names
become nobody's) may be interrupted at any point and is taken up again, also by the
next start, until the note goes too.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import attrs

from chat_core.engine.accounts.sessions import Logins
from chat_core.engine.results import Result, resolving
from chat_core.model.account import Account
from chat_core.model.commands import (
    ConversationCommand,
    DeleteChannel,
    Leave,
    LeaveChannel,
    Purge,
)
from chat_core.model.conversation import Channel, Conversation, Retention, Role, Room, RoomState
from chat_core.model.errors import ChatError, Refused
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.limits import RETRY_S
from chat_core.model.message import Message
from chat_core.model.person import Person, PersonKind, nobody
from chat_core.ports.accounts import Accounts

if TYPE_CHECKING:
    from chat_core.engine.chat import Chat

MESSAGES_AT_ONCE: Final = 200
TRIES_MAX: Final = 5


class Farewell:
    """Erasure and export."""

    def __init__(self, chat: "Chat", accounts: Accounts, logins: Logins) -> None:
        self._chat = chat
        self._accounts = accounts
        self._logins = logins

    # Erasure

    async def erase(self, person: PersonId) -> None:
        """The account and its sessions are gone when this returns, and the rest unless something failed."""
        await self._accounts.erase(person, self._chat.clock.now())
        self._logins.ended(person)
        await self._finish(person)

    async def resume(self) -> None:
        """Go on with erasures that a stop interrupted."""
        for person in await self._accounts.unfinished_erasures():
            self._chat.spawn(self._finish(person))

    async def _finish(self, person: PersonId) -> None:
        try:
            await self._leave_everything(person)
            await self._chat.store.forget_person(person)
            await self._accounts.erased(person)
        except ChatError:
            when = self._chat.clock.now() + RETRY_S
            self._chat.alarms.set(("erase", person), when, lambda: self._chat.spawn(self._finish(person)))

    async def _leave_everything(self, person: PersonId) -> None:
        chat = self._chat
        chat.lobbies.gone(person)
        card = nobody(person)
        gone = Person(id=person, username=card.username, display_name=card.display_name, kind=PersonKind.USER)
        attendee = chat.people.get(person)
        for room in tuple(attendee.passing_rooms) if attendee is not None else ():
            await self._leave(room, gone)
        for conversation in await chat.store.conversations_of(person):
            await self._purge(conversation, person)
            await self._leave(conversation, gone)
            await chat.store.anonymise(conversation, person, card)
            await chat.conversations.compare(conversation)

    async def _leave(self, conversation: ConversationId, gone: Person) -> None:
        for _ in range(TRIES_MAX):
            state = await self._chat.conversations.state(conversation)
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
        """Tombstones of all the person's texts here, told to who follows."""
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
        store = self._chat.store
        return await store.written_by(conversation, person, after=after, limit=MESSAGES_AT_ONCE)

    async def _ask(
        self, conversation: ConversationId, command: ConversationCommand, by: Person | None
    ) -> Result:
        answered: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        reply = resolving(answered)
        self._chat.conversations.ask(conversation, command, by, reply)
        return await answered

    # Export

    async def export(self, person: Person, account: Account | None) -> dict[str, object]:
        """All of it. Others are not in it: whom one met or blocked as a stranger stays one."""
        store = self._chat.store
        conversations, messages, reactions = [], [], []
        for conversation in await store.conversations_of(person.id):
            state = await store.load(conversation)
            if state is None:
                continue
            conversations.append(_conversation(state, person.id))
            listed = state.members.get(person.id)
            card_id = person.id if listed is None else listed.card.id
            reactions += [
                {"conversation": conversation, "message": message, "emoji": emoji}
                for message, emoji in await store.reactions_of(conversation, card_id)
            ]
            after = 0
            while page := await self._page(conversation, person.id, after):
                messages += [_message(message) for message in page]
                after = page[-1].seq
        return {
            "person": {"id": person.id, "username": person.username, "display_name": person.display_name},
            "account": None if account is None else _account(account),
            "logins": [
                {"created_at": login.created_at, "ends_at": login.ends_at, "revoked_at": login.revoked_at}
                for login in await self._accounts.logins_of(person.id)
            ],
            "conversations": conversations,
            "messages": messages,
            "reactions": reactions,
            "read_marks": dict(await store.marks_of(person.id)),
            "notices": [
                {"kind": str(kind), "conversation": where, "at": notice.at}
                for notice in await store.notices_of(person.id)
                for where, _, kind in (notice.key,)
            ],
            "blocks": [{"since": at} for at in sorted((await store.blocks_of(person.id)).values())],
            "pairings": [
                {"lobby": session.lobby, "started_at": session.started_at, "ended_at": session.ended_at}
                for session in await store.sessions_of(person.id)
            ],
        }


def _leaving(state: Conversation, person: PersonId) -> ConversationCommand | None:
    """How the person leaves: a channel of its own goes to who moderates it, or has been there longest."""
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


def _account(account: Account) -> dict[str, object]:
    told = attrs.asdict(account)
    return {**told, "interests": list(account.interests), "status": account.status.value}


def _conversation(state: Conversation, person: PersonId) -> dict[str, object]:
    member = state.members.get(person)
    return {
        "id": state.id,
        "kind": "channel" if isinstance(state, Channel) else "room",
        "name": state.name if isinstance(state, Channel) else None,
        "kept": state.retention is Retention.STORED,
        "member": state.member(person) is not None,
        "role": None if member is None else member.role.value,
        "joined_at": None if member is None else member.joined_at,
    }


def _message(message: Message) -> dict[str, object]:
    return {
        "id": message.id,
        "conversation": message.conversation,
        "seq": message.seq,
        "content": message.content,
        "created_at": message.created_at,
        "edited_at": message.edited_at,
        "deleted": message.deleted,
        "reply_to": message.reply_to,
        "attachments": list(message.attachments),
        "client_id": message.client_id,
    }
