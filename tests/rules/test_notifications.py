"""The notifications of an event for each person, and the facts that nobody learns."""

import pytest

from chat_core.model.commands import Close, Decline, End, Keep, Leave, Post, RoomCommand, Start, Tick
from chat_core.model.conversation import EndReason, Room
from chat_core.model.events import LeaveReason, Logged, Notification, NotificationKind, PartnerLeft, Personal
from chat_core.model.person import Person
from chat_core.rules import log
from chat_core.rules.notifications import notifications
from tests.support.command_scripts import OPEN_ENDED, R, Step, ann, bob, cat, new_room, run

START, KEEP, DECLINE, END, LEAVE, TICK = (kind(room=R) for kind in (Start, Keep, Decline, End, Leave, Tick))
BLOCKED = Close(room=R, reason=EndReason.BLOCKED)


def heard(room: Room, *steps: Step) -> list[Personal]:
    """All notifications of the last step."""
    room = run(room, *steps[:-1]).after
    at, by, command = steps[-1]
    told: list[Personal] = []
    for fact in log.decide(room, command, by=by, now=at, new_id="m"):
        room = evolved(room, fact)
        for notification in notifications(room, fact):
            assert notification.at == at
            told.append(notification)
    return told


def evolved(room: Room, fact: Logged) -> Room:
    after = log.evolve(room, fact)
    assert isinstance(after, Room)
    return after


def words(told: list[Personal]) -> list[tuple[str, str]]:
    """The recipient and the kind of each notification."""
    return [(n.to, n.kind.value if isinstance(n, Notification) else "partner_left") for n in told]


COUNTING = run(new_room(), (0, ann, START)).after
ASKED = run(COUNTING, (1, ann, KEEP)).after
OPEN = new_room(rules=OPEN_ENDED, lobby="anonymous", anonymous=True)


@pytest.mark.parametrize(
    ("room", "step", "expected"),
    [
        (new_room(), (0, ann, START), [("ann", "countdown_started"), ("bob", "countdown_started")]),
        (COUNTING, (1, ann, KEEP), [("bob", "keep_request")]),
        (COUNTING, (300, None, TICK), [("ann", "decision"), ("bob", "decision")]),
        (ASKED, (2, bob, END), [("ann", "room_ended"), ("bob", "room_ended")]),
        (
            ASKED,
            (2, bob, KEEP),
            [("ann", "keep_request"), ("ann", "room_kept"), ("bob", "room_kept")],
        ),
        (ASKED, (2, bob, LEAVE), [("ann", "partner_left"), ("ann", "room_ended"), ("bob", "room_ended")]),
        (ASKED, (2, None, BLOCKED), [("ann", "room_ended"), ("bob", "room_ended")]),
        (ASKED, (2, bob, Post(conversation=R, content="hi")), []),
        (OPEN, (2, ann, END), [("bob", "partner_left"), ("ann", "room_ended"), ("bob", "room_ended")]),
        (OPEN, (2, ann, LEAVE), [("bob", "partner_left"), ("ann", "room_ended"), ("bob", "room_ended")]),
    ],
)
def test_who_hears_what(room: Room, step: Step, expected: list[tuple[str, str]]) -> None:
    assert words(heard(room, step)) == expected


@pytest.mark.parametrize("answerer", [ann, bob])
def test_nobody_is_told_who_declined_to_keep_a_timed_room(answerer: Person) -> None:
    """C5.4: whichever of the two ends the room, the other receives the same."""
    other = bob if answerer is ann else ann
    decision = run(COUNTING, (300, None, TICK)).after
    told = [n for n in heard(decision, (310, answerer, END)) if n.to == other.id]
    assert words(told) == [(other.id, "room_ended")]
    (notification,) = told
    assert isinstance(notification, Notification)
    assert (notification.sender, notification.by) == (None, None)
    assert notification.room.reason is EndReason.ENDED_BY_MEMBER


def test_an_early_decline_is_told_to_nobody() -> None:
    assert heard(ASKED, (2, bob, DECLINE)) == []


def test_a_keep_request_shows_the_card_that_the_asker_has_in_the_room() -> None:
    room = run(new_room(anonymous=True), (0, ann, START)).after
    (notification,) = heard(room, (1, ann, KEEP))
    assert isinstance(notification, Notification)
    assert notification.sender == room.members[ann.id].card
    assert notification.sender.id == "card-of-ann"
    assert notification.kind is NotificationKind.KEEP_REQUEST
    assert notification.room.waiting_for() == 1


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (LEAVE, LeaveReason.LEFT),
        (Leave(room=R, disconnected=True), LeaveReason.DISCONNECTED),
        (END, LeaveReason.LEFT),
    ],
)
def test_a_partner_is_told_how_the_other_went(command: RoomCommand, reason: LeaveReason) -> None:
    told = [n for n in heard(OPEN, (5, ann, command)) if isinstance(n, PartnerLeft)]
    assert told == [PartnerLeft(at=5, to=bob.id, lobby="anonymous", room=R, reason=reason)]


def test_when_an_open_ended_room_is_closed_each_is_told_that_the_partner_left() -> None:
    assert words(heard(OPEN, (5, None, BLOCKED))) == [
        ("ann", "partner_left"),
        ("bob", "partner_left"),
        ("ann", "room_ended"),
        ("bob", "room_ended"),
    ]


def test_who_left_hears_nothing_of_what_comes_after() -> None:
    """I-6: three were here, one has gone."""
    three = run(new_room(ann, bob, cat), (0, cat, LEAVE)).after
    steps: list[Step] = [(1, ann, START), (2, ann, KEEP), (301, None, TICK), (302, bob, KEEP)]
    for until in range(1, len(steps) + 1):
        assert {to for to, _ in words(heard(three, *steps[:until]))} <= {"ann", "bob"}
    assert words(heard(three, (1, ann, END))) == [("ann", "room_ended"), ("bob", "room_ended")]


def test_the_others_of_three_are_told_that_one_left() -> None:
    assert words(heard(new_room(ann, bob, cat), (1, cat, LEAVE))) == [
        ("ann", "partner_left"),
        ("bob", "partner_left"),
    ]
