"""Messages: posting, editing, deleting, reacting.

These rules apply in every room and channel. ``decide`` gets the message that a
command refers to (``target``) and, for a post, the message of an earlier post
with the same ``client_id`` (``repeated``); the engine finds them.
Not here: rates (``rules.rate``) and permission to read.
"""

import hashlib
import re
from typing import Final, TypeVar, assert_never

import attrs

from chat_core.model.commands import Delete, Edit, MessageCommand, Post, React, Unreact
from chat_core.model.conversation import Channel, Conversation, Member, Role, Room, RoomState
from chat_core.model.errors import Refused
from chat_core.model.events import (
    Logged,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
)
from chat_core.model.ids import MessageId, PersonId
from chat_core.model.limits import (
    ATTACHMENTS_MAX,
    CLIENT_ID_LENGTH_MAX,
    CONTENT_LENGTH_MAX,
    EMOJI_LENGTH_MAX,
    REACTIONS_PER_MESSAGE_MAX,
    REACTORS_PER_EMOJI_MAX,
)
from chat_core.model.message import Message
from chat_core.model.person import Person, nobody
from chat_core.rules import room as rooms

# Control characters except tab and newline, and lone surrogates.
_REFUSED_CHARACTERS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

_L = TypeVar("_L", bound=Logged)


def decide(
    conversation: Conversation,
    command: MessageCommand,
    *,
    by: Person,
    now: float,
    new_id: MessageId = "",
    target: Message | None = None,
    repeated: Message | None = None,
) -> tuple[Logged, ...]:
    """Decides the events of a command by ``by`` at ``now``. Refuses what is not allowed.

    ``new_id`` is the id for a posted message. For ``Post``, ``target`` is the
    message replied to; a repeated post gives ``()``, and its result is
    ``repeated``.
    """
    if isinstance(command, Post):
        if repeated is not None and conversation.member(by.id) is not None:
            return _repeat(command, repeated)  # the first result again, even after the room has ended
        return _post(conversation, command, writer(conversation, by.id), by, now, new_id, target)
    member = writer(conversation, by.id)
    if target is None or target.conversation != conversation.id:
        raise unknown()
    match command:
        case Edit():
            return _edit(conversation, command, target, by, now)
        case Delete():
            return _delete(conversation, target, member, by, now)
        case React():
            return _react(conversation, command, target, member, by, now)
        case Unreact(emoji=emoji):
            if member.card.id not in target.reactions.get(emoji, ()):
                return ()
            values = {"message_id": target.id, "emoji": emoji, "person": member.card}
            return (_fact(ReactionRemoved, conversation, by, now, **values),)
        case _:
            assert_never(command)


def purge(conversation: Conversation, target: Message | None, *, now: float) -> tuple[Logged, ...]:
    """Decides the events when Parley itself deletes a message, even in an ended room."""
    if target is None or target.conversation != conversation.id or target.deleted:
        return ()
    seq, card = conversation.head + 1, nobody(target.author.id)
    deleted = MessageDeleted(conversation=conversation.id, seq=seq, at=now, message_id=target.id, person=card)
    return (deleted,)


def apply(message: Message, event: Logged) -> Message:
    """The message after an event about it."""
    match event:
        case MessageEdited(content=content, at=at):
            return attrs.evolve(message, content=content, edited_at=at)
        case MessageDeleted():
            return blank(message)
        case ReactionAdded(emoji=emoji, person=person):
            people = (*message.reactions.get(emoji, ()), person.id)
            return attrs.evolve(message, reactions={**message.reactions, emoji: people})
        case ReactionRemoved(emoji=emoji, person=person):
            people = tuple(other for other in message.reactions.get(emoji, ()) if other != person.id)
            reactions = {other: who for other, who in message.reactions.items() if other != emoji}
            return attrs.evolve(message, reactions={**reactions, emoji: people} if people else reactions)
        case _:
            return message


def blank(message: Message) -> Message:
    """The tombstone of a message."""
    return attrs.evolve(message, content="", attachments=(), reactions={}, deleted=True, digest=None)


def check_content(content: str) -> None:
    """Refuses an invalid text of a message. A valid text is stored exactly as written."""
    words = None
    if not content or content.isspace():
        words = "A message cannot be empty."
    elif len(content) > CONTENT_LENGTH_MAX:
        words = f"A message has at most {CONTENT_LENGTH_MAX} characters; this one has {len(content)}."
    elif has_refused_characters(content):
        words = "A message cannot contain control characters other than tab and newline."
    if words is not None:
        raise Refused("invalid", words, fields={"content": words})


def has_refused_characters(text: str) -> bool:
    """Whether the text contains a control character other than tab and newline, or a lone surrogate."""
    return not text.isprintable() and _REFUSED_CHARACTERS.search(text) is not None  # the first check is cheap


