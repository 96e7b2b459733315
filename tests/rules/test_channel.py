"""Channels: names, joining, leaving, owning, deleting."""

from collections.abc import Mapping

import attrs
import pytest

from chat_core.model.commands import (
    AddMember,
    ChannelCommand,
    CreateChannel,
    DeleteChannel,
    JoinChannel,
    LeaveChannel,
    Post,
    RemoveMember,
    SetRole,
)
from chat_core.model.conversation import Channel, Member, Role
from chat_core.model.errors import Code, InvariantBroken, Refused
from chat_core.model.events import (
    ChannelDeleted,
    LeaveReason,
    Logged,
    MemberJoined,
    MemberLeft,
    OwnerChanged,
    RoleChanged,
)
from chat_core.model.limits import (
    CHANNEL_DESCRIPTION_LENGTH_MAX,
    CHANNEL_NAME_LENGTH_MAX,
    MEMBERS_PER_CHANNEL_MAX,
)
from chat_core.model.person import Person
from chat_core.rules import channel as rules
from chat_core.rules import log
from tests.support.command_scripts import C, ann, bob, cat, eve, new_channel, only, refused, run

JOIN, DELETE = JoinChannel(name="general"), DeleteChannel(name="general")
LEAVE = LeaveChannel(name="general")
POST = Post(conversation=C, content="hi")


def leave_to(heir: Person) -> LeaveChannel:
    return LeaveChannel(name="general", new_owner=heir.id)


def add(who: Person) -> AddMember:
    return AddMember(name="general", person=who)


def remove(who: Person) -> RemoveMember:
    return RemoveMember(name="general", member=who.id)


def name_moderator(who: Person, role: Role = Role.MODERATOR) -> SetRole:
    return SetRole(name="general", member=who.id, role=role)


def unknown(command: ChannelCommand | Post) -> Code:
    """A post identifies its conversation by id, so its refusal is that of a room."""
    return "unknown_room" if isinstance(command, Post) else "unknown_channel"


# Names


@pytest.mark.parametrize("name", ["a", "general", "a-b_c-9", "-", "0" * CHANNEL_NAME_LENGTH_MAX])
def test_a_name_that_a_channel_may_have(name: str) -> None:
    rules.check(CreateChannel(name=name, description="d" * CHANNEL_DESCRIPTION_LENGTH_MAX))


@pytest.mark.parametrize(
    "name",
    ["", "A", "é", "a b", "a\n", "\na", "a.b", "a/b", "٣", "a" * (CHANNEL_NAME_LENGTH_MAX + 1), "\0"],
)
def test_a_name_that_a_channel_may_not_have(name: str) -> None:
    with pytest.raises(Refused) as refusal:
        rules.check(CreateChannel(name=name))
    assert refusal.value.code == "invalid"
    assert refusal.value.fields.keys() == {"name"}


def test_a_description_that_is_too_long() -> None:
    with pytest.raises(Refused) as refusal:
        rules.check(CreateChannel(name="a", description="😀" * (CHANNEL_DESCRIPTION_LENGTH_MAX + 1)))
    assert refusal.value.code == "invalid"
    assert refusal.value.fields.keys() == {"description"}


# Joining


def test_the_first_fact_of_a_channel_is_that_its_owner_joins() -> None:
    channel = attrs.evolve(new_channel(), owner=ann.id)
    fact = only(rules.opening(channel, by=ann, now=3.0))
    after = rules.evolve(channel, fact)
    assert after.members == {ann.id: Member(card=ann.card, role=Role.OWNER, joined_at=3.0)}
    assert rules.opening(new_channel(), by=None, now=3.0) == (), "a default channel has no owner"


def test_anybody_joins_a_public_channel_once() -> None:
    told = run(new_channel(ann), (5, bob, JOIN), (6, bob, JOIN))
    assert told.names == ["MemberJoined"]
    assert list(told.after.present()) == ["ann", "bob"]
    assert told.after.members["bob"] == Member(card=bob.card, role=Role.MEMBER, joined_at=5)


