"""Rooms with a lifecycle, as scripts of people, commands and times."""

import itertools
from collections.abc import Iterator, Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_core.model import events
from chat_core.model.commands import (
    Close,
    Decline,
    End,
    Keep,
    Leave,
    Post,
    RoomCommand,
    Start,
    Tick,
)
from chat_core.model.conversation import Decision, EndReason, Room, RoomOutcome, RoomState
from chat_core.model.errors import Code, InvariantBroken, Refused
from chat_core.model.events import (
    CountdownStarted,
    DecisionOpened,
    KeepAsked,
    KeepDeclined,
    LeaveReason,
    Logged,
    MemberLeft,
    RoomEnded,
    RoomEvent,
    RoomKept,
)
from chat_core.model.person import Person
from chat_core.rules import room as rules
from tests.support.command_scripts import OPEN_ENDED, R, ann, bob, cat, eve, new_room, only, refused, run

IDLE, COUNTDOWN, NOTIFICATION, ENDED = RoomState

START, KEEP, DECLINE, END, LEAVE, TICK = (kind(room=R) for kind in (Start, Keep, Decline, End, Leave, Tick))
CLOSE = Close(room=R, reason=EndReason.MODERATED)

# One way into each state of a room.
IN_IDLE = new_room()
IN_COUNTDOWN = run(IN_IDLE, (0, ann, START)).after
IN_COUNTDOWN_ASKED = run(IN_COUNTDOWN, (10, ann, KEEP)).after
IN_NOTIFICATION = run(IN_COUNTDOWN, (300, None, TICK)).after
IN_NOTIFICATION_ASKED = run(IN_NOTIFICATION, (310, ann, KEEP)).after
IN_KEPT = run(IN_COUNTDOWN_ASKED, (20, bob, KEEP)).after
IN_ENDED = run(IN_COUNTDOWN, (20, bob, END)).after
SITUATIONS = {
    "idle": IN_IDLE,
    "countdown": IN_COUNTDOWN,
    "countdown, ann kept": IN_COUNTDOWN_ASKED,
    "notification": IN_NOTIFICATION,
    "notification, ann kept": IN_NOTIFICATION_ASKED,
    "kept": IN_KEPT,
    "ended": IN_ENDED,
}


# The countdown


def test_a_room_made_by_a_lobby_starts_its_countdown_at_once() -> None:
    fact = only(rules.opening(IN_IDLE, now=5.0))
    room = rules.evolve(IN_IDLE, fact)
    assert (room.state, room.deadline, room.outcome, fact.by) == (COUNTDOWN, 305.0, None, None)


def test_a_room_without_a_countdown_opens_with_nothing_and_refuses_to_start_one() -> None:
    room = new_room(rules=OPEN_ENDED)
    assert rules.opening(room, now=5.0) == ()
    refused(room, (5, ann, START), code="wrong_state")


def test_a_room_made_by_hand_is_idle_until_a_member_starts_it() -> None:
    assert (IN_IDLE.state, IN_IDLE.outcome, IN_IDLE.deadline) == (IDLE, None, None)
    told = run(IN_IDLE, (7, bob, START))
    assert (told.names, told.after.state, told.after.deadline) == (["CountdownStarted"], COUNTDOWN, 307.0)
    assert only(told.facts).by == bob.id


@pytest.mark.parametrize("situation", ["countdown", "notification", "ended"])
def test_starting_again_is_refused_while_it_runs_and_after_the_end(situation: str) -> None:
    refused(SITUATIONS[situation], (301, ann, START), code="wrong_state")


def test_a_tick_before_the_deadline_does_nothing() -> None:
    assert run(IN_COUNTDOWN, (299.999, None, TICK)).facts == ()


def test_at_the_deadline_the_decision_opens_for_30_seconds() -> None:
    told = run(IN_COUNTDOWN, (300, None, TICK))
    assert (told.names, told.after.state, told.after.deadline) == (["DecisionOpened"], NOTIFICATION, 330.0)


def test_a_late_tick_opens_the_decision_with_its_full_30_seconds_from_then() -> None:
    told = run(IN_COUNTDOWN, (5000, None, TICK))
    assert (told.names, told.after.state, told.after.deadline) == (["DecisionOpened"], NOTIFICATION, 5030.0)


