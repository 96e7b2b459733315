"""Export: everything about a person, handed over."""

from typing import Final

import attrs

from chat_core.model.account import Account
from chat_core.model.conversation import Channel, Conversation, Persistence
from chat_core.model.ids import PersonId
from chat_core.model.message import Message
from chat_core.model.person import Person
from chat_core.ports import Store
from chat_core.ports.accounts import Accounts

MESSAGES_AT_ONCE: Final = 200


class Export:
    """Reads all that is stored of a person, as JSON can say it."""

    def __init__(self, store: Store, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    async def of(self, person: Person, account: Account | None) -> dict[str, object]:
        """All of it. Others are not in it: whom one met or blocked as a stranger stays one."""
        store = self._store
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
            while page := await store.written_by(
                conversation, person.id, after=after, limit=MESSAGES_AT_ONCE
            ):
                messages += [_message(message) for message in page]
                after = page[-1].seq
        return {
            "person": {"id": person.id, "username": person.username, "display_name": person.display_name},
            "account": None if account is None else _account(account),
            "logins": [
                {
                    "created_at": session.created_at,
                    "ends_at": session.ends_at,
                    "revoked_at": session.revoked_at,
                }
                for session in await self._accounts.sessions_of(person.id)
            ],
            "conversations": conversations,
            "messages": messages,
            "reactions": reactions,
            "read_marks": dict(await store.marks_of(person.id)),
            "notices": [
                {"kind": str(kind), "conversation": where, "at": notification.at}
                for notification in await store.notifications_of(person.id)
                for where, _, kind in (notification.key,)
            ],
            "blocks": [{"since": at} for at in sorted((await store.blocks_of(person.id)).values())],
            "pairings": [
                {"lobby": pairing.lobby, "started_at": pairing.started_at, "ended_at": pairing.ended_at}
                for pairing in await store.pairings_of(person.id)
            ],
        }


def _account(account: Account) -> dict[str, object]:
    fields = attrs.asdict(account)
    return {**fields, "interests": list(account.interests), "status": account.status.value}


def _conversation(state: Conversation, person: PersonId) -> dict[str, object]:
    member = state.members.get(person)
    return {
        "id": state.id,
        "kind": "channel" if isinstance(state, Channel) else "room",
        "name": state.name if isinstance(state, Channel) else None,
        "kept": state.persistence is Persistence.PERSISTENT,
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