def test_a_full_channel_takes_nobody_more_but_refuses_none_of_its_members() -> None:
    member = Member(card=ann.card, joined_at=0.0)
    members = {f"p{n}": member for n in range(MEMBERS_PER_CHANNEL_MAX - 1)}
    channel = attrs.evolve(new_channel(), members=members)
    full = run(channel, (1, bob, JOIN)).after
    assert len(full.members) == MEMBERS_PER_CHANNEL_MAX
    refused(full, (2, cat, JOIN), code="wrong_state")
    assert run(full, (2, bob, JOIN)).facts == ()
    assert run(full, (2, bob, LEAVE), (3, cat, JOIN)).names == ["MemberLeft", "MemberJoined"]


# Leaving


def test_a_member_leaves_and_is_listed_no_more() -> None:
    told = run(new_channel(ann, bob), (5, bob, LEAVE), (6, bob, LEAVE))
    assert told.names == ["MemberLeft"]
    assert list(told.after.members) == ["ann"]


def test_leaving_a_channel_that_one_is_not_in_changes_nothing() -> None:
    assert run(new_channel(ann), (5, eve, LEAVE), (6, eve, leave_to(ann))).facts == ()


def test_an_owner_who_leaves_hands_the_channel_over_in_the_same_breath() -> None:
    told = run(new_channel(ann, bob, owner=ann), (5, ann, leave_to(bob)))
    assert told.names == ["OwnerChanged", "MemberLeft"]
    assert (told.after.owner, list(told.after.members)) == ("bob", ["bob"])
    assert told.after.members["bob"].role is Role.OWNER


@pytest.mark.parametrize("heir", [None, ann, eve], ids=["nobody", "the owner", "an outsider"])
def test_an_owner_must_stay_without_an_heir_who_is_a_member(heir: Person | None) -> None:
    command = LEAVE if heir is None else leave_to(heir)
    refused(new_channel(ann, bob, owner=ann), (5, ann, command), code="owner_must_stay")


def test_a_member_who_names_an_heir_hands_nothing_over() -> None:
    told = run(new_channel(ann, bob, cat, owner=ann), (5, bob, leave_to(cat)))
    assert (told.names, told.after.owner) == (["MemberLeft"], "ann")


def test_the_former_owner_becomes_a_member_while_still_there() -> None:
    channel = new_channel(ann, bob, owner=ann)
    handed = OwnerChanged(conversation=C, seq=1, at=0.0, owner=bob.id, person=bob.card)
    roles = {who: member.role for who, member in rules.evolve(channel, handed).members.items()}
    assert roles == {"ann": Role.MEMBER, "bob": Role.OWNER}


def test_a_channel_without_an_owner_may_be_given_one() -> None:
    handed = OwnerChanged(conversation=C, seq=1, at=0.0, owner=bob.id, person=bob.card)
    after = rules.evolve(new_channel(ann, bob), handed)
    assert (after.owner, after.members["bob"].role) == ("bob", Role.OWNER)


def test_an_owner_who_is_no_member_breaks_an_invariant() -> None:
    handed = OwnerChanged(conversation=C, seq=1, at=0.0, owner=eve.id, person=eve.card)
    with pytest.raises(InvariantBroken):
        rules.evolve(new_channel(ann, owner=ann), handed)


# Deleting


def test_only_the_owner_deletes_a_channel() -> None:
    channel = new_channel(ann, bob, cat, owner=ann, moderator=bob)
    for who in (bob, cat, eve):
        refused(channel, (5, who, DELETE), code="not_owner")
    refused(new_channel(ann), (5, ann, DELETE), code="not_owner")
    told = run(channel, (5, ann, DELETE))
    assert (told.names, told.after.deleted, dict(told.after.members)) == (["ChannelDeleted"], True, {})


