"""The lobby's queue: places, ranks, and checks of the matcher."""

import copy
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import cast

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chat_core.model.conversation import Persistence
from chat_core.model.errors import InvariantBroken, Refused
from chat_core.model.limits import INTEREST_LENGTH_MAX, INTERESTS_MAX, QUEUE_LENGTH_MAX
from chat_core.model.person import Person
from chat_core.rules import lobby as rules
from chat_core.rules.lobby import LobbyRules, Matcher, MayPair, Pair, Place, Seeker, WaitingQueue
from chat_core.rules.matching import MATCHERS, first_come
from tests.support.command_scripts import OPEN_ENDED, ann, bob, cat, eve, person

SEEKING, RESERVED, IN_ROOM = Place
PAUSE_S = 5.0
CHANCE = Random(0)


def new_line(*people: Person, rematch_after_s: float = PAUSE_S) -> WaitingQueue:
    """A queue in which these people have waited since 0, in this order."""
    queue = WaitingQueue(
        rules=LobbyRules(
            name="anonymous",
            persistence=Persistence.EPHEMERAL,
            room=OPEN_ENDED,
            rematch_after_s=rematch_after_s,
        )
    )
    for who in people:
        queue.seek(who, now=0.0)
    return queue


def names(queue: WaitingQueue) -> list[str]:
    return [seeker.person.id for seeker in queue.waiting()]


def pairs_of(pairs: Iterable[Pair]) -> list[tuple[str, str]]:
    return [(a.person.id, b.person.id) for a, b in pairs]


def places(queue: WaitingQueue) -> dict[str, Place]:
    """Everybody's place; fails if a person has two."""
    people = list(queue.people())
    assert len(dict(people)) == len(people), people
    assert all(queue.place(who) is place for who, place in people)
    return dict(people)


def refused_and_unchanged(queue: WaitingQueue, change: Callable[[], object]) -> Refused:
    before = copy.deepcopy(queue)
    with pytest.raises(Refused) as refusal:
        change()
    assert queue == before
    return refusal.value


# Seeking


def test_who_seeks_waits_at_the_end_of_the_line() -> None:
    queue = new_line()
    seeker = queue.seek(ann, interests=("chess",), blocked=frozenset({"eve"}), now=3.0)
    assert seeker == Seeker(person=ann, rank=1, since=3.0, interests=("chess",), blocked=frozenset({"eve"}))
    queue.seek(bob, now=4.0)
    assert (names(queue), len(queue)) == (["ann", "bob"], 2)
    assert [queue.position(who) for who in ("ann", "bob")] == [1, 2]
    assert queue.seeker("ann") is seeker
    assert (queue.place("ann"), queue.place("eve"), queue.seeker("eve")) == (SEEKING, None, None)


def test_who_has_a_place_is_refused_another() -> None:
    queue = new_line(ann, bob)
    assert refused_and_unchanged(queue, lambda: queue.seek(ann, now=1.0)).code == "wrong_state"
    (pair,) = queue.propose(first_come, CHANCE, now=1.0)
    assert refused_and_unchanged(queue, lambda: queue.seek(ann, now=1.0)).code == "wrong_state"
    queue.commit(pair, "r1")
    again = refused_and_unchanged(queue, lambda: queue.seek(ann, again=True, now=1.0))
    assert again.code == "wrong_state"


def test_a_line_takes_so_many_and_says_when_to_come_again() -> None:
    queue = new_line(*(person(str(n)) for n in range(QUEUE_LENGTH_MAX)))
    refusal = refused_and_unchanged(queue, lambda: queue.seek(ann, now=1.0))
    assert refusal.code == "too_many"
    assert refusal.retry_after_s is not None
    queue.cancel("0")
    queue.seek(ann, now=1.0)