def writer(conversation: Conversation, person: PersonId) -> Member:
    """The member that may write here; refuses everybody else."""
    member = conversation.member(person)
    match conversation:
        case Room():
            if member is None:
                raise rooms.unknown()
            if conversation.state is RoomState.ENDED:
                raise Refused("wrong_state", "This room has ended.")
        case Channel():
            if conversation.deleted or (conversation.private and member is None):
                raise rooms.unknown()  # as if it did not exist
            if member is None:
                raise Refused("not_member", "Join the channel first.")
    if member is None:
        raise Refused("not_member", "You are not a member of this conversation.")
    return member


def unknown() -> Refused:
    """The same refusal for a message that does not exist and for one that the caller may not see."""
    return Refused("unknown_message", "Message not found.")


def digest(command: Post) -> str:
    """A fingerprint of a post's body: a repeated ``client_id`` must come with the same fingerprint."""
    parts = (command.content, command.reply_to or "", *command.attachments)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _repeat(command: Post, repeated: Message) -> tuple[Logged, ...]:
    _check_post(command)
    if not repeated.deleted and repeated.digest != digest(command):
        raise Refused("client_id_reused", "This client_id was already used for another message.")
    return ()


def _check_post(command: Post) -> None:
    check_content(command.content)
    if command.attachments and len(command.attachments) > ATTACHMENTS_MAX:
        words = f"A message has at most {ATTACHMENTS_MAX} attachments."
        raise Refused("invalid", words, fields={"attachments": words})
    if command.client_id is not None:
        _check_client_id(command.client_id)


def _post(
    conversation: Conversation,
    command: Post,
    member: Member,
    by: Person,
    now: float,
    new_id: MessageId,
    target: Message | None,
) -> tuple[Logged, ...]:
    _check_post(command)
    if command.reply_to is not None and (target is None or target.conversation != conversation.id):
        raise unknown()
    seq = conversation.head + 1
    message = Message(
        id=new_id,
        conversation=conversation.id,
        seq=seq,
        by=by.id,
        author=member.card,
        content=command.content,
        created_at=now,
        reply_to=command.reply_to,
        attachments=command.attachments,
        client_id=command.client_id,
        digest=None if command.client_id is None else digest(command),
    )
    return (MessagePosted(conversation=conversation.id, seq=seq, at=now, by=by.id, message=message),)


def _edit(
    conversation: Conversation, command: Edit, target: Message, by: Person, now: float
) -> tuple[Logged, ...]:
    if target.by != by.id:
        raise Refused("not_yours", "Only the author can edit a message.")
    if target.deleted:
        raise Refused("wrong_state", "This message was deleted.")
    check_content(command.content)
    if command.content == target.content:
        return ()
    values = {"message_id": target.id, "content": command.content}
    return (_fact(MessageEdited, conversation, by, now, **values),)


def _delete(
    conversation: Conversation, target: Message, member: Member, by: Person, now: float
) -> tuple[Logged, ...]:
    if target.by != by.id and member.role not in (Role.OWNER, Role.MODERATOR):
        raise Refused("not_yours", "Only the author can delete a message.")
    if target.deleted:
        return ()
    values = {"message_id": target.id, "person": member.card}
    return (_fact(MessageDeleted, conversation, by, now, **values),)


def _react(
    conversation: Conversation, command: React, target: Message, member: Member, by: Person, now: float
) -> tuple[Logged, ...]:
    emoji = command.emoji
    if not emoji.strip() or len(emoji) > EMOJI_LENGTH_MAX or has_refused_characters(emoji):
        words = f"A reaction is one emoji of at most {EMOJI_LENGTH_MAX} characters."
        raise Refused("invalid", words, fields={"emoji": words})
    if target.deleted:
        raise Refused("wrong_state", "This message was deleted.")
    people = target.reactions.get(emoji, ())
    if member.card.id in people:
        return ()
    if not people and len(target.reactions) >= REACTIONS_PER_MESSAGE_MAX:
        raise Refused("invalid", f"A message has at most {REACTIONS_PER_MESSAGE_MAX} different reactions.")
    if len(people) >= REACTORS_PER_EMOJI_MAX:
        raise Refused("invalid", "This reaction is full.")
    values = {"message_id": target.id, "emoji": emoji, "person": member.card}
    return (_fact(ReactionAdded, conversation, by, now, **values),)


def _check_client_id(client_id: str) -> None:
    wrong = not 1 <= len(client_id) <= CLIENT_ID_LENGTH_MAX or has_refused_characters(client_id)
    if wrong:
        words = f"A client_id has 1 to {CLIENT_ID_LENGTH_MAX} characters."
        raise Refused("invalid", words, fields={"client_id": words})


def _fact(kind: type[_L], conversation: Conversation, by: Person, now: float, **values: object) -> _L:
    return kind(conversation=conversation.id, seq=conversation.head + 1, at=now, by=by.id, **values)
