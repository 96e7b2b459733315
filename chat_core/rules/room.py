"""The room: a state table, and two pure functions on it.

    IDLE --start--> COUNTDOWN --tick--> NOTIFICATION --all keep--> IDLE, kept
                        |                    |
                        +-- all keep --> IDLE, kept      otherwise --> ENDED

``TRANSITIONS`` lists every allowed transition. The diagram in ARCHITECTURE.md is
generated from it. Not here: messages and timers; a room only has the time of its
next transition (``Room.deadline``), and ``Tick`` is an ordinary command that does
nothing if nothing is due.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar, assert_never

import attrs

from chat_core.model.commands import Close, Decline, End, Keep, Leave, RoomCommand, Start, Tick
from chat_core.model.conversation import Decision, EndReason, Room, RoomOutcome, RoomState
from chat_core.model.errors import InvariantBroken, Refused
from chat_core.model.events import (
    CountdownStarted,
    DecisionOpened,
    KeepAsked,
    KeepDeclined,
    LeaveReason,
    Logged,
    MemberLeft,
    MessagePosted,
    RoomEnded,
    RoomEvent,
    RoomKept,
)
from chat_core.model.ids import PersonId

IDLE, COUNTDOWN, NOTIFICATION, ENDED = RoomState

TRANSITIONS: Final[Mapping[RoomState, Mapping[type[RoomEvent], RoomState]]] = {
    IDLE: {
        CountdownStarted: COUNTDOWN,
        RoomEnded: ENDED,
    },
    COUNTDOWN: {
        KeepAsked: COUNTDOWN,
        KeepDeclined: COUNTDOWN,
        DecisionOpened: NOTIFICATION,
        RoomKept: IDLE,
        RoomEnded: ENDED,
    },
    NOTIFICATION: {
        KeepAsked: NOTIFICATION,
        KeepDeclined: NOTIFICATION,
        RoomKept: IDLE,
        RoomEnded: ENDED,
    },
    ENDED: {},
}

MEMBERS_MIN: Final = 2  # with fewer people, no conversation is possible

_R = TypeVar("_R", bound=RoomEvent)


def decide(room: Room, command: RoomCommand, *, by: PersonId | None = None, now: float) -> tuple[Logged, ...]:
    """Decides the events of a command by ``by`` at ``now``. Refuses what is not allowed.

    Due transitions come first: an answer at or after the deadline is too late,
    whether or not the alarm has fired.
    """
    due = _due(room, now)
    if isinstance(command, Tick):
        return due
    room = fold(room, due)
    if isinstance(command, Close):
        if by is not None:
            raise InvariantBroken("Close asked by a person")
        return due + (() if room.state is ENDED else (_ended(room, command.reason, now),))
    if by is None or room.member(by) is None:
        raise unknown()
    return due + _asked(room, command, by, now)


def evolve(room: Room, event: Logged) -> Room:
    """The room after the event."""
    if event.seq != room.head + 1:
        raise InvariantBroken(f"seq {event.seq} after {room.head} in {room.id}")
    if isinstance(event, MessagePosted):  # first: it is the most frequent
        return room.advanced(event.seq)
    if isinstance(event, MemberLeft):
        if event.member not in room.members:
            raise InvariantBroken(f"a stranger leaves {room.id}")
        gone = attrs.evolve(room.members[event.member], left=True)
        return attrs.evolve(room, head=event.seq, members={**room.members, event.member: gone})
    if not isinstance(event, RoomEvent):
        return room.advanced(event.seq)
    if TRANSITIONS[room.state].get(type(event)) is not event.state:
        raise InvariantBroken(f"{type(event).__name__} in {room.state} of {room.id}")
    return attrs.evolve(
        room,
        head=event.seq,
        state=event.state,
        outcome=event.outcome,
        deadline=event.deadline,
        reason=event.reason,
        ended_at=event.at if event.state is ENDED else None,
        answers=_answers(room, event),
        kept_before=room.kept_before or isinstance(event, RoomKept),
    )


def fold(room: Room, events: Iterable[Logged]) -> Room:
    """The room after all the events, in their order."""
    for event in events:
        room = evolve(room, event)
    return room


def opening(room: Room, *, now: float) -> tuple[Logged, ...]:
    """The first events of a room made by a lobby: its countdown starts at once, if it has one."""
    countdown_s = room.rules.countdown_s
    return () if countdown_s is None else (_started(room, countdown_s, None, now),)


def _asked(
    room: Room, command: Start | Keep | Decline | End | Leave, by: PersonId, now: float
) -> tuple[Logged, ...]:
    match command:
        case Start():
            return _start(room, by, now)
        case Keep(in_answer=in_answer):
            return _keep(room, by, now, in_answer=in_answer)
        case Decline():
            return _decline(room, by, now)
        case End():
            if room.state is ENDED:
                raise Refused("wrong_state", "This room has ended.")
            return (_ended(room, EndReason.ENDED_BY_MEMBER, now, by=by),)
        case Leave():
            return _leave(room, command, by, now)
        case _:
            assert_never(command)


def _due(room: Room, now: float) -> tuple[RoomEvent, ...]:
    if room.deadline is None or now < room.deadline:
        return ()
    if room.state is COUNTDOWN:
        # A decision that opens late still lasts its full time from then on.
        return (_fact(DecisionOpened, room, now, deadline=now + room.rules.notification_s),)
    return (_ended(room, EndReason.NO_RESPONSE, now),)


def _start(room: Room, by: PersonId, now: float) -> tuple[RoomEvent, ...]:
    if room.state is not IDLE:
        raise Refused("wrong_state", "The countdown is already running, or the room has ended.")
    if room.rules.countdown_s is None:
        raise Refused("wrong_state", "This room has no countdown.")
    return (_started(room, room.rules.countdown_s, by, now),)


def _started(room: Room, countdown_s: float, by: PersonId | None, now: float) -> RoomEvent:
    return _fact(CountdownStarted, room, now, by=by, deadline=now + countdown_s)


def _keep(room: Room, by: PersonId, now: float, *, in_answer: bool) -> tuple[RoomEvent, ...]:
    if room.state not in (COUNTDOWN, NOTIFICATION):
        raise Refused("wrong_state", "There is nothing to decide in this room right now.")
    if in_answer and not _is_asked(room, by):
        raise Refused("nothing_to_answer", "Nobody has asked you to keep this room.")
    if room.answers.get(by) is Decision.KEEP:
        return ()
    asked = _fact(KeepAsked, room, now, by=by, deadline=room.deadline, member=by)
    after = evolve(room, asked)
    if after.waiting_for():
        return (asked,)
    return asked, _kept(after, by, now)


def _decline(room: Room, by: PersonId, now: float) -> tuple[RoomEvent, ...]:
    if not _is_asked(room, by) or room.state not in (COUNTDOWN, NOTIFICATION):
        raise Refused("nothing_to_answer", "Nobody has asked you to keep this room.")
    if room.answers.get(by) is Decision.DECLINED:
        return ()
    return (_fact(KeepDeclined, room, now, by=by, deadline=room.deadline, member=by),)


def _is_asked(room: Room, by: PersonId) -> bool:
    return any(room.answers.get(other) is Decision.KEEP for other in room.present() if other != by)


def _leave(room: Room, command: Leave, by: PersonId, now: float) -> tuple[Logged, ...]:
    if room.state is ENDED:
        return ()
    left = MemberLeft(
        conversation=room.id,
        seq=room.head + 1,
        at=now,
        by=by,
        member=by,
        person=room.members[by].card,
        reason=LeaveReason.DISCONNECTED if command.disconnected else LeaveReason.LEFT,
    )
    after = evolve(room, left)
    if sum(1 for _ in after.present()) < MEMBERS_MIN:
        return left, _ended(after, EndReason.MEMBER_LEFT, now, by=by)
    if after.state in (COUNTDOWN, NOTIFICATION) and not after.waiting_for():
        return left, _kept(after, by, now)  # the person who left was the last without an answer
    return (left,)


def _kept(room: Room, by: PersonId, now: float) -> RoomEvent:
    return _fact(RoomKept, room, now, by=by, outcome=RoomOutcome.KEPT)


def _ended(room: Room, reason: EndReason, now: float, *, by: PersonId | None = None) -> RoomEvent:
    return _fact(RoomEnded, room, now, by=by, outcome=RoomOutcome.ENDED, reason=reason)


def _fact(kind: type[_R], room: Room, now: float, **values: object) -> _R:
    """The next event of the room, with the state that the table gives for it."""
    state = TRANSITIONS[room.state].get(kind)
    if state is None:
        raise InvariantBroken(f"{kind.__name__} in {room.state} of {room.id}")
    return kind(conversation=room.id, seq=room.head + 1, at=now, state=state, **values)  # type: ignore[arg-type]


def _answers(room: Room, event: RoomEvent) -> Mapping[PersonId, Decision]:
    match event:
        case KeepAsked(member=member):
            return {**room.answers, member: Decision.KEEP}
        case KeepDeclined(member=member):
            return {**room.answers, member: Decision.DECLINED}
        case CountdownStarted():
            return {}
        case _:
            return room.answers


def unknown() -> Refused:
    """The same refusal for a room that does not exist and for one that the caller may not see."""
    return Refused("unknown_room", "Room not found.")