def test_who_is_reserved_counts_in_the_line_since_a_release_brings_them_back() -> None:
    queue = new_line(*(person(str(n)) for n in range(QUEUE_LENGTH_MAX)))
    pairs = queue.propose(first_come, CHANCE, now=1.0)
    assert len(queue) == 0
    refusal = refused_and_unchanged(queue, lambda: queue.seek(ann, now=1.0))
    assert refusal.code == "too_many"
    queue.commit(pairs[0], "r1")
    queue.seek(ann, now=1.0)


GOOD = ("x" * INTEREST_LENGTH_MAX,) * INTERESTS_MAX


@pytest.mark.parametrize(
    "interests", [(*GOOD, "x"), ("x" * (INTEREST_LENGTH_MAX + 1),), ("",), ("ok", " \t")]
)
def test_interests_that_may_not_be_cost_nobody_a_place_or_a_rank(interests: tuple[str, ...]) -> None:
    queue = new_line(ann)
    refusal = refused_and_unchanged(queue, lambda: queue.seek(bob, interests=interests, now=1.0))
    assert (refusal.code, list(refusal.fields)) == ("invalid", ["interests"])
    assert queue.seek(bob, interests=GOOD, now=1.0).interests == GOOD


def test_who_cancels_has_no_place_and_loses_the_rank() -> None:
    queue = new_line(ann, bob)
    assert queue.cancel("ann")
    assert not queue.cancel("ann")
    assert places(queue) == {"bob": SEEKING}
    queue.seek(ann, again=True, now=1.0)
    assert names(queue) == ["bob", "ann"]


def test_who_is_reserved_or_in_a_room_cannot_cancel() -> None:
    queue = new_line(ann, bob)
    (pair,) = queue.propose(first_come, CHANCE, now=1.0)
    assert not queue.cancel("ann")
    assert queue.place("ann") is RESERVED
    queue.commit(pair, "r1")
    assert not queue.cancel("ann")
    assert queue.place("ann") is IN_ROOM


# Pairing


def test_a_pair_is_reserved_and_then_in_its_room() -> None:
    queue = new_line(ann, bob, cat)
    (pair,) = queue.propose(first_come, CHANCE, now=1.0)
    assert pairs_of([pair]) == [("ann", "bob")]
    assert places(queue) == {"ann": RESERVED, "bob": RESERVED, "cat": SEEKING}
    assert queue.seeker("ann") == pair[0]
    assert queue.position("cat") == 1
    queue.commit(pair, "r1")
    assert places(queue) == {"ann": IN_ROOM, "bob": IN_ROOM, "cat": SEEKING}
    assert (queue.room_of("ann"), queue.room_of("cat"), queue.seeker("ann")) == ("r1", None, None)


def test_a_pair_that_is_released_returns_to_its_old_place() -> None:
    """I-8."""
    queue = new_line(ann, bob, cat)
    before = queue.waiting()
    (pair,) = queue.propose(first_come, CHANCE, now=1.0)
    queue.seek(eve, now=2.0)
    queue.release(pair)
    assert queue.waiting()[:3] == before
    assert names(queue) == ["ann", "bob", "cat", "eve"]


def test_one_alone_is_not_paired_and_the_matcher_is_not_asked() -> None:
    def never(waiting: Sequence[Seeker], may_pair: MayPair, rng: Random) -> Sequence[Pair]:
        raise AssertionError("asked")

    assert new_line(ann).propose(never, CHANCE, now=1.0) == []
    assert new_line().propose(never, CHANCE, now=1.0) == []


def test_each_partition_has_a_line_of_its_own() -> None:
    people = [person(f"{name}{age}", partition=age) for name in "ab" for age in ("minor", "adult", "")]
    queue = new_line(*people)
    asked: list[list[str]] = []

    def asking(waiting: Sequence[Seeker], may_pair: MayPair, rng: Random) -> Sequence[Pair]:
        asked.append([seeker.person.id for seeker in waiting])
        return first_come(waiting, may_pair, rng)

    pairs = queue.propose(asking, CHANCE, now=1.0)
    assert asked == [["aminor", "bminor"], ["aadult", "badult"], ["a", "b"]]
    assert sorted(pairs_of(pairs)) == [("a", "b"), ("aadult", "badult"), ("aminor", "bminor")]


