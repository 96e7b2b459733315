"""Conversations: a gap-free sequence of events with members; the state after ``head`` events.

A ``Room`` has a lifecycle, a ``Channel`` has a name and is permanent. These are
values; ``chat_core.rules`` contains the rules by which they change.
"""

import enum
from collections.abc import Iterator, Mapping
from typing import Self

import attrs

from chat_core.model.ids import ConversationId, LobbyName, PersonId
from chat_core.model.person import Card, Person
from chat_core.model.values import value


class Persistence(enum.StrEnum):
    """Where a conversation's log is kept: only in memory, or in the store."""

    EPHEMERAL = "none"
    PERSISTENT = "stored"


class Role(enum.StrEnum):
    MEMBER = "member"
    MODERATOR = "moderator"
    OWNER = "owner"


class RoomState(enum.StrEnum):
    IDLE = "IDLE"
    COUNTDOWN = "COUNTDOWN"
    NOTIFICATION = "NOTIFICATION"
    ENDED = "ENDED"


class RoomOutcome(enum.StrEnum):
    KEPT = "kept"
    ENDED = "ended"


class EndReason(enum.StrEnum):
    ENDED_BY_MEMBER = "ended_by_member"
    NO_RESPONSE = "no_response"
    MEMBER_LEFT = "member_left"
    BLOCKED = "blocked"
    MODERATED = "moderated"


class Decision(enum.StrEnum):
    """A member's answer to "Keep talking?"; ``DECLINED`` only lets the countdown continue."""

    KEEP = "keep"
    DECLINED = "declined"


@value(kw_only=True)
class Member:
    """A person in a conversation. A room still lists people who left, with ``left``."""

    card: Card
    role: Role = Role.MEMBER
    joined_at: float
    left: bool = False


@value(kw_only=True)
class RoomRules:
    """Lengths of a room's phases, in seconds. ``countdown_s`` is None if there is none."""

    countdown_s: float | None
    notification_s: float


@value(kw_only=True, slots=False)  # no slots: see ``advanced``
class Conversation:
    """The fields that rooms and channels share.

    ``head`` is the seq of the newest event (0: none yet) and also the version
    that a write compares and sets. ``epoch`` identifies the log: it changes if
    the history is no longer the same.
    """

    id: ConversationId
    epoch: str
    persistence: Persistence
    created_at: float
    head: int = 0
    members: Mapping[PersonId, Member] = attrs.field(factory=dict)

    def member(self, person: PersonId) -> Member | None:
        """The person as a current member; None if they are not a member, or left."""
        member = self.members.get(person)
        return None if member is None or member.left else member

    def advanced(self, seq: int) -> Self:
        """A copy with another head. Like ``attrs.evolve`` but cheap, because it runs for each message."""
        copy = object.__new__(type(self))
        copy.__dict__ = values = self.__dict__.copy()  # one copy, not attribute by attribute
        values["head"] = seq
        return copy

    def present(self) -> Iterator[PersonId]:
        """The ids of the current members, in the order in which they joined."""
        return (person for person, member in self.members.items() if not member.left)

    def member_named(self, username: str) -> PersonId | None:
        """The id of the current member with this user name, ignoring case."""
        wanted = username.casefold()
        return next((p for p in self.present() if self.members[p].card.username.casefold() == wanted), None)

    def card_of(self, person: Person) -> Card:
        """The card of the person here: that of the current or former member, else their own."""
        member = self.members.get(person.id)
        return person.card if member is None else member.card

    def owner_of(self, card_id: PersonId) -> PersonId | None:
        """The real id of the member with this card."""
        return next((p for p, member in self.members.items() if member.card.id == card_id), None)


@value(kw_only=True, slots=False)
class Room(Conversation):
    """A conversation with a lifecycle. ``lobby`` is empty for a room made by hand.

    ``kept_before``: it was kept at least once, so it never again takes a place in its lobby.
    """

    rules: RoomRules
    lobby: LobbyName = ""
    state: RoomState = RoomState.IDLE
    outcome: RoomOutcome | None = None
    deadline: float | None = None
    reason: EndReason | None = None
    ended_at: float | None = None
    answers: Mapping[PersonId, Decision] = attrs.field(factory=dict)
    kept_before: bool = False

    @property
    def is_live(self) -> bool:
        """True while the room is neither kept nor ended: a transition may fall due."""
        return self.outcome is None

    @property
    def holds_place(self) -> bool:
        """True while the room takes its members' place in the lobby that made it."""
        return self.is_live and not self.kept_before and self.lobby != ""

    def waiting_for(self) -> int:
        """The number of current members who have not said keep."""
        return sum(self.answers.get(person) is not Decision.KEEP for person in self.present())


@value(kw_only=True, slots=False)
class Channel(Conversation):
    """A named, permanent conversation. ``owner`` is None for the default channels."""

    name: str
    description: str = ""
    private: bool = False
    owner: PersonId | None = None
    deleted: bool = False