def test_no_phase_is_skipped_however_late_the_tick() -> None:
    told = run(IN_COUNTDOWN, (5000, None, TICK), (5000, None, TICK), (5029, None, TICK))
    assert told.names == ["DecisionOpened"]
    assert run(told.after, (5030, None, TICK)).after.reason is EndReason.NO_RESPONSE


def test_a_doubled_tick_does_nothing_the_second_time() -> None:
    assert run(IN_COUNTDOWN, (300, None, TICK), (300, None, TICK)).names == ["DecisionOpened"]
    assert run(IN_NOTIFICATION, (330, None, TICK), (330, None, TICK)).names == ["RoomEnded"]


@pytest.mark.parametrize("situation", ["idle", "kept", "ended"])
def test_a_tick_does_nothing_where_nothing_is_pending(situation: str) -> None:
    assert run(SITUATIONS[situation], (1e9, None, TICK)).facts == ()


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_deadline_is_pending_in_countdown_and_notification_only(situation: str) -> None:
    room = SITUATIONS[situation]
    assert (room.deadline is not None) == (room.state in (COUNTDOWN, NOTIFICATION))


# Keeping


def test_both_keep_early_and_the_room_is_kept_at_once() -> None:
    told = run(IN_COUNTDOWN, (10, ann, KEEP), (20, bob, KEEP))
    assert told.names == ["KeepAsked", "KeepAsked", "RoomKept"]
    room = told.after
    assert (room.state, room.outcome, room.deadline, room.reason) == (IDLE, RoomOutcome.KEPT, None, None)
    assert room.ended_at is None
    assert not room.is_live


def test_one_keep_leaves_the_countdown_as_it_was() -> None:
    room = run(IN_COUNTDOWN, (10, ann, KEEP)).after
    assert (room.state, room.deadline, room.waiting_for()) == (COUNTDOWN, 300.0, 1)


def test_an_early_keep_still_counts_in_the_decision() -> None:
    told = run(IN_COUNTDOWN, (10, ann, KEEP), (300, None, TICK), (310, bob, KEEP))
    assert told.names == ["KeepAsked", "DecisionOpened", "KeepAsked", "RoomKept"]


def test_a_keep_in_the_decision_leaves_its_deadline_as_it_was() -> None:
    assert IN_NOTIFICATION_ASKED.deadline == 330.0


def test_a_repeated_keep_changes_nothing() -> None:
    assert run(IN_COUNTDOWN_ASKED, (11, ann, KEEP), (12, ann, KEEP)).facts == ()
    assert run(IN_NOTIFICATION_ASKED, (311, ann, KEEP)).facts == ()


@pytest.mark.parametrize("situation", ["idle", "kept", "ended"])
def test_keep_is_refused_where_there_is_nothing_to_decide(situation: str) -> None:
    refused(SITUATIONS[situation], (20, ann, KEEP), code="wrong_state")


def test_a_keep_may_be_changed_to_end() -> None:
    told = run(IN_COUNTDOWN_ASKED, (11, ann, END))
    assert (told.names, told.after.reason) == (["RoomEnded"], EndReason.ENDED_BY_MEMBER)


def test_after_keep_and_end_the_others_keep_comes_too_late() -> None:
    refused(IN_COUNTDOWN_ASKED, (11, ann, END), (12, bob, KEEP), code="wrong_state")


def test_a_keep_that_comes_at_the_end_of_the_countdown_opens_the_decision_first() -> None:
    told = run(IN_COUNTDOWN, (300, ann, KEEP))
    assert told.names == ["DecisionOpened", "KeepAsked"]
    assert (told.after.state, told.after.deadline) == (NOTIFICATION, 330.0)


def test_an_answer_just_before_the_deadline_counts() -> None:
    assert run(IN_NOTIFICATION_ASKED, (329.999, bob, KEEP)).after.outcome is RoomOutcome.KEPT


@pytest.mark.parametrize("at", [330.0, 330.001, 9999.0])
@pytest.mark.parametrize("answer", [KEEP, END], ids=["keep", "end"])
def test_an_answer_at_or_after_the_deadline_is_too_late_wherever_the_alarm_stands(
    at: float, answer: RoomCommand
) -> None:
    refused(IN_NOTIFICATION_ASKED, (at, bob, answer), code="wrong_state")
    told = run(IN_NOTIFICATION_ASKED, (at, None, TICK))
    assert (told.names, told.after.reason) == (["RoomEnded"], EndReason.NO_RESPONSE)
    refused(told.after, (at, bob, answer), code="wrong_state")