# Blocks


@pytest.mark.parametrize(("who", "foe"), [(ann, bob), (bob, ann)])
def test_a_block_keeps_two_apart_whoever_set_it(who: Person, foe: Person) -> None:
    queue = new_line()
    for one in (ann, bob):
        queue.seek(one, blocked=frozenset({foe.id} if one is who else ()), now=0.0)
    assert queue.propose(first_come, CHANCE, now=1e6) == []


@pytest.mark.parametrize(("one", "other"), [("ann", "bob"), ("bob", "ann"), ("eve", "ann")])
def test_a_block_acts_at_once_on_who_waits(one: str, other: str) -> None:
    queue = new_line(ann, bob)
    queue.block(one, other)
    assert bool(queue.propose(first_come, CHANCE, now=1.0)) == (one == "eve")


def test_a_block_acts_at_once_on_who_is_reserved() -> None:
    """I-7: rechecked just before the room is made, and after a release."""
    queue = new_line(ann, bob)
    (pair,) = queue.propose(first_come, CHANCE, now=1.0)
    queue.block("bob", "ann")
    assert queue.may_pair(*pair, now=1.0), "the pair as it was proposed knows nothing of it"
    assert not queue.may_pair(*queue.reserved(pair), now=1.0)
    queue.release(pair)
    assert queue.propose(first_come, CHANCE, now=1e6) == []


# Rooms and ranks


def in_room(queue: WaitingQueue) -> WaitingQueue:
    """Pairs everybody who may be paired, all in the room r1."""
    for pair in queue.propose(first_come, CHANCE, now=0.0):
        queue.commit(pair, "r1")
    return queue


def test_whom_the_partner_left_comes_back_ahead_of_those_who_came_later() -> None:
    """P0.4."""
    queue = in_room(new_line(ann, bob))
    queue.seek(cat, now=1.0)
    queue.leave_room("ann", "r1")
    queue.leave_room("bob", "r1", left_behind=True)
    assert places(queue) == {"cat": SEEKING}
    queue.seek(ann, again=True, now=2.0)
    assert queue.seek(bob, again=True, now=2.0).rank == 2
    assert names(queue) == ["bob", "cat", "ann"]
    assert queue.seeker("bob") is not None
    assert [seeker.since for seeker in queue.waiting()] == [2.0, 1.0, 2.0]


def test_the_old_rank_is_for_who_asks_for_it_and_once() -> None:
    queue = in_room(new_line(ann, bob))
    queue.seek(cat, now=1.0)
    queue.leave_room("bob", "r1", left_behind=True)
    queue.seek(bob, now=2.0)
    assert names(queue) == ["cat", "bob"]
    queue.cancel("bob")
    queue.seek(bob, again=True, now=3.0)
    assert names(queue) == ["cat", "bob"]


def test_who_was_left_behind_once_and_then_leaves_has_no_old_rank_any_more() -> None:
    queue = in_room(new_line(ann, bob))
    queue.leave_room("bob", "r1", left_behind=True)
    queue.seek(bob, again=True, now=1.0)
    queue.seek(cat, now=1.0)
    queue = in_room(queue)
    queue.seek(eve, now=2.0)
    queue.leave_room("bob", "r1")
    queue.seek(bob, again=True, now=3.0)
    assert names(queue) == ["eve", "bob"]


@pytest.mark.parametrize("how", ["cancel", "forget"])
def test_the_old_rank_is_forgotten_with_the_person(how: str) -> None:
    queue = in_room(new_line(ann, bob))
    queue.seek(cat, now=1.0)
    queue.leave_room("bob", "r1", left_behind=True)
    getattr(queue, how)("bob")
    queue.seek(bob, again=True, now=2.0)
    assert names(queue) == ["cat", "bob"]


