"""The log: each command goes to its rules; the state is the fold of the events."""

from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_core.model import commands, events
from chat_core.model.commands import (
    AddMember,
    Close,
    ConversationCommand,
    Decline,
    DeleteChannel,
    End,
    JoinChannel,
    Keep,
    Leave,
    LeaveChannel,
    Post,
    RemoveMember,
    SetRole,
    Start,
    Tick,
)
from chat_core.model.conversation import Channel, Conversation, EndReason, Persistence, Role
from chat_core.model.errors import InvariantBroken, Refused
from chat_core.model.events import Logged
from chat_core.model.person import Person
from chat_core.rules import log
from tests.support.command_scripts import C, R, ann, bob, cat, new_channel, new_room, refused, run

ROOM_COMMANDS: Sequence[ConversationCommand] = (
    *(kind(room=R) for kind in (Start, Keep, Decline, End, Leave, Tick)),
    Close(room=R, reason=EndReason.BLOCKED),
)
CHANNEL_COMMANDS: Sequence[ConversationCommand] = (
    *(kind(name="general") for kind in (JoinChannel, LeaveChannel, DeleteChannel)),
    AddMember(name="general", person=bob),
    RemoveMember(name="general", member=bob.id),
    SetRole(name="general", member=bob.id, role=Role.MODERATOR),
)


@pytest.mark.parametrize("command", ROOM_COMMANDS, ids=lambda c: type(c).__name__)
def test_a_channel_is_no_room(command: ConversationCommand) -> None:
    refused(new_channel(ann), (0, ann, command), code="unknown_room")


@pytest.mark.parametrize("command", CHANNEL_COMMANDS, ids=lambda c: type(c).__name__)
def test_a_room_is_no_channel(command: ConversationCommand) -> None:
    refused(new_room(), (0, ann, command), code="unknown_channel")
    refused(new_channel(ann), (0, None, command), code="unknown_channel")


def test_what_was_due_comes_before_what_was_asked_and_both_are_numbered_in_order() -> None:
    counting = run(new_room(), (0, ann, Start(room=R))).after
    facts = log.decide(counting, Post(conversation=R, content="hi"), by=ann, now=300, new_id="m")
    assert [(type(fact).__name__, fact.seq) for fact in facts] == [
        ("DecisionOpened", 2),
        ("MessagePosted", 3),
    ]


def test_a_refusal_leaves_what_was_due_to_its_alarm() -> None:
    counting = run(new_room(), (0, ann, Start(room=R))).after
    refused(counting, (300, ann, Post(conversation=R, content=" ")), code="invalid")
    assert run(counting, (300, None, Tick(room=R))).names == ["DecisionOpened"]


def test_a_conversation_is_a_room_or_a_channel() -> None:
    bare = Conversation(id="x", epoch="e", persistence=Persistence.EPHEMERAL, created_at=0.0)
    with pytest.raises(InvariantBroken):
        log.evolve(bare, Logged(conversation="x", seq=1, at=0.0))


def test_every_command_about_a_conversation_is_known_to_the_log() -> None:
    every = {
        kind
        for kind in vars(commands).values()
        if isinstance(kind, type) and kind.__module__ == commands.__name__
    }
    elsewhere = {
        "Search",
        "CancelSearch",
        "Skip",
        "CreateChannel",
        "OpenRoom",
        "MarkRead",
        "Type",
        "Block",
        "Unblock",
    }
    known = set(ConversationCommand.__args__)
    assert {kind.__name__ for kind in every - known} == elsewhere
    assert known <= every


def test_every_logged_event_has_a_seq_and_no_passing_or_personal_one_has() -> None:
    for kind in vars(events).values():
        if isinstance(kind, type) and issubclass(kind, events.Event):
            fields = {field.name for field in kind.__attrs_attrs__}
            assert ("seq" in fields) == issubclass(kind, (Logged, events.ReadMarked))
            assert {"at", "by"} <= fields


STEPS = st.tuples(
    st.floats(0.0, 200.0),
    st.sampled_from((ann, bob, cat, None)),
    st.sampled_from((*ROOM_COMMANDS, Post(conversation=R, content="hi"))),
)


@given(st.lists(STEPS, max_size=15), st.integers(2, 3))
def test_the_state_is_the_fold_of_the_events_and_the_version_their_number(
    steps: list[tuple[float, Person | None, ConversationCommand]], people: int
) -> None:
    """I-1, I-3: in whatever order people act, and however often they are refused."""
    first = new_room(*(ann, bob, cat)[:people])
    room: Conversation = first
    facts: list[Logged] = []
    now = 0.0
    for pause, by, command in steps:
        now += pause
        try:
            new = log.decide(room, command, by=by, now=now, new_id="m")
        except (Refused, InvariantBroken):
            continue
        room = log.fold(room, new)
        facts += new
    assert [fact.seq for fact in facts] == list(range(1, len(facts) + 1))
    assert (room.head, log.fold(first, facts)) == (len(facts), room)
    for cut in range(len(facts)):
        assert log.fold(log.fold(first, facts[:cut]), facts[cut:]) == room


@given(st.lists(st.tuples(st.sampled_from((ann, bob, cat)), st.sampled_from(CHANNEL_COMMANDS)), max_size=12))
def test_a_channel_is_the_fold_of_its_events_too(steps: list[tuple[Person, ConversationCommand]]) -> None:
    first = new_channel(ann, owner=ann)
    channel: Conversation = first
    facts: list[Logged] = []
    for by, command in steps:
        try:
            new = log.decide(channel, command, by=by, now=1.0)
        except Refused:
            continue
        channel = log.fold(channel, new)
        facts += new
    assert (channel.head, channel.id, log.fold(first, facts)) == (len(facts), C, channel)
    assert isinstance(channel, Channel)
    assert channel.deleted or channel.owner in channel.members


@pytest.mark.parametrize("conversation", [new_room(), new_channel(ann, owner=ann)], ids=["room", "channel"])
def test_a_conversation_advances_to_a_copy_that_differs_in_its_head_alone(conversation: Conversation) -> None:
    before = attrs.evolve(conversation)
    after = conversation.advanced(7)
    assert type(after) is type(conversation)
    assert after == attrs.evolve(before, head=7)
    assert conversation == before