def test_when_both_answer_at_the_deadline_both_are_too_late() -> None:
    refused(IN_NOTIFICATION, (330, ann, KEEP), code="wrong_state")
    refused(IN_NOTIFICATION, (330, bob, KEEP), code="wrong_state")
    assert run(IN_NOTIFICATION, (330, None, TICK)).after.reason is EndReason.NO_RESPONSE


def test_a_decision_without_answers_ends_the_room() -> None:
    room = run(IN_NOTIFICATION, (330, None, TICK)).after
    assert (room.state, room.outcome, room.reason) == (ENDED, RoomOutcome.ENDED, EndReason.NO_RESPONSE)
    assert (room.ended_at, room.deadline) == (330.0, None)


def test_a_message_at_the_deadline_is_too_late_as_well() -> None:
    refused(IN_NOTIFICATION, (330, ann, Post(conversation=R, content="hi")), code="wrong_state")
    told = run(IN_NOTIFICATION, (329, ann, Post(conversation=R, content="hi")))
    assert told.names == ["MessagePosted"]


def test_a_message_at_the_end_of_the_countdown_opens_the_decision_first() -> None:
    told = run(IN_COUNTDOWN, (300, ann, Post(conversation=R, content="hi")))
    assert told.names == ["DecisionOpened", "MessagePosted"]


# A second countdown


def test_a_kept_room_may_start_another_countdown_which_asks_everybody_anew() -> None:
    told = run(IN_KEPT, (1000, bob, START))
    room = told.after
    assert (room.state, room.outcome, room.deadline) == (COUNTDOWN, None, 1300.0)
    assert (dict(room.answers), room.waiting_for()) == ({}, 2)


def test_one_keep_does_not_keep_the_room_a_second_time() -> None:
    told = run(IN_KEPT, (1000, bob, START), (1001, bob, KEEP))
    assert (told.after.state, told.after.waiting_for()) == (COUNTDOWN, 1)
    assert run(told.after, (1300, None, TICK), (1330, None, TICK)).after.reason is EndReason.NO_RESPONSE


def test_a_kept_room_may_be_kept_again() -> None:
    told = run(IN_KEPT, (1000, bob, START), (1001, bob, KEEP), (1002, ann, KEEP))
    assert (told.after.state, told.after.outcome) == (IDLE, RoomOutcome.KEPT)


def test_a_room_that_was_kept_once_never_takes_a_place_in_its_lobby_again() -> None:
    assert [r.holds_place for r in (IN_IDLE, IN_COUNTDOWN, IN_NOTIFICATION)] == [True] * 3
    assert not IN_KEPT.holds_place
    assert not IN_ENDED.holds_place
    again = run(IN_KEPT, (1000, bob, START)).after
    assert again.is_live
    assert again.kept_before
    assert not again.holds_place
    assert not new_room(lobby="").holds_place


# Declining


@pytest.mark.parametrize("situation", ["countdown, ann kept", "notification, ann kept"])
def test_declining_lets_the_clock_run_on_and_the_askers_keep_stands(situation: str) -> None:
    room = SITUATIONS[situation]
    told = run(room, (311 if room.state is NOTIFICATION else 11, bob, DECLINE))
    assert told.names == ["KeepDeclined"]
    assert (told.after.state, told.after.deadline) == (room.state, room.deadline)
    assert told.after.answers == {ann.id: Decision.KEEP, bob.id: Decision.DECLINED}
    assert told.after.waiting_for() == 1


def test_declining_twice_is_declining_once() -> None:
    assert run(IN_COUNTDOWN_ASKED, (11, bob, DECLINE), (12, bob, DECLINE)).names == ["KeepDeclined"]


@pytest.mark.parametrize("situation", ["idle", "countdown", "notification", "kept", "ended"])
def test_there_is_nothing_to_decline_where_nobody_asked(situation: str) -> None:
    refused(SITUATIONS[situation], (20, bob, DECLINE), code="nothing_to_answer")


def test_nobody_declines_the_own_keep() -> None:
    refused(IN_COUNTDOWN_ASKED, (11, ann, DECLINE), code="nothing_to_answer")