def test_again_gives_nothing_to_who_was_not_left_behind() -> None:
    queue = new_line(ann)
    queue.seek(bob, again=True, now=1.0)
    assert names(queue) == ["ann", "bob"]


def test_leaving_another_room_than_ones_own_changes_nothing() -> None:
    queue = in_room(new_line(ann, bob))
    before = copy.deepcopy(queue)
    queue.leave_room("ann", "r0", left_behind=True)
    queue.leave_room("eve", "r1", left_behind=True)
    assert queue == before


def test_who_was_in_a_room_before_a_restart_is_in_it_again() -> None:
    queue = new_line(ann)
    queue.enter("ann", "r7")
    queue.enter("bob", "r7")
    assert places(queue) == {"ann": IN_ROOM, "bob": IN_ROOM}
    queue.leave_room("ann", "r7", left_behind=True)
    queue.seek(cat, now=1.0)
    queue.seek(ann, again=True, now=1.0)
    assert names(queue) == ["cat", "ann"], "no rank is known from before the restart"


def test_who_is_reserved_cannot_enter_another_room() -> None:
    queue = new_line(ann, bob)
    (pair,) = queue.propose(first_come, CHANCE, now=1.0)
    before = copy.deepcopy(queue)
    with pytest.raises(InvariantBroken):
        queue.enter("ann", "r7")
    assert queue == before
    queue.release(pair)
    assert places(queue) == {"ann": SEEKING, "bob": SEEKING}


# The rematch pause


def parted(now: float) -> WaitingQueue:
    """ann and bob parted at ``now`` and both seek again at once."""
    queue = new_line()
    queue.part("bob", "ann", now=now)
    queue.seek(ann, now=now)
    queue.seek(bob, now=now)
    return queue


def test_two_who_just_parted_are_paired_again_only_after_the_pause() -> None:
    queue = parted(100.0)
    assert queue.propose(first_come, CHANCE, now=104.999) == []
    assert pairs_of(queue.propose(first_come, CHANCE, now=105.0)) == [("ann", "bob")]


def test_others_come_first_during_the_pause() -> None:
    queue = parted(100.0)
    queue.seek(cat, now=101.0)
    assert pairs_of(queue.propose(first_come, CHANCE, now=101.0)) == [("ann", "cat")]


@pytest.mark.parametrize(("first", "second"), [(ann, bob), (bob, ann)])
def test_the_pause_counts_from_when_both_wait_again(first: Person, second: Person) -> None:
    queue = new_line()
    queue.part("ann", "bob", now=100.0)
    queue.seek(first, now=101.0)
    queue.seek(second, now=104.0)
    assert queue.propose(first_come, CHANCE, now=108.9) == []
    assert queue.propose(first_come, CHANCE, now=109.0)


def test_without_a_pause_two_who_parted_meet_again_at_once() -> None:
    queue = new_line(rematch_after_s=0.0)
    queue.part("ann", "bob", now=100.0)
    for who in (ann, bob):
        queue.seek(who, now=100.0)
    assert queue.propose(first_come, CHANCE, now=100.0)


def test_who_parted_last_is_remembered_longest_and_not_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PARTED_PAIRS_MAX", 2)
    queue = new_line()
    a, b, c, d = (Seeker(person=who, rank=0, since=10.0) for who in (ann, bob, cat, eve))
    queue.part("ann", "bob", now=10.0)
    queue.part("cat", "eve", now=10.0)
    queue.part("bob", "ann", now=10.0)  # again: now the newest
    queue.part("ann", "eve", now=10.0)
    assert not queue.may_pair(a, b, now=11.0)
    assert not queue.may_pair(a, d, now=11.0)
    assert queue.may_pair(c, d, now=11.0), "the oldest pair is forgotten"


