"""Events <-> rows. ``KINDS`` gives each kind of event its stored name, which never changes.

``MessagePosted`` is not included: a message's row is its event. No event's row contains
the text of an edited message either: ``event`` gets the current text as an argument.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import attrs

from chat_core.model.conversation import EndReason, Role, RoomOutcome, RoomState
from chat_core.model.errors import InvariantBroken
from chat_core.model.events import (
    ChannelDeleted,
    CountdownStarted,
    DataPublished,
    DecisionOpened,
    KeepAsked,
    KeepDeclined,
    LeaveReason,
    Logged,
    MemberJoined,
    MemberLeft,
    MessageDeleted,
    MessageEdited,
    OwnerChanged,
    ReactionAdded,
    ReactionRemoved,
    RoleChanged,
    RoomEnded,
    RoomEvent,
    RoomKept,
)
from chat_core.model.ids import ConversationId
from chat_core.model.person import Card

Row: TypeAlias = tuple[Any, ...]

KINDS: Final[Mapping[str, type[Logged]]] = {
    "message_edited": MessageEdited,
    "message_deleted": MessageDeleted,
    "reaction_added": ReactionAdded,
    "reaction_removed": ReactionRemoved,
    "member_joined": MemberJoined,
    "member_left": MemberLeft,
    "owner_changed": OwnerChanged,
    "role_changed": RoleChanged,
    "channel_deleted": ChannelDeleted,
    "data_published": DataPublished,
    "countdown_started": CountdownStarted,
    "keep_asked": KeepAsked,
    "keep_declined": KeepDeclined,
    "decision_opened": DecisionOpened,
    "room_kept": RoomKept,
    "room_ended": RoomEnded,
}
_NAMES: Final = {kind: name for name, kind in KINDS.items()}

# Not in the body: fields with a column, and the text.
_OUTSIDE: Final = frozenset({"at", "by", "conversation", "seq", "message_id", "content"})
_FIELDS: Final = {
    kind: tuple(field.name for field in attrs.fields(kind) if field.name not in _OUTSIDE)
    for kind in KINDS.values()
}


def _card(value: list[str]) -> Card:
    return Card(id=value[0], username=value[1], display_name=value[2])


_READ: Final[Mapping[str, Callable[[Any], object]]] = {
    "person": _card,
    "state": RoomState,
    "outcome": RoomOutcome,
    "role": Role,
}


def to_json(value: object) -> str:
    """Compact JSON, as it is stored. NaN and the infinities are refused (``ValueError``)."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def event_row(event: Logged) -> Row:
    """The event as a row of ``events``: conversation, seq, at, person, kind, message, body."""
    kind = type(event)
    if kind not in _NAMES:
        raise InvariantBroken(f"{kind.__name__} has no name to be stored under")
    values = {name: _plain(getattr(event, name)) for name in _FIELDS[kind]}
    about = getattr(event, "message_id", None)
    body = to_json(values) if values else None
    return event.conversation, event.seq, event.at, event.by, _NAMES[kind], about, body


def event(conversation: ConversationId, row: Row) -> Logged:
    """The event of a row: seq, at, person, kind, message, body, and the current message text."""
    seq, at, by, kind, about, body, content = row
    cls = KINDS.get(kind)
    common: dict[str, Any] = {"conversation": conversation, "seq": seq, "at": at, "by": by}
    if cls is None:
        raise InvariantBroken(f"an event of kind {kind} in {conversation}")
    if cls is MessageEdited:
        return MessageEdited(message_id=about, content=content or "", **common)
    values: dict[str, Any] = {
        name: _value(cls, name, value) for name, value in json.loads(body or "{}").items()
    }
    if about is not None:
        values["message_id"] = about
    return cls(**common, **values)


def _plain(value: object) -> object:
    return [value.id, value.username, value.display_name] if isinstance(value, Card) else value


def _value(kind: type[Logged], name: str, value: Any) -> object:
    if value is None:
        return None
    if name == "reason":
        return EndReason(value) if issubclass(kind, RoomEvent) else LeaveReason(value)
    read = _READ.get(name)
    return value if read is None else read(value)