def test_there_is_nothing_to_decline_once_the_asker_ended_the_room() -> None:
    refused(IN_COUNTDOWN_ASKED, (11, ann, END), (12, bob, DECLINE), code="nothing_to_answer")


def test_who_declined_may_still_keep() -> None:
    told = run(IN_COUNTDOWN_ASKED, (11, bob, DECLINE), (12, bob, KEEP))
    assert told.names == ["KeepDeclined", "KeepAsked", "RoomKept"]


def test_who_declined_and_says_nothing_more_does_not_keep_the_room() -> None:
    told = run(IN_COUNTDOWN_ASKED, (11, bob, DECLINE), (300, None, TICK), (330, None, TICK))
    assert told.after.reason is EndReason.NO_RESPONSE


def test_asking_again_after_a_decline_changes_nothing() -> None:
    assert run(IN_COUNTDOWN_ASKED, (11, bob, DECLINE), (12, ann, KEEP)).names == ["KeepDeclined"]


# Ending, leaving, closing


@pytest.mark.parametrize("situation", [name for name in SITUATIONS if name != "ended"])
@pytest.mark.parametrize("who", [ann, bob], ids=["ann", "bob"])
def test_any_member_ends_the_room_in_any_state_but_ended(situation: str, who: Person) -> None:
    told = run(SITUATIONS[situation], (299 if "countdown" in situation else 311, who, END))
    assert told.names == ["RoomEnded"]
    room = told.after
    assert (room.state, room.outcome, room.reason) == (ENDED, RoomOutcome.ENDED, EndReason.ENDED_BY_MEMBER)


def test_who_ends_a_room_as_the_decision_falls_due_is_heard_in_the_decision() -> None:
    assert run(IN_COUNTDOWN, (300, ann, END)).names == ["DecisionOpened", "RoomEnded"]


@pytest.mark.parametrize("situation", [name for name in SITUATIONS if name != "ended"])
@pytest.mark.parametrize("gone", [False, True], ids=["left", "disconnected"])
def test_who_leaves_a_pair_ends_it(situation: str, gone: bool) -> None:
    at = 299 if "countdown" in situation else 311
    told = run(SITUATIONS[situation], (at, bob, Leave(room=R, disconnected=gone)))
    assert told.names == ["MemberLeft", "RoomEnded"]
    left = told.facts[0]
    assert isinstance(left, MemberLeft)
    assert left.reason is (LeaveReason.DISCONNECTED if gone else LeaveReason.LEFT)
    assert (left.member, left.person) == (bob.id, bob.card)
    assert told.after.reason is EndReason.MEMBER_LEFT
    assert list(told.after.present()) == [ann.id]
    assert told.after.members[bob.id].left


def test_leaving_a_room_that_has_ended_changes_nothing() -> None:
    assert run(IN_ENDED, (21, ann, LEAVE), (22, ann, LEAVE)).facts == ()
    assert run(IN_NOTIFICATION, (330, ann, LEAVE)).names == ["RoomEnded"]


def test_who_left_is_an_outsider() -> None:
    left = run(new_room(ann, bob, cat), (0, ann, START), (5, cat, LEAVE))
    for command in (START, KEEP, DECLINE, END, LEAVE, Post(conversation=R, content="hi")):
        refused(left.after, (6, cat, command), code="unknown_room")


@pytest.mark.parametrize("situation", [name for name in SITUATIONS if name != "ended"])
@pytest.mark.parametrize("reason", [EndReason.BLOCKED, EndReason.MODERATED])
def test_parley_closes_a_room_in_any_state_but_ended(situation: str, reason: EndReason) -> None:
    at = 299 if "countdown" in situation else 311
    told = run(SITUATIONS[situation], (at, None, Close(room=R, reason=reason)))
    assert (told.names, told.after.reason) == (["RoomEnded"], reason)


def test_closing_a_room_that_has_ended_changes_nothing() -> None:
    assert run(IN_ENDED, (21, None, CLOSE)).facts == ()
    told = run(IN_NOTIFICATION, (330, None, CLOSE))
    assert told.after.reason is EndReason.NO_RESPONSE, "what had fallen due came first"


