"""Mentions: the people named in a message."""

import attrs
import pytest

from chat_core.model.conversation import Channel, Conversation, Member, Persistence
from chat_core.model.events import MessagePosted
from chat_core.model.limits import MENTIONS_MAX
from chat_core.model.message import Message
from chat_core.model.person import Person
from chat_core.rules.mentions import mentions

PEOPLE = {name: Person(id=f"{name}-id", username=name, display_name=name) for name in ("ann", "Bob", "c.d-e")}
CHANNEL = Channel(
    id="g",
    epoch="e",
    persistence=Persistence.PERSISTENT,
    created_at=0.0,
    name="general",
    members={one.id: Member(card=one.card, joined_at=0.0) for one in PEOPLE.values()},
)


def named(content: str, channel: Conversation = CHANNEL) -> list[str]:
    ann = PEOPLE["ann"]
    message = Message(
        id="m", conversation="g", seq=7, by=ann.id, author=ann.card, content=content, created_at=5.0
    )
    event = MessagePosted(at=5.0, by=ann.id, conversation="g", seq=7, message=message)
    found = mentions(channel, [event])
    assert all((one.key, one.sender, one.at) == (("g", 7, "mention"), ann.card, 5.0) for one in found)
    return [one.to for one in found]


@pytest.mark.parametrize(
    ("content", "people"),
    [
        ("hi @bob", ["Bob-id"]),
        ("@BOB and @c.d-e", ["Bob-id", "c.d-e-id"]),
        ("(@bob), well.", ["Bob-id"]),
        ("ask @bob.", ["Bob-id"]),
        ("ask @c.d-e...", ["c.d-e-id"]),
        ("@bob @bob @bob", ["Bob-id"]),
        ("@ann writes to herself", []),
        ("bob@bob.example", []),
        ("@@bob", []),
        ("@bobby, @bo", []),
        ("no name at all @ @! @é", []),
    ],
)
def test_who_is_named(content: str, people: list[str]) -> None:
    assert named(content) == people


def test_only_the_first_names_of_a_message_count() -> None:
    others = " ".join(f"@other{n}" for n in range(MENTIONS_MAX - 1))
    assert named(f"{others} @bob") == ["Bob-id"]
    assert named(f"{others} @other @bob") == []


def test_where_nothing_is_kept_nobody_is_named() -> None:
    assert named("@bob", attrs.evolve(CHANNEL, persistence=Persistence.EPHEMERAL)) == []


def test_who_has_left_is_not_named() -> None:
    rest = {person: member for person, member in CHANNEL.members.items() if person != "Bob-id"}
    assert named("@bob", attrs.evolve(CHANNEL, members=rest)) == []