# An invalid result of a matcher


def mallory(waiting: Sequence[Seeker]) -> Seeker:
    return attrs.evolve(waiting[0], person=person("mallory"))


LIES: dict[str, Callable[[Sequence[Seeker]], object]] = {
    "an invented person": lambda w: [(w[0], mallory(w))],
    "an invented person first": lambda w: [(mallory(w), w[0])],
    "a doctored seeker": lambda w: [(attrs.evolve(w[0], blocked=frozenset()), w[1])],
    "a doctored rank": lambda w: [(w[0], attrs.evolve(w[1], rank=0))],
    "somebody twice, first and first": lambda w: [(w[0], w[2]), (w[0], w[3])],
    "somebody twice, second and second": lambda w: [(w[2], w[0]), (w[3], w[0])],
    "somebody twice, first and second": lambda w: [(w[0], w[2]), (w[3], w[0])],
    "a pair twice": lambda w: [(w[0], w[2]), (w[0], w[2])],
    "somebody with oneself": lambda w: [(w[0], w[0])],
    "a blocked pair": lambda w: [(w[0], w[1])],
    "a blocked pair, turned round": lambda w: [(w[1], w[0])],
    "a good pair, then a blocked one": lambda w: [(w[2], w[3]), (w[0], w[1])],
    "a pair that just parted": lambda w: [(w[1], w[2])],
    "three": lambda w: [(w[0], w[2], w[3])],
    "one": lambda w: [(w[0],)],
    "no pairs at all": lambda w: [w[0], w[2]],
    "names": lambda w: [("ann", "cat")],
    "None": lambda w: None,
    "a number": lambda w: 7,
    "pairs that can be looked at once": lambda w: [(w[0], w[2]), iter((w[1], w[3]))],
    "an answer that breaks half way": lambda w: (pair for pair in [(w[0], w[2]), None]),
}


def dishonest_line() -> WaitingQueue:
    queue = new_line()
    queue.part("bob", "cat", now=1.0)
    for who in (ann, bob, cat, eve):
        queue.seek(who, blocked=frozenset({"bob"} if who is ann else ()), now=1.0)
    return queue


@pytest.mark.parametrize("lie", [name for name in LIES if name != "pairs that can be looked at once"])
def test_a_lie_of_the_matcher_changes_nothing(lie: str) -> None:
    queue = dishonest_line()
    before = copy.deepcopy(queue)

    def lying(waiting: Sequence[Seeker], may_pair: MayPair, rng: Random) -> Sequence[Pair]:
        return cast(Sequence[Pair], LIES[lie](waiting))

    with pytest.raises(InvariantBroken):
        queue.propose(lying, CHANCE, now=2.0)
    assert queue == before
    assert pairs_of(queue.propose(first_come, CHANCE, now=2.0)) == [("ann", "cat"), ("bob", "eve")]


def test_pairs_that_can_be_looked_at_only_once_leave_nobody_half_way() -> None:
    """No limbo: either both pairs are reserved, or none is."""
    queue = dishonest_line()

    def once(waiting: Sequence[Seeker], may_pair: MayPair, rng: Random) -> Sequence[Pair]:
        return cast(Sequence[Pair], LIES["pairs that can be looked at once"](waiting))

    pairs = queue.propose(once, CHANCE, now=2.0)
    assert pairs_of(pairs) == [("ann", "cat"), ("bob", "eve")]
    for pair in pairs:
        queue.release(pair)
    assert queue == dishonest_line()


@pytest.mark.parametrize("fault", [ValueError("x"), KeyError(1), RecursionError(), ZeroDivisionError()])
def test_a_matcher_that_raises_changes_nothing_and_its_fault_is_told(fault: Exception) -> None:
    queue = dishonest_line()
    before = copy.deepcopy(queue)

    def raising(waiting: Sequence[Seeker], may_pair: MayPair, rng: Random) -> Sequence[Pair]:
        raise fault

    with pytest.raises(InvariantBroken) as broken:
        queue.propose(raising, CHANCE, now=2.0)
    assert broken.value.__cause__ is fault
    assert queue == before