@pytest.mark.parametrize("who", [ann, eve], ids=["member", "outsider"])
def test_nobody_but_parley_closes_a_room(who: Person) -> None:
    with pytest.raises(InvariantBroken):
        rules.decide(IN_COUNTDOWN, CLOSE, by=who.id, now=5.0)


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("command", [START, KEEP, DECLINE, END, LEAVE], ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("who", [eve, None], ids=["outsider", "nobody"])
def test_for_outsiders_there_is_no_room(situation: str, command: RoomCommand, who: Person | None) -> None:
    refused(SITUATIONS[situation], (20, who, command), code="unknown_room")


# More than two


def test_in_a_room_of_three_all_three_must_keep() -> None:
    room = run(new_room(ann, bob, cat), (0, ann, START), (1, ann, KEEP), (2, bob, KEEP)).after
    assert (room.state, room.waiting_for()) == (COUNTDOWN, 1)
    assert run(room, (3, cat, KEEP)).after.outcome is RoomOutcome.KEPT


def test_a_room_of_three_goes_on_when_one_leaves() -> None:
    told = run(new_room(ann, bob, cat), (0, ann, START), (1, cat, LEAVE))
    assert (told.names, told.after.state) == (["CountdownStarted", "MemberLeft"], COUNTDOWN)
    assert run(told.after, (2, ann, KEEP), (3, bob, KEEP)).after.outcome is RoomOutcome.KEPT


@pytest.mark.parametrize("at", [3.0, 300.0], ids=["countdown", "notification"])
def test_when_the_only_one_who_had_not_kept_leaves_the_room_is_kept(at: float) -> None:
    told = run(new_room(ann, bob, cat), (0, ann, START), (1, ann, KEEP), (2, bob, KEEP), (at, cat, LEAVE))
    assert told.names[-2:] == ["MemberLeft", "RoomKept"]
    assert (told.after.state, told.after.outcome) == (IDLE, RoomOutcome.KEPT)


def test_who_leaves_an_idle_room_of_three_keeps_nothing() -> None:
    told = run(new_room(ann, bob, cat), (1, cat, LEAVE))
    assert (told.names, told.after.outcome) == (["MemberLeft"], None)


def test_the_keep_of_one_who_left_asks_nobody_any_more() -> None:
    room = run(new_room(ann, bob, cat), (0, ann, START), (1, cat, KEEP), (2, cat, LEAVE)).after
    refused(room, (3, bob, DECLINE), code="nothing_to_answer")


# The whole table of commands and states


ANSWERS_TO_EVERY_COMMAND: dict[str, dict[type[RoomCommand], Code | tuple[str, ...]]] = {
    "idle": {
        Start: ("CountdownStarted",),
        Keep: "wrong_state",
        Decline: "nothing_to_answer",
        End: ("RoomEnded",),
        Leave: ("MemberLeft", "RoomEnded"),
        Close: ("RoomEnded",),
        Tick: (),
    },
    "countdown": {
        Start: "wrong_state",
        Keep: ("KeepAsked",),
        Decline: "nothing_to_answer",
        End: ("RoomEnded",),
        Leave: ("MemberLeft", "RoomEnded"),
        Close: ("RoomEnded",),
        Tick: (),
    },
    "countdown, ann kept": {
        Start: "wrong_state",
        Keep: ("KeepAsked", "RoomKept"),
        Decline: ("KeepDeclined",),
        End: ("RoomEnded",),
        Leave: ("MemberLeft", "RoomEnded"),
        Close: ("RoomEnded",),
        Tick: (),
    },
    "notification": {
        Start: "wrong_state",
        Keep: ("KeepAsked",),
        Decline: "nothing_to_answer",
        End: ("RoomEnded",),
        Leave: ("MemberLeft", "RoomEnded"),
        Close: ("RoomEnded",),
        Tick: (),
    },
    "notification, ann kept": {
        Start: "wrong_state",
        Keep: ("KeepAsked", "RoomKept"),
        Decline: ("KeepDeclined",),
        End: ("RoomEnded",),
        Leave: ("MemberLeft", "RoomEnded"),
        Close: ("RoomEnded",),
        Tick: (),
    },
    "kept": {
        Start: ("CountdownStarted",),
        Keep: "wrong_state",
        Decline: "nothing_to_answer",
        End: ("RoomEnded",),
        Leave: ("MemberLeft", "RoomEnded"),
        Close: ("RoomEnded",),
        Tick: (),
    },
    "ended": {
        Start: "wrong_state",
        Keep: "wrong_state",
        Decline: "nothing_to_answer",
        End: "wrong_state",
        Leave: (),
        Close: (),
        Tick: (),
    },
}


def test_the_table_of_answers_names_every_command_in_every_situation() -> None:
    assert ANSWERS_TO_EVERY_COMMAND.keys() == SITUATIONS.keys()
    for row in ANSWERS_TO_EVERY_COMMAND.values():
        assert row.keys() == set(RoomCommand.__args__)


@pytest.mark.parametrize(
    ("situation", "kind"), list(itertools.product(SITUATIONS, ANSWERS_TO_EVERY_COMMAND["idle"]))
)
def test_every_command_in_every_situation(situation: str, kind: type[RoomCommand]) -> None:
    room = SITUATIONS[situation]
    command = CLOSE if kind is Close else kind(room=R)  # type: ignore[call-arg]
    step = (315.0 if room.state is NOTIFICATION else 30.0, None if kind in (Close, Tick) else bob, command)
    match ANSWERS_TO_EVERY_COMMAND[situation][kind]:
        case tuple() as names:
            assert tuple(run(room, step).names) == names
        case code:
            refused(room, step, code=code)


# evolve


ROOM_EVENTS: dict[type[RoomEvent], dict[str, str]] = {
    CountdownStarted: {},
    KeepAsked: {"member": "ann"},
    KeepDeclined: {"member": "ann"},
    DecisionOpened: {},
    RoomKept: {},
    RoomEnded: {},
}


def event_of(kind: type[RoomEvent], *, seq: int, state: RoomState) -> RoomEvent:
    return kind(conversation=R, seq=seq, at=0.0, state=state, **ROOM_EVENTS[kind])  # type: ignore[arg-type]


def test_the_table_of_transitions_knows_every_state_and_every_event_of_a_room() -> None:
    assert set(rules.TRANSITIONS) == set(RoomState)
    every = {
        kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, RoomEvent)
    } - {RoomEvent}
    assert every == ROOM_EVENTS.keys() == {kind for row in rules.TRANSITIONS.values() for kind in row}
    assert rules.TRANSITIONS[ENDED] == {}, "ENDED is final"


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize(
    ("kind", "state"),
    list(itertools.product(ROOM_EVENTS, RoomState)),
    ids=lambda v: getattr(v, "__name__", v),
)
def test_what_is_not_in_the_table_breaks_an_invariant_and_changes_nothing(
    situation: str, kind: type[RoomEvent], state: RoomState
) -> None:
    room = SITUATIONS[situation]
    before = attrs.evolve(room, answers=dict(room.answers), members=dict(room.members))
    event = event_of(kind, seq=room.head + 1, state=state)
    if rules.TRANSITIONS[room.state].get(kind) is state:
        assert rules.evolve(room, event).state is state
    else:
        with pytest.raises(InvariantBroken):
            rules.evolve(room, event)
    assert room == before


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_room_event_without_a_kind_is_not_in_the_table(situation: str) -> None:
    room = SITUATIONS[situation]
    for state in RoomState:
        with pytest.raises(InvariantBroken):
            rules.evolve(room, RoomEvent(conversation=R, seq=room.head + 1, at=0.0, state=state))


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("off_by", [-1, 0, 2])
def test_an_event_out_of_turn_breaks_an_invariant(situation: str, off_by: int) -> None:
    room = SITUATIONS[situation]
    with pytest.raises(InvariantBroken):
        rules.evolve(room, event_of(RoomEnded, seq=room.head + off_by, state=ENDED))


