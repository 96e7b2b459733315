"""People, rooms, channels and scripts of commands for the tests of the rules.

A script is a sequence of steps ``(at, by, command)``. ``run`` lets them happen
one after the other; ``refused`` lets the last one be refused and sees to it
that nothing changed.
"""

import copy
from collections.abc import Sequence
from typing import Generic, TypeAlias, TypeVar

import attrs
import pytest

from chat_core.model.commands import ConversationCommand
from chat_core.model.conversation import Channel, Conversation, Member, Persistence, Role, Room, RoomRules
from chat_core.model.errors import Code, Refused
from chat_core.model.events import Logged
from chat_core.model.message import Message
from chat_core.model.person import Person, PersonKind, pseudonym
from chat_core.rules import log

R = "room-1"
C = "channel-1"

TIMED = RoomRules(countdown_s=300.0, notification_s=30.0)
OPEN_ENDED = RoomRules(countdown_s=None, notification_s=30.0)

Z = TypeVar("Z", bound=Conversation)
Step: TypeAlias = tuple[float, Person | None, ConversationCommand]


def person(name: str, *, partition: str = "") -> Person:
    return Person(
        id=name, username=name, display_name=name.title(), kind=PersonKind.USER, partition=partition
    )


ann, bob, cat, eve = (person(name) for name in ("ann", "bob", "cat", "eve"))


def new_room(
    *people: Person, rules: RoomRules = TIMED, lobby: str = "timed", anonymous: bool = False
) -> Room:
    """A room of these people (ann and bob where nobody is named) in which nothing has happened."""
    members = {
        p.id: Member(card=pseudonym(f"card-of-{p.id}") if anonymous else p.card, joined_at=0.0)
        for p in people or (ann, bob)
    }
    return Room(
        id=R,
        epoch="epoch",
        persistence=Persistence.PERSISTENT,
        created_at=0.0,
        members=members,
        rules=rules,
        lobby=lobby,
    )


def new_channel(
    *people: Person, owner: Person | None = None, moderator: Person | None = None, private: bool = False
) -> Channel:
    """A channel with these members."""

    def role(who: Person) -> Role:
        return Role.OWNER if who is owner else Role.MODERATOR if who is moderator else Role.MEMBER

    return Channel(
        id=C,
        epoch="epoch",
        persistence=Persistence.PERSISTENT,
        created_at=0.0,
        members={p.id: Member(card=p.card, role=role(p), joined_at=0.0) for p in people},
        name="general",
        private=private,
        owner=None if owner is None else owner.id,
    )


@attrs.frozen
class Told(Generic[Z]):
    """What a script came to: the facts in their order, and the conversation after them."""

    after: Z
    facts: tuple[Logged, ...]

    @property
    def names(self) -> list[str]:
        return [type(fact).__name__ for fact in self.facts]


def run(conversation: Z, *steps: Step, target: Message | None = None) -> Told[Z]:
    """Let the steps happen. Deciding changes nothing, and the facts have gap-free seqs."""
    facts: list[Logged] = []
    for at, by, command in steps:
        before = copy.deepcopy(conversation)
        new = log.decide(
            conversation, command, by=by, now=at, new_id=f"m{conversation.head + 1}", target=target
        )
        assert conversation == before, f"deciding {command} changed the conversation"
        for fact in new:
            assert fact.seq == conversation.head + 1
            assert fact.at == at
            assert fact.conversation == conversation.id
            after = log.evolve(conversation, fact)
            assert type(after) is type(conversation)
            conversation = after
            assert conversation.head == fact.seq
        facts += new
    return Told(conversation, tuple(facts))


def refused(
    conversation: Conversation,
    *steps: Step,
    code: Code,
    target: Message | None = None,
    repeated: Message | None = None,
) -> Refused:
    """Let all steps but the last happen, see the last one refused, and that nothing changed by it."""
    conversation = run(conversation, *steps[:-1], target=target).after
    at, by, command = steps[-1]
    before = copy.deepcopy((conversation, target, repeated))
    with pytest.raises(Refused) as refusal:
        log.decide(conversation, command, by=by, now=at, new_id="m", target=target, repeated=repeated)
    assert refusal.value.code == code, f"{command} at {at}: {refusal.value.code} {refusal.value.message}"
    assert refusal.value.message.endswith("."), "a refusal is a sentence for people"
    assert (conversation, target, repeated) == before
    return refusal.value


def only(facts: Sequence[Logged]) -> Logged:
    """The one fact there is."""
    assert len(facts) == 1, facts
    return facts[0]
