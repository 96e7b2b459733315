"""A batch: the rows that a group of changes writes, table by table.

The driver writes them in the order of the fields. Not here: reads.
"""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import attrs

from chat_core.adapters.sql.operations.notifications import steps as notice_steps
from chat_core.adapters.sql.schema import statements as sql
from chat_core.adapters.sql.schema.event_rows import Row, event_row
from chat_core.adapters.sql.schema.rows import member_row, message_row, opening_row, state_row, terms_text
from chat_core.model.conversation import Conversation, Member, Room
from chat_core.model.errors import InvariantBroken
from chat_core.model.events import (
    ChannelDeleted,
    Logged,
    MemberJoined,
    MemberLeft,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    OwnerChanged,
    ReactionAdded,
    ReactionRemoved,
    RoleChanged,
)
from chat_core.model.ids import PersonId
from chat_core.ports import Change

Step: TypeAlias = tuple[str, Row]

# These change only the head of a conversation.
_ABOUT_MESSAGES: Final = frozenset({MessageEdited, MessageDeleted, ReactionAdded, ReactionRemoved})


@attrs.define
class Batch:
    """The rows of a group of changes, in the order of the changes.

    If not all of ``openings``, ``heads`` or ``messages`` could be written, another
    write came first: then the driver must undo the whole batch.
    """

    openings: list[tuple[Row, Row]] = attrs.field(factory=list)  # of conversations, of heads
    heads: list[Row] = attrs.field(factory=list)  # id, expected, head
    states: list[Row] = attrs.field(factory=list)
    events: list[Row] = attrs.field(factory=list)
    messages: list[Row] = attrs.field(factory=list)
    steps: list[Step] = attrs.field(factory=list)  # single statements, last and in order


def batch(changes: Iterable[Change]) -> Batch:
    """The rows that these changes write. Raises ``InvariantBroken`` if events do not lead to ``after``."""
    written = Batch()
    for change in changes:
        _add(written, change)
    return written


def posted(change: Change) -> Sequence[tuple[PersonId, str]]:
    """The (author, client_id) pairs of the change's posts."""
    return [
        (event.message.by, event.message.client_id)
        for event in change.events
        if isinstance(event, MessagePosted) and event.message.client_id is not None
    ]


def _add(written: Batch, change: Change) -> None:
    after, events = change.after, change.events
    seq = change.expected or 0
    more_than_messages = False
    for event in events:
        seq += 1
        if event.seq != seq or event.conversation != after.id:
            raise InvariantBroken(f"seq {event.seq} of {event.conversation} as {seq} of {after.id}")
        if isinstance(event, MessagePosted):
            written.messages.append(_post_row(event))
            continue
        written.events.append(event_row(event))
        if type(event) in _ABOUT_MESSAGES:
            written.steps.extend(_about_message(event))
        else:
            more_than_messages = True
    if seq != after.head:
        raise InvariantBroken(f"{after.id} is at {after.head} after event {seq}")
    if change.notifications:
        written.steps.extend(notice_steps(change.notifications))
    if change.expected is None:
        written.openings.append((opening_row(after), (after.id, after.head)))
        written.steps.extend(_first_members(after))
        return
    written.heads.append((after.id, change.expected, after.head))
    if more_than_messages:
        written.states.append(state_row(after))
        for event in events:
            written.steps.extend(_about_members(after, event))


def _post_row(event: MessagePosted) -> Row:
    """A message's row. It is also the row of its event, so both must agree."""
    message = event.message
    if (message.seq, message.created_at, message.by) != (event.seq, event.at, event.by):
        raise InvariantBroken(f"a post of {event.conversation} whose message differs from its event")
    return message_row(message)


def _about_message(event: Logged) -> Sequence[Step]:
    """The same as ``rules.messages.apply``."""
    match event:
        case MessageEdited(message_id=message, content=content, at=at):
            return ((sql.EDIT, (message, content, at, terms_text(content))),)
        case MessageDeleted(message_id=message):
            return ((sql.BLANK, (message,)), (sql.DROP_REACTIONS, (message,)))
        case ReactionAdded(message_id=message, emoji=emoji, person=card, seq=seq):
            return ((sql.REACT, (message, emoji, card.id, seq)),)
        case ReactionRemoved(message_id=message, emoji=emoji, person=card, seq=seq):
            # apply moves the emoji that lost a reaction to the last place.
            return (
                (sql.UNREACT, (message, emoji, card.id)),
                (sql.LAST_EMOJI, (message, emoji, seq)),
            )
        case _:
            return ()


def _about_members(after: Conversation, event: Logged) -> Sequence[Step]:
    match event:
        case MemberJoined(member=person) | RoleChanged(member=person):
            return _put(after, person, event.seq)
        case MemberLeft(member=person):
            member = after.members.get(person)
            if member is not None and member.left:
                return _put(after, person, event.seq)
            return ((sql.DROP_MEMBER, (after.id, person)),)
        case OwnerChanged(owner=owner):
            return ((sql.DEMOTE_OWNERS, (after.id,)), *_put(after, owner, event.seq))
        case ChannelDeleted():
            return ((sql.DROP_MEMBERS, (after.id,)),)
        case _:
            return ()


def _put(after: Conversation, person: PersonId, place: int) -> Sequence[Step]:
    member = after.members.get(person)
    return () if member is None else _member_steps(after, person, member, place)


def _first_members(after: Conversation) -> Sequence[Step]:
    """The first members of a conversation come before all later ones: their places are at or below 0."""
    first = 1 - len(after.members)
    return [
        step
        for place, (person, member) in enumerate(after.members.items(), first)
        for step in _member_steps(after, person, member, place)
    ]


def _member_steps(after: Conversation, person: PersonId, member: Member, place: int) -> Sequence[Step]:
    """The statements for a member's row: a room keeps people who left, a channel does not."""
    put = (sql.PUT_MEMBER, member_row(after, person, member, place))
    return (put,) if isinstance(after, Room) else (put, (sql.REMEMBER_MEMBER, (person, after.id)))
