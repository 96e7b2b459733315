"""The lobby: a queue of seekers, each in at most one place.

A place is *seeking*, *reserved* (its pair is being made) or *in a room*.
Pairing reserves both, and then either commits (both are in the room) or
releases (both are back in the queue, at their old rank). The matcher only
proposes: ``WaitingQueue.propose`` checks its result before it is used.
Not here: creating the room, alarms and connections (the engine does that).
"""

import enum
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final, TypeAlias

import attrs

from chat_core.model.conversation import Persistence, RoomRules
from chat_core.model.errors import InvariantBroken, Refused
from chat_core.model.ids import ConversationId, LobbyName, PersonId
from chat_core.model.limits import INTEREST_LENGTH_MAX, INTERESTS_MAX, QUEUE_LENGTH_MAX
from chat_core.model.person import Person

PARTED_PAIRS_MAX: Final = 20_000  # remembered for the rematch pause; the oldest go first


@attrs.frozen(kw_only=True)
class LobbyRules:
    """The rules of a lobby. ``rematch_after_s``: see ``WaitingQueue.may_pair``."""

    name: LobbyName
    persistence: Persistence
    room: RoomRules
    rematch_after_s: float = 5.0


@attrs.frozen(kw_only=True)
class Seeker:
    """A waiting person. ``rank`` orders the queue; ``since`` is when this search began."""

    person: Person
    rank: int
    since: float
    interests: tuple[str, ...] = ()
    blocked: frozenset[PersonId] = frozenset()


Pair: TypeAlias = tuple[Seeker, Seeker]
MayPair: TypeAlias = Callable[[Seeker, Seeker], bool]
Matcher: TypeAlias = Callable[[Sequence[Seeker], MayPair, Random], Sequence[Pair]]
"""Decides who is paired: ``(waiting, may_pair, rng) -> pairs``.

``waiting`` is one partition of one lobby's queue, in rank order. A matcher may leave
people waiting, but not two who may pair. It is called at each arrival and every
second, returns at once (it cannot be cancelled) and keeps no state. An exception
or an invalid result counts as "no pairs" and is reported.
"""


class Place(enum.StrEnum):
    SEEKING = "seeking"
    RESERVED = "reserved"
    IN_ROOM = "in_room"