def test_a_matcher_that_empties_the_line_it_was_shown_empties_a_copy() -> None:
    queue = new_line(ann, bob)

    def greedy(waiting: Sequence[Seeker], may_pair: MayPair, rng: Random) -> Sequence[Pair]:
        cast(list[Seeker], waiting).clear()
        return []

    assert queue.propose(greedy, CHANCE, now=1.0) == []
    assert names(queue) == ["ann", "bob"]


def test_a_matcher_that_crosses_partitions_is_not_believed() -> None:
    queue = new_line(person("a1", partition="a"), person("b1", partition="b"), person("a2", partition="a"))
    seen: list[Seeker] = []

    def crossing(waiting: Sequence[Seeker], may_pair: MayPair, rng: Random) -> Sequence[Pair]:
        seen.extend(waiting)
        return [(seen[0], seen[-1])] if len(waiting) == 1 else []

    with pytest.raises(InvariantBroken):
        queue.propose(crossing, CHANCE, now=1.0)
    assert set(places(queue).values()) == {SEEKING}


# Everything together, against a naive model


@attrs.define
class Naive:
    """One person in the naive model."""

    person: Person
    place: str = "nowhere"  # nowhere, seeking, reserved, in a room
    rank: int = 0
    since: float = 0.0
    owed: int | None = None  # the rank of one who was left behind
    room: str = ""