@pytest.mark.parametrize("command", [JOIN, LEAVE, DELETE, add(eve), remove(bob), POST])
def test_a_deleted_channel_is_unknown_to_everybody(command: ChannelCommand | Post) -> None:
    gone = run(new_channel(ann, bob, owner=ann), (5, ann, DELETE)).after
    for who in (ann, bob, eve):
        refused(gone, (6, who, command), code=unknown(command))


# Owner and moderators

TEAM = new_channel(ann, bob, cat, owner=ann, moderator=bob, private=True)


@pytest.mark.parametrize("by", [ann, bob], ids=["owner", "moderator"])
def test_the_owner_and_moderators_add_people_also_to_a_private_channel(by: Person) -> None:
    told = run(TEAM, (5, by, add(eve)), (6, by, add(eve)))
    fact = only(told.facts)
    assert isinstance(fact, MemberJoined)
    assert (fact.by, fact.member, fact.person) == (by.id, eve.id, eve.card)
    assert told.after.members[eve.id] == Member(card=eve.card, role=Role.MEMBER, joined_at=5)


def test_a_full_channel_takes_nobody_who_is_brought() -> None:
    members = {f"p{n}": Member(card=bob.card, joined_at=0) for n in range(MEMBERS_PER_CHANNEL_MAX - 1)}
    owner = Member(card=ann.card, role=Role.OWNER, joined_at=0)
    full = attrs.evolve(new_channel(), owner=ann.id, members={**members, ann.id: owner})
    refused(full, (1, ann, add(eve)), code="wrong_state")


def test_members_and_outsiders_bring_and_send_out_nobody() -> None:
    public = new_channel(ann, bob, cat, owner=ann, moderator=bob)
    for who in (cat, eve):
        for command in (add(eve), remove(cat), remove(bob)):
            refused(public, (5, who, command), code="not_owner")


@pytest.mark.parametrize(
    ("by", "gone", "code"),
    [
        (ann, bob, None),
        (ann, cat, None),
        (ann, ann, "owner_must_stay"),
        (ann, eve, "unknown_user"),
        (bob, cat, None),
        (bob, bob, None),
        (bob, ann, "not_owner"),
        (bob, eve, "unknown_user"),
    ],
    ids=lambda value: getattr(value, "id", value),
)
def test_who_sends_out_whom(by: Person, gone: Person, code: Code | None) -> None:
    if code is not None:
        refused(TEAM, (5, by, remove(gone)), code=code)
        return
    told = run(TEAM, (5, by, remove(gone)))
    fact = only(told.facts)
    assert isinstance(fact, MemberLeft)
    assert (fact.by, fact.member, fact.person) == (by.id, gone.id, gone.card)
    assert fact.reason is (LeaveReason.LEFT if by is gone else LeaveReason.REMOVED)
    assert gone.id not in told.after.members


def test_a_moderator_sends_no_other_moderator_out() -> None:
    two = run(TEAM, (5, ann, name_moderator(cat))).after
    refused(two, (6, bob, remove(cat)), code="not_owner")


def test_the_owner_names_moderators_and_takes_it_back() -> None:
    told = run(TEAM, (5, ann, name_moderator(cat)), (6, ann, name_moderator(cat)))
    fact = only(told.facts)
    assert isinstance(fact, RoleChanged)
    assert (fact.member, fact.person, fact.role) == (cat.id, cat.card, Role.MODERATOR)
    assert told.after.members[cat.id] == Member(card=cat.card, role=Role.MODERATOR, joined_at=0)
    back = run(told.after, (7, ann, name_moderator(cat, Role.MEMBER)))
    assert back.after.members == TEAM.members


@pytest.mark.parametrize("by", [bob, cat], ids=["moderator", "member"])
def test_only_the_owner_names_moderators(by: Person) -> None:
    refused(TEAM, (5, by, name_moderator(cat)), code="not_owner")