@attrs.define
class WaitingQueue:
    """One lobby's queue and places. Every method that changes it returns what it did."""

    rules: LobbyRules
    _seeking: dict[PersonId, Seeker] = attrs.field(factory=dict)  # in rank order
    _reserved: dict[PersonId, Seeker] = attrs.field(factory=dict)
    _rooms: dict[PersonId, ConversationId] = attrs.field(factory=dict)
    _left_behind: dict[PersonId, int] = attrs.field(factory=dict)  # the rank of one whose partner left
    _room_ranks: dict[PersonId, int] = attrs.field(factory=dict)
    _parted: dict[tuple[PersonId, PersonId], float] = attrs.field(factory=dict)
    _next_rank: int = 1

    def place(self, person: PersonId) -> Place | None:
        if person in self._rooms:
            return Place.IN_ROOM
        if person in self._reserved:
            return Place.RESERVED
        return Place.SEEKING if person in self._seeking else None

    def room_of(self, person: PersonId) -> ConversationId | None:
        return self._rooms.get(person)

    def seeker(self, person: PersonId) -> Seeker | None:
        return self._seeking.get(person) or self._reserved.get(person)

    def position(self, person: PersonId) -> int:
        """The person's position in the queue, from 1. O(length of the queue)."""
        return next((n for n, other in enumerate(self._seeking, 1) if other == person), 1)

    def waiting(self) -> Sequence[Seeker]:
        return tuple(self._seeking.values())

    def __len__(self) -> int:
        return len(self._seeking)

    # Changes

    def seek(
        self,
        person: Person,
        *,
        interests: tuple[str, ...] = (),
        blocked: frozenset[PersonId] = frozenset(),
        again: bool = False,
        now: float,
    ) -> Seeker:
        """Adds the person to the queue. Refuses ``wrong_state`` if they have a place already."""
        if self.place(person.id) is not None:
            raise Refused("wrong_state", "You are already in this lobby.")
        if len(self._seeking) + len(self._reserved) >= QUEUE_LENGTH_MAX:  # a release returns these
            raise Refused("too_many", "Too many people are waiting. Try again soon.", retry_after_s=5.0)
        check_interests(interests)
        left_at_rank = self._left_behind.pop(person.id, None)
        rank = left_at_rank if again and left_at_rank is not None else self._next_rank
        self._next_rank += 1
        seeker = Seeker(person=person, rank=rank, since=now, interests=interests, blocked=blocked)
        self._insert(seeker)
        return seeker

    def cancel(self, person: PersonId) -> bool:
        """Removes a seeker from the queue. False if they were not seeking (a reserved place stays)."""
        self._left_behind.pop(person, None)
        return self._seeking.pop(person, None) is not None

    def block(self, one: PersonId, other: PersonId) -> None:
        """Prevents pairing the two from now on; their seekers are updated at once."""
        for place in (self._seeking, self._reserved):
            for person, foe in ((one, other), (other, one)):
                if (seeker := place.get(person)) is not None:
                    place[person] = attrs.evolve(seeker, blocked=seeker.blocked | {foe})

    def propose(self, matcher: Matcher, rng: Random, *, now: float) -> list[Pair]:
        """Asks the matcher, checks its result, reserves the pairs. The others keep their rank.

        Raises ``InvariantBroken`` if the matcher raises or its result is invalid; no place changes.
        """

        def may_pair(a: Seeker, b: Seeker) -> bool:
            return self.may_pair(a, b, now=now)

        if len(self._seeking) < 2:
            return []
        try:
            pairs = self._answer(matcher, may_pair, rng)
        except InvariantBroken:
            raise
        except Exception as fault:  # raised by the matcher, or because its result does not consist of pairs
            raise InvariantBroken("the matcher failed") from fault
        for a, b in pairs:
            for seeker in (a, b):
                self._reserved[seeker.person.id] = self._seeking.pop(seeker.person.id)
        return pairs

    def _answer(self, matcher: Matcher, may_pair: MayPair, rng: Random) -> list[Pair]:
        """The checked proposals of the matcher; changes nothing."""
        partitions: dict[str, list[Seeker]] = {}
        for seeker in self._seeking.values():
            partitions.setdefault(seeker.person.partition, []).append(seeker)
        pairs = [(a, b) for waiting in partitions.values() for a, b in matcher(waiting, may_pair, rng)]
        taken: set[PersonId] = set()
        for a, b in pairs:
            known = self._seeking.get(a.person.id) == a and self._seeking.get(b.person.id) == b
            doubled = a.person.id in taken or b.person.id in taken
            if not known or doubled or not may_pair(a, b):
                raise InvariantBroken("the matcher returned an invalid pair")
            taken.update((a.person.id, b.person.id))
        return pairs

    def reserved(self, pair: Pair) -> Pair:
        """The current pair: people may have been blocked since it was proposed."""
        return self._reserved[pair[0].person.id], self._reserved[pair[1].person.id]

    def commit(self, pair: Pair, room: ConversationId) -> None:
        """The room of the pair exists: both are in it."""
        for seeker in pair:
            del self._reserved[seeker.person.id]
            self._rooms[seeker.person.id] = room
            self._room_ranks[seeker.person.id] = seeker.rank

    def release(self, pair: Pair) -> None:
        """The room was not created: both return to the queue, at their old rank."""
        for seeker in pair:
            self._insert(self._reserved.pop(seeker.person.id))

    def enter(self, person: PersonId, room: ConversationId) -> None:
        """The person is in a room that existed before this process (after a restart)."""
        if person in self._reserved:
            raise InvariantBroken(f"a reserved person enters {room}")
        self._seeking.pop(person, None)
        self._rooms[person] = room

    def leave_room(self, person: PersonId, room: ConversationId, *, left_behind: bool = False) -> None:
        """The room no longer takes the person's place. ``left_behind``: the partner went first."""
        if self._rooms.get(person) != room:
            return
        del self._rooms[person]
        rank = self._room_ranks.pop(person, None)
        if left_behind and rank is not None:
            self._left_behind[person] = rank

    def forget(self, person: PersonId) -> None:
        """The person is gone permanently: drops everything pending."""
        self._left_behind.pop(person, None)

    def part(self, one: PersonId, other: PersonId, *, now: float) -> None:
        """The two just parted: the rematch pause applies to them (see ``may_pair``)."""
        self._parted.pop(_both(one, other), None)
        self._parted[_both(one, other)] = now
        while len(self._parted) > PARTED_PAIRS_MAX:
            del self._parted[next(iter(self._parted))]

    def may_pair(self, a: Seeker, b: Seeker, *, now: float) -> bool:
        """Whether the two may be paired: different people, one partition, no block either way.

        Two who parted may be paired ``rematch_after_s`` after the parting and after both began to search.
        """
        one, other = a.person.id, b.person.id
        if one == other or a.person.partition != b.person.partition:
            return False
        if other in a.blocked or one in b.blocked:
            return False
        if not self._parted:
            return True
        parted_at = self._parted.get(_both(one, other))
        if parted_at is None:
            return True
        return now - max(parted_at, a.since, b.since) >= self.rules.rematch_after_s

    def _insert(self, seeker: Seeker) -> None:
        last = next(reversed(self._seeking.values()), None)
        self._seeking[seeker.person.id] = seeker
        if last is not None and last.rank > seeker.rank:
            self._seeking = dict(sorted(self._seeking.items(), key=lambda item: item[1].rank))

    def people(self) -> Iterator[tuple[PersonId, Place]]:
        """Everybody with a place, for consistency checks."""
        for place, people in (
            (Place.SEEKING, self._seeking),
            (Place.RESERVED, self._reserved),
            (Place.IN_ROOM, self._rooms),
        ):
            for person in people:
                yield person, place


def check_interests(interests: tuple[str, ...]) -> None:
    """Refuse more, or longer, interests than the limits allow."""
    if len(interests) > INTERESTS_MAX or any(
        not interest.strip() or len(interest) > INTEREST_LENGTH_MAX for interest in interests
    ):
        words = f"At most {INTERESTS_MAX} interests, each of 1 to {INTEREST_LENGTH_MAX} characters."
        raise Refused("invalid", words, fields={"interests": words})


def _both(one: PersonId, other: PersonId) -> tuple[PersonId, PersonId]:
    return (one, other) if one < other else (other, one)