def test_the_leaving_of_who_was_never_there_breaks_an_invariant() -> None:
    left = MemberLeft(conversation=R, seq=1, at=0.0, member=eve.id, person=eve.card)
    with pytest.raises(InvariantBroken):
        rules.evolve(IN_IDLE, left)


def test_a_countdown_cannot_be_opened_twice() -> None:
    with pytest.raises(InvariantBroken):
        rules.opening(IN_ENDED, now=0.0)


# every order of everything


Move = tuple[str, Person | None, RoomCommand, bool]
MOVES: tuple[Move, ...] = (
    ("ann keeps", ann, KEEP, False),
    ("ann ends", ann, END, False),
    ("ann leaves", ann, LEAVE, False),
    ("ann declines", ann, DECLINE, False),
    ("bob keeps", bob, KEEP, False),
    ("bob ends", bob, END, False),
    ("bob leaves", bob, LEAVE, False),
    ("bob declines", bob, DECLINE, False),
    ("somebody starts", ann, START, False),
    ("a tick too early", None, TICK, False),
    ("a tick at the deadline", None, TICK, True),
    ("ann keeps at the deadline", ann, KEEP, True),
    ("bob keeps at the deadline", bob, KEEP, True),
    ("ann ends at the deadline", ann, END, True),
    ("bob leaves at the deadline", bob, LEAVE, True),
)
DEPTH = 8