class Lobbying(RuleBasedStateMachine):
    """People come and go, block, part and meet again, in two partitions."""

    @initialize(matcher=st.sampled_from(sorted(MATCHERS)), seed=st.integers(0, 5))
    def start(self, matcher: str, seed: int) -> None:
        self.queue = new_line()
        self.matcher: Matcher = MATCHERS[matcher]
        self.rng = Random(seed)
        self.now = 0.0
        self.people = {
            name: Naive(person(name, partition="left" if name < "d" else "right")) for name in "abcdef"
        }
        self.next_rank = 1
        self.blocks: set[frozenset[str]] = set()
        self.parted: dict[frozenset[str], float] = {}
        self.pending: list[Pair] = []
        self.rooms: dict[str, tuple[str, str]] = {}
        self.made = 0

    def may_pair(self, one: Naive, other: Naive) -> bool:
        both = frozenset((one.person.id, other.person.id))
        waited = self.now - max(self.parted.get(both, -1e9), one.since, other.since)
        return (
            one is not other
            and one.person.partition == other.person.partition
            and both not in self.blocks
            and (both not in self.parted or waited >= PAUSE_S)
        )

    def waiting(self) -> list[Naive]:
        return sorted((p for p in self.people.values() if p.place == "seeking"), key=lambda p: p.rank)

    who = st.sampled_from("abcdef")

    @rule(pause=st.sampled_from((0.5, 2.0, 5.0)))
    def time_passes(self, pause: float) -> None:
        self.now += pause

    @rule(who=who, again=st.booleans())
    def seek(self, who: str, again: bool) -> None:
        naive = self.people[who]
        blocked = frozenset(other for both in self.blocks if who in both for other in both - {who})
        try:
            seeker = self.queue.seek(naive.person, again=again, blocked=blocked, now=self.now)
        except Refused:
            assert naive.place != "nowhere"
            return
        assert naive.place == "nowhere"
        naive.place, naive.since = "seeking", self.now
        naive.rank = naive.owed if again and naive.owed is not None else self.next_rank
        naive.owed = None
        self.next_rank += 1
        assert (seeker.rank, seeker.since) == (naive.rank, naive.since)

    @rule(who=who)
    def cancel(self, who: str) -> None:
        naive = self.people[who]
        assert self.queue.cancel(who) == (naive.place == "seeking")
        naive.owed = None
        if naive.place == "seeking":
            naive.place = "nowhere"

    @rule(who=who, foe=who)
    def block(self, who: str, foe: str) -> None:
        if who != foe:
            self.queue.block(who, foe)
            self.blocks.add(frozenset((who, foe)))

    @rule()
    def propose(self) -> None:
        waited = {p.person.id for p in self.waiting()}
        pairs = self.queue.propose(self.matcher, self.rng, now=self.now)
        for a, b in pairs:
            one, other = self.people[a.person.id], self.people[b.person.id]
            assert {a.person.id, b.person.id} <= waited
            assert self.may_pair(one, other)
            waited -= {a.person.id, b.person.id}
            one.place = other.place = "reserved"
        self.pending += pairs
        left = self.waiting()
        assert not any(self.may_pair(one, other) for one in left for other in left), "I-9"

    @precondition(lambda self: self.pending)
    @rule(which=st.integers(0, 2))
    def commit(self, which: int) -> None:
        pair = self.pending.pop(which % len(self.pending))
        self.made += 1
        room = f"room-{self.made}"
        now = self.queue.reserved(pair)
        if not self.queue.may_pair(*now, now=self.now):  # blocked meanwhile
            self.queue.release(pair)
            for seeker in pair:
                self.people[seeker.person.id].place = "seeking"
            return
        self.queue.commit(pair, room)
        self.rooms[room] = pair[0].person.id, pair[1].person.id
        for seeker in pair:
            naive = self.people[seeker.person.id]
            naive.place, naive.room = "in a room", room

    @precondition(lambda self: self.pending)
    @rule(which=st.integers(0, 2))
    def release(self, which: int) -> None:
        pair = self.pending.pop(which % len(self.pending))
        self.queue.release(pair)
        for seeker in pair:
            self.people[seeker.person.id].place = "seeking"

    @precondition(lambda self: self.rooms)
    @rule(which=st.integers(0, 2), first=st.booleans())
    def part(self, which: int, first: bool) -> None:
        """One person leaves the room, the other stays behind."""
        room = sorted(self.rooms)[which % len(self.rooms)]
        leaver, left = self.rooms.pop(room)[:: 1 if first else -1]
        self.queue.leave_room(leaver, room)
        self.queue.leave_room(left, room, left_behind=True)
        self.queue.leave_room(left, room)  # duplicate: no effect
        self.queue.part(leaver, left, now=self.now)
        self.parted[frozenset((leaver, left))] = self.now
        for who in (leaver, left):
            self.people[who].place, self.people[who].room = "nowhere", ""
        self.people[left].owed = self.people[left].rank

    @rule(who=who)
    def forget(self, who: str) -> None:
        self.queue.forget(who)
        self.people[who].owed = None

    @invariant()
    def everybody_is_where_the_paper_list_says(self) -> None:
        expected = {
            name: {"seeking": SEEKING, "reserved": RESERVED, "in a room": IN_ROOM}[naive.place]
            for name, naive in self.people.items()
            if naive.place != "nowhere"
        }
        assert places(self.queue) == expected, "one place at most"
        for name, naive in self.people.items():
            assert self.queue.room_of(name) == (naive.room or None)

    @invariant()
    def the_line_stands_in_the_order_of_its_ranks(self) -> None:
        queue = self.queue.waiting()
        assert [(s.person.id, s.rank, s.since) for s in queue] == [
            (p.person.id, p.rank, p.since) for p in self.waiting()
        ]
        assert len(self.queue) == len(queue)
        assert [self.queue.position(s.person.id) for s in queue] == list(range(1, len(queue) + 1))
        ranks = [p.rank for p in self.people.values() if p.place != "nowhere"]
        assert len(set(ranks)) == len(ranks), "a rank is one person's"


TestLobbying = Lobbying.TestCase
TestLobbying.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
