"""Values <-> rows: conversations, members, messages, reactions. Tuples in the order of ``statements``.

``conversations.state`` contains a conversation as JSON, without its members and the
columns used in queries.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import attrs

from chat_core.adapters.sql.encryption.cipher import SEALED
from chat_core.adapters.sql.schema.event_rows import Row, to_json
from chat_core.model.conversation import (
    Channel,
    Conversation,
    Decision,
    EndReason,
    Member,
    Persistence,
    Role,
    Room,
    RoomOutcome,
    RoomRules,
    RoomState,
)
from chat_core.model.errors import InvariantBroken
from chat_core.model.ids import MessageId, PersonId
from chat_core.model.message import Message
from chat_core.model.person import Card
from chat_core.rules.search_terms import terms_of

KINDS: Final[Mapping[str, type[Conversation]]] = {"room": Room, "channel": Channel}
STATE_COLUMNS: Final = 7  # of a conversation with its members; those of a member follow

_COMMON_FIELDS: Final = frozenset(field.name for field in attrs.fields(Conversation))
_OWN_FIELDS: Final = {
    kind: tuple(field.name for field in attrs.fields(kind) if field.name not in _COMMON_FIELDS)
    for kind in KINDS.values()
}


# Conversations


def opening_row(after: Conversation) -> Row:
    """A new conversation as a row of ``conversations``."""
    kind = kind_of(after)
    common = (after.id, kind, after.epoch, after.persistence.value, after.created_at)
    return (*common, *_searched(after))


def state_row(after: Conversation) -> Row:
    """The columns that change, other than the head: id, epoch, state, name, is_public, live, deadline."""
    return (after.id, after.epoch, *_searched(after))


def kind_of(conversation: Conversation) -> str:
    """The stored name of the conversation's kind."""
    for name, kind in KINDS.items():
        if type(conversation) is kind:
            return name
    raise InvariantBroken(f"{type(conversation).__name__} is neither a room nor a channel")


def conversations(rows: Iterable[Row]) -> Iterator[Conversation]:
    """The conversations of rows with one member each; rows of one conversation are adjacent."""
    for _, together in groupby(rows, key=lambda row: row[0]):
        yield _conversation(list(together))


def own_text(conversation: Conversation) -> str:
    """The fields of a conversation without a column, as JSON."""
    return to_json({name: _plain(getattr(conversation, name)) for name in _OWN_FIELDS[type(conversation)]})


def own_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that ``own_text`` wrote."""
    return {
        name: _READ[name](value) if name in _READ and value is not None else value
        for name, value in values.items()
    }


def _searched(after: Conversation) -> tuple[str, str | None, bool, bool, float | None]:
    state = own_text(after)
    if isinstance(after, Room):
        return state, None, False, after.is_live, after.deadline
    if isinstance(after, Channel):
        is_public = not after.private and not after.deleted
        return state, None if after.deleted else after.name, is_public, False, None
    raise InvariantBroken(f"{type(after).__name__} is neither a room nor a channel")


def _plain(value: object) -> object:
    return [value.countdown_s, value.notification_s] if isinstance(value, RoomRules) else value


def _conversation(rows: Sequence[Row]) -> Conversation:
    id_, kind, epoch, retention, created_at, head, text = rows[0][:STATE_COLUMNS]
    if kind not in KINDS:
        raise InvariantBroken(f"a conversation of kind {kind}: {id_}")
    members = (row[STATE_COLUMNS:] for row in rows)
    return KINDS[kind](
        id=id_,
        epoch=epoch,
        persistence=Persistence(retention),
        created_at=created_at,
        head=head,
        members={row[0]: _member(row) for row in members if row[0] is not None},
        **own_fields(json.loads(text)),
    )


def _answers(value: Mapping[PersonId, str]) -> Mapping[PersonId, Decision]:
    return {person: Decision(answer) for person, answer in value.items()}


_READ: Final[Mapping[str, Callable[[Any], object]]] = {
    "rules": lambda value: RoomRules(countdown_s=value[0], notification_s=value[1]),
    "state": RoomState,
    "outcome": RoomOutcome,
    "reason": EndReason,
    "answers": _answers,
}


# Members


def member_row(conversation: Conversation, person: PersonId, member: Member, place: int) -> Row:
    """A row of ``members``. ``place`` keeps the order in which they joined."""
    card = member.card
    return (
        conversation.id,
        person,
        kind_of(conversation),
        card.id,
        card.username,
        card.display_name,
        member.role.value,
        member.joined_at,
        member.left,
        place,
    )


def _member(row: Row) -> Member:
    _, card_id, username, display_name, role, joined_at, has_left = row
    card = Card(id=card_id, username=username, display_name=display_name)
    return Member(card=card, role=Role(role), joined_at=joined_at, left=bool(has_left))


# Messages


def message_row(message: Message) -> Row:
    """A row of ``messages``, the only place of the text."""
    author = message.author
    return (
        message.conversation,
        message.seq,
        message.id,
        message.by,
        author.id,
        author.username,
        author.display_name,
        message.content,
        message.reply_to,
        to_json(message.attachments) if message.attachments else None,
        message.created_at,
        message.edited_at,
        message.deleted,
        message.client_id,
        message.digest,
        terms_text(message.content),
    )


def terms_text(content: str) -> str | None:
    """The search terms of the text, space-separated; None if there are none, or the text is encrypted."""
    if content.startswith(SEALED):
        return None
    return " ".join(terms_of(content)) or None


def message(row: Row, reactions: Mapping[str, tuple[PersonId, ...]]) -> Message:
    """The message of a row, with its reactions."""
    id_, conversation, seq, by, card_id, username, display_name, content, created_at = row[:9]
    reply_to, attachments, edited_at, deleted, client_id, digest = row[9:]
    return Message(
        id=id_,
        conversation=conversation,
        seq=seq,
        by=by,
        author=Card(id=card_id, username=username, display_name=display_name),
        content=content,
        created_at=created_at,
        reply_to=reply_to,
        attachments=tuple(json.loads(attachments)) if attachments else (),
        reactions=reactions,
        edited_at=edited_at,
        deleted=bool(deleted),
        client_id=client_id,
        digest=digest,
    )


def reactions_by_message(rows: Iterable[Row]) -> Mapping[MessageId, Mapping[str, tuple[PersonId, ...]]]:
    """The reactions to each message, from rows (message, emoji, person) in their stored order."""
    found: dict[MessageId, dict[str, tuple[PersonId, ...]]] = {}
    for message_id, emoji, person in rows:
        people = found.setdefault(message_id, {})
        people[emoji] = (*people.get(emoji, ()), person)
    return found