def decided(room: Room, at: float, by: Person | None, command: RoomCommand) -> tuple[Logged, ...]:
    try:
        return rules.decide(room, command, by=None if by is None else by.id, now=at)
    except Refused:
        return ()


@attrs.frozen
class History:
    """The observable history of one countdown, recorded without the rules."""

    room: Room
    now: float
    kept_by: frozenset[str] = frozenset()  # in time, in this countdown
    outcomes: int = 0  # of this countdown

    def key(self) -> object:
        """Histories with the same key have the same continuations; times are relative to the deadline."""
        room = self.room
        remaining = None if room.deadline is None else room.deadline - self.now
        left = tuple(member.left for member in room.members.values())
        answers = tuple(sorted(room.answers.items()))
        return room.state, room.outcome, room.reason, remaining, answers, left, self.kept_by, self.outcomes


def next_histories(history: History) -> Iterator[History]:
    """All possible next steps, each a second after the last one, or at the deadline."""
    for _, by, command, at_deadline in MOVES:
        room, now = history.room, history.now + 1
        if at_deadline:
            if room.deadline is None:
                continue
            now = room.deadline
        elif room.deadline is not None and now >= room.deadline:
            now = history.now  # stops rather than pass the deadline
        facts = decided(room, now, by, command)
        assert decided(room, now, by, command) == facts, "a function of its arguments alone"
        yield follow(history, facts, now)


def follow(history: History, facts: tuple[Logged, ...], now: float) -> History:
    """The history after the events, each checked against I-11 to I-13."""
    room, kept_by, outcomes = history.room, history.kept_by, history.outcomes
    if room.state is ENDED:
        assert facts == (), "ENDED is final"
    for fact in facts:
        pending = room.deadline
        room = rules.evolve(room, fact)
        match fact:
            case CountdownStarted():
                kept_by, outcomes = frozenset(), 0
                assert room.deadline == now + 300
            case KeepAsked(member=member):
                kept_by |= {member}
                assert pending is not None
                assert now < pending, "too late"
                assert room.deadline == pending
            case DecisionOpened():
                assert pending is not None
                assert now >= pending, "too early"
                assert room.deadline == now + 30
            case RoomKept():
                outcomes += 1
                assert kept_by == {ann.id, bob.id}, "kept without everybody's keep"
            case RoomEnded(reason=reason):
                outcomes += 1
                if reason is EndReason.NO_RESPONSE:
                    assert pending is not None
                    assert now >= pending, "too early"
                    assert kept_by != {ann.id, bob.id}, "kept by all, and ended all the same"
        assert outcomes <= 1 or isinstance(fact, RoomEnded), "one outcome per countdown"
        assert (room.deadline is not None) == (room.state in (COUNTDOWN, NOTIFICATION))
        assert (room.state is ENDED) == (room.outcome is RoomOutcome.ENDED)
        assert (room.reason is not None) == (room.state is ENDED)
        assert room.outcome is not RoomOutcome.KEPT or room.state is IDLE
    return History(room, now, kept_by, outcomes)