def test_a_role_that_cannot_be_given() -> None:
    refused(TEAM, (5, ann, name_moderator(cat, Role.OWNER)), code="invalid")
    refused(TEAM, (5, ann, name_moderator(ann, Role.MEMBER)), code="owner_must_stay")
    refused(TEAM, (5, ann, name_moderator(eve)), code="unknown_user")


def test_a_member_is_found_by_user_name_in_whatever_case() -> None:
    assert (TEAM.member_named("ANN"), TEAM.member_named("bob")) == (ann.id, bob.id)
    assert TEAM.member_named("eve") is None


# Private channels


@pytest.mark.parametrize("command", [JOIN, LEAVE, DELETE, add(cat), remove(ann), POST])
def test_a_private_channel_is_unknown_to_outsiders_in_the_same_words(command: ChannelCommand | Post) -> None:
    private = new_channel(ann, owner=ann, private=True)
    hidden = refused(private, (5, eve, command), code=unknown(command))
    gone = run(new_channel(ann, owner=ann), (5, ann, DELETE)).after
    missing = refused(gone, (6, eve, command), code=unknown(command))
    assert (hidden.message, hidden.fields) == (missing.message, missing.fields)


def test_the_members_of_a_private_channel_use_it_as_any_other() -> None:
    private = new_channel(ann, bob, owner=ann, private=True)
    assert run(private, (5, bob, JOIN), (6, bob, LEAVE), (7, ann, DELETE)).names == [
        "MemberLeft",
        "ChannelDeleted",
    ]


# The whole table of commands and callers

OWNED = new_channel(ann, bob, cat, owner=ann, moderator=bob)
TABLE: Mapping[
    str, tuple[Person, Mapping[type[JoinChannel | LeaveChannel | DeleteChannel], Code | tuple[str, ...]]]
] = {
    "owner": (
        ann,
        {JoinChannel: (), LeaveChannel: "owner_must_stay", DeleteChannel: ("ChannelDeleted",)},
    ),
    "moderator": (bob, {JoinChannel: (), LeaveChannel: ("MemberLeft",), DeleteChannel: "not_owner"}),
    "member": (cat, {JoinChannel: (), LeaveChannel: ("MemberLeft",), DeleteChannel: "not_owner"}),
    "outsider": (eve, {JoinChannel: ("MemberJoined",), LeaveChannel: (), DeleteChannel: "not_owner"}),
}


@pytest.mark.parametrize("who", TABLE)
@pytest.mark.parametrize("kind", [JoinChannel, LeaveChannel, DeleteChannel])
def test_every_command_of_everybody(who: str, kind: type[JoinChannel | LeaveChannel | DeleteChannel]) -> None:
    by, row = TABLE[who]
    match row[kind]:
        case tuple() as names:
            assert tuple(run(OWNED, (5, by, kind(name="general"))).names) == names
        case code:
            refused(OWNED, (5, by, kind(name="general")), code=code)


# evolve


FACTS: list[Logged] = [
    MemberJoined(conversation=C, seq=1, at=0.0, member=eve.id, person=eve.card),
    MemberLeft(conversation=C, seq=1, at=0.0, member=bob.id, person=bob.card),
    OwnerChanged(conversation=C, seq=1, at=0.0, owner=bob.id, person=bob.card),
    RoleChanged(conversation=C, seq=1, at=0.0, member=bob.id, person=bob.card, role=Role.MODERATOR),
    ChannelDeleted(conversation=C, seq=1, at=0.0),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
@pytest.mark.parametrize("seq", [0, 2, 7])
def test_an_event_out_of_turn_breaks_an_invariant_and_changes_nothing(fact: Logged, seq: int) -> None:
    channel: Channel = new_channel(ann, bob, owner=ann)
    with pytest.raises(InvariantBroken):
        log.evolve(channel, attrs.evolve(fact, seq=seq))
    assert channel == new_channel(ann, bob, owner=ann)
    assert log.evolve(channel, fact).head == 1
    assert channel == new_channel(ann, bob, owner=ann)