@pytest.mark.parametrize("start", ["idle", "countdown", "kept"])
def test_in_every_order_of_eight_events_a_countdown_has_one_outcome_and_the_end_is_final(start: str) -> None:
    """R-9: breadth first over all orders; histories that cannot differ any more are followed once."""
    room = SITUATIONS[start]
    kept_by = frozenset((ann.id, bob.id)) if start == "kept" else frozenset[str]()
    layer = [History(room, 0.0 if start == "countdown" else 400.0, kept_by, int(start == "kept"))]
    seen = {layer[0].key()}
    outcomes: set[tuple[RoomOutcome | None, EndReason | None]] = {(room.outcome, room.reason)}
    for _ in range(DEPTH):
        following: list[History] = []
        for history in layer:
            for after in next_histories(history):
                if (key := after.key()) not in seen:
                    seen.add(key)
                    following.append(after)
                    outcomes.add((after.room.outcome, after.room.reason))
        layer = following
    assert outcomes >= {
        (RoomOutcome.KEPT, None),
        (RoomOutcome.ENDED, EndReason.ENDED_BY_MEMBER),
        (RoomOutcome.ENDED, EndReason.MEMBER_LEFT),
        (RoomOutcome.ENDED, EndReason.NO_RESPONSE),
    }


ORDERED: tuple[tuple[str, Person | None, RoomCommand, float], ...] = (
    ("A keep", ann, KEEP, 1.0),
    ("A end", ann, END, 1.0),
    ("A leave", ann, LEAVE, 1.0),
    ("B keep", bob, KEEP, 1.0),
    ("B end", bob, END, 1.0),
    ("B leave", bob, LEAVE, 1.0),
    ("tick at 300", None, TICK, 300.0),
    ("tick at 330", None, TICK, 330.0),
)


def expected_outcome(order: tuple[int, ...]) -> tuple[RoomState, EndReason | None]:
    """The outcome according to the sentences of the contract, without a state machine.

    Time passes to 300 and 330 with the ticks; everything else comes in between.
    """
    kept: set[str] = set()
    now, deadline, deciding = 0.0, 300.0, False
    for index in order:
        name, by, command, at = ORDERED[index]
        now = max(now, at if by is None else now)
        if now >= deadline:
            if deciding:
                return ENDED, EndReason.NO_RESPONSE
            deciding, deadline = True, now + 30
        if by is None:
            continue
        if command is END:
            return ENDED, EndReason.ENDED_BY_MEMBER
        if command is LEAVE:
            return ENDED, EndReason.MEMBER_LEFT
        assert command is KEEP, name
        kept.add(by.id)
        if kept == {ann.id, bob.id}:
            return IDLE, None
    return (NOTIFICATION if deciding else COUNTDOWN), None


def test_the_outcome_of_every_order_is_the_one_that_the_contract_tells() -> None:
    """R-9: all 109,600 orders of up to eight of {A, B} x {keep, end, leave} and the two ticks.

    Followed as a tree, so that each beginning is decided once. After the first
    outcome the rest of an order must not change it (a kept room may still end).
    """
    orders = 0

    def go_on(order: tuple[int, ...], room: Room, now: float) -> None:
        nonlocal orders
        for index in range(len(ORDERED)):
            if index in order:
                continue
            orders += 1
            _, by, command, at = ORDERED[index]
            then = max(now, at if by is None else now)
            after = room
            for fact in decided(room, then, by, command):
                after = rules.evolve(after, fact)
            longer = (*order, index)
            if room.outcome is None:
                assert (after.state, after.reason) == expected_outcome(longer), longer
            elif room.outcome is RoomOutcome.ENDED:
                assert after == room, longer
            else:
                assert after.state in (IDLE, ENDED), longer
            go_on(longer, after, then)

    go_on((), IN_COUNTDOWN, 0.0)
    assert orders == 109_600


@given(
    order=st.permutations(range(len(ORDERED))),
    fractions=st.lists(st.floats(0.0, 0.999), min_size=len(ORDERED), max_size=len(ORDERED)),
)
def test_when_within_a_phase_the_events_come_does_not_matter(
    order: Sequence[int], fractions: Sequence[float]
) -> None:
    """I-13: the outcome is a function of the order of the events alone."""

    def played(pauses: Sequence[float]) -> list[str]:
        room, now, phase_ends, names = IN_COUNTDOWN, 0.0, 300.0, []
        for index, pause in zip(order, pauses, strict=True):
            _, by, command, at = ORDERED[index]
            now = max(now, at) if by is None else now + (phase_ends - now) * pause
            phase_ends = 300.0 if now < 300 else 330.0 if now < 330 else now + 1
            for fact in decided(room, now, by, command):
                room = rules.evolve(room, fact)
                names.append(type(fact).__name__)
        return names

    assert played(fractions) == played([0.5] * len(ORDERED))
