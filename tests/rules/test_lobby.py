"""The lobby's line: places, ranks, and a matcher that is not believed."""

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
from chat_core.rules.lobby import Line, LobbyRules, Matcher, MayPair, Pair, Place, Seeker
from chat_core.rules.matching import MATCHERS, first_come
from tests.support.command_scripts import OPEN_ENDED, ann, bob, cat, eve, person

SEEKING, RESERVED, IN_ROOM = Place
PAUSE_S = 5.0
CHANCE = Random(0)


def new_line(*people: Person, rematch_after_s: float = PAUSE_S) -> Line:
    """A line in which these people have waited since 0, in this order."""
    line = Line(
        rules=LobbyRules(
            name="anonymous",
            persistence=Persistence.EPHEMERAL,
            room=OPEN_ENDED,
            rematch_after_s=rematch_after_s,
        )
    )
    for who in people:
        line.seek(who, now=0.0)
    return line


def names(line: Line) -> list[str]:
    return [seeker.person.id for seeker in line.waiting()]


def pairs_of(pairs: Iterable[Pair]) -> list[tuple[str, str]]:
    return [(a.person.id, b.person.id) for a, b in pairs]


def places(line: Line) -> dict[str, Place]:
    """Everybody's place; fails where somebody has two."""
    people = list(line.people())
    assert len(dict(people)) == len(people), people
    assert all(line.place(who) is place for who, place in people)
    return dict(people)


def refused_and_unchanged(line: Line, change: Callable[[], object]) -> Refused:
    before = copy.deepcopy(line)
    with pytest.raises(Refused) as refusal:
        change()
    assert line == before
    return refusal.value


# Seeking


def test_who_seeks_waits_at_the_end_of_the_line() -> None:
    line = new_line()
    seeker = line.seek(ann, interests=("chess",), blocked=frozenset({"eve"}), now=3.0)
    assert seeker == Seeker(person=ann, rank=1, since=3.0, interests=("chess",), blocked=frozenset({"eve"}))
    line.seek(bob, now=4.0)
    assert (names(line), len(line)) == (["ann", "bob"], 2)
    assert [line.position(who) for who in ("ann", "bob")] == [1, 2]
    assert line.seeker("ann") is seeker
    assert (line.place("ann"), line.place("eve"), line.seeker("eve")) == (SEEKING, None, None)


def test_who_has_a_place_is_refused_another() -> None:
    line = new_line(ann, bob)
    assert refused_and_unchanged(line, lambda: line.seek(ann, now=1.0)).code == "wrong_state"
    (pair,) = line.propose(first_come, CHANCE, now=1.0)
    assert refused_and_unchanged(line, lambda: line.seek(ann, now=1.0)).code == "wrong_state"
    line.commit(pair, "r1")
    again = refused_and_unchanged(line, lambda: line.seek(ann, again=True, now=1.0))
    assert again.code == "wrong_state"


def test_a_line_takes_so_many_and_says_when_to_come_again() -> None:
    line = new_line(*(person(str(n)) for n in range(QUEUE_LENGTH_MAX)))
    refusal = refused_and_unchanged(line, lambda: line.seek(ann, now=1.0))
    assert refusal.code == "too_many"
    assert refusal.retry_after_s is not None
    line.cancel("0")
    line.seek(ann, now=1.0)


def test_who_is_reserved_counts_in_the_line_since_a_release_brings_them_back() -> None:
    line = new_line(*(person(str(n)) for n in range(QUEUE_LENGTH_MAX)))
    pairs = line.propose(first_come, CHANCE, now=1.0)
    assert len(line) == 0
    refusal = refused_and_unchanged(line, lambda: line.seek(ann, now=1.0))
    assert refusal.code == "too_many"
    line.commit(pairs[0], "r1")
    line.seek(ann, now=1.0)


GOOD = ("x" * INTEREST_LENGTH_MAX,) * INTERESTS_MAX


@pytest.mark.parametrize(
    "interests", [(*GOOD, "x"), ("x" * (INTEREST_LENGTH_MAX + 1),), ("",), ("ok", " \t")]
)
def test_interests_that_may_not_be_cost_nobody_a_place_or_a_rank(interests: tuple[str, ...]) -> None:
    line = new_line(ann)
    refusal = refused_and_unchanged(line, lambda: line.seek(bob, interests=interests, now=1.0))
    assert (refusal.code, list(refusal.fields)) == ("invalid", ["interests"])
    assert line.seek(bob, interests=GOOD, now=1.0).interests == GOOD


def test_who_cancels_has_no_place_and_loses_the_rank() -> None:
    line = new_line(ann, bob)
    assert line.cancel("ann")
    assert not line.cancel("ann")
    assert places(line) == {"bob": SEEKING}
    line.seek(ann, again=True, now=1.0)
    assert names(line) == ["bob", "ann"]


def test_who_is_reserved_or_in_a_room_cannot_cancel() -> None:
    line = new_line(ann, bob)
    (pair,) = line.propose(first_come, CHANCE, now=1.0)
    assert not line.cancel("ann")
    assert line.place("ann") is RESERVED
    line.commit(pair, "r1")
    assert not line.cancel("ann")
    assert line.place("ann") is IN_ROOM


# Pairing


def test_a_pair_is_reserved_and_then_in_its_room() -> None:
    line = new_line(ann, bob, cat)
    (pair,) = line.propose(first_come, CHANCE, now=1.0)
    assert pairs_of([pair]) == [("ann", "bob")]
    assert places(line) == {"ann": RESERVED, "bob": RESERVED, "cat": SEEKING}
    assert line.seeker("ann") == pair[0]
    assert line.position("cat") == 1
    line.commit(pair, "r1")
    assert places(line) == {"ann": IN_ROOM, "bob": IN_ROOM, "cat": SEEKING}
    assert (line.room_of("ann"), line.room_of("cat"), line.seeker("ann")) == ("r1", None, None)


def test_a_pair_that_is_released_returns_to_its_old_place() -> None:
    """I-8."""
    line = new_line(ann, bob, cat)
    before = line.waiting()
    (pair,) = line.propose(first_come, CHANCE, now=1.0)
    line.seek(eve, now=2.0)
    line.release(pair)
    assert line.waiting()[:3] == before
    assert names(line) == ["ann", "bob", "cat", "eve"]


def test_one_alone_is_not_paired_and_the_matcher_is_not_asked() -> None:
    def never(waiting: Sequence[Seeker], may_pair: MayPair, chance: Random) -> Sequence[Pair]:
        raise AssertionError("asked")

    assert new_line(ann).propose(never, CHANCE, now=1.0) == []
    assert new_line().propose(never, CHANCE, now=1.0) == []


def test_each_partition_has_a_line_of_its_own() -> None:
    people = [person(f"{name}{age}", partition=age) for name in "ab" for age in ("minor", "adult", "")]
    line = new_line(*people)
    asked: list[list[str]] = []

    def asking(waiting: Sequence[Seeker], may_pair: MayPair, chance: Random) -> Sequence[Pair]:
        asked.append([seeker.person.id for seeker in waiting])
        return first_come(waiting, may_pair, chance)

    pairs = line.propose(asking, CHANCE, now=1.0)
    assert asked == [["aminor", "bminor"], ["aadult", "badult"], ["a", "b"]]
    assert sorted(pairs_of(pairs)) == [("a", "b"), ("aadult", "badult"), ("aminor", "bminor")]


# Blocks


@pytest.mark.parametrize(("who", "foe"), [(ann, bob), (bob, ann)])
def test_a_block_keeps_two_apart_whoever_set_it(who: Person, foe: Person) -> None:
    line = new_line()
    for one in (ann, bob):
        line.seek(one, blocked=frozenset({foe.id} if one is who else ()), now=0.0)
    assert line.propose(first_come, CHANCE, now=1e6) == []


@pytest.mark.parametrize(("one", "other"), [("ann", "bob"), ("bob", "ann"), ("eve", "ann")])
def test_a_block_acts_at_once_on_who_waits(one: str, other: str) -> None:
    line = new_line(ann, bob)
    line.block(one, other)
    assert bool(line.propose(first_come, CHANCE, now=1.0)) == (one == "eve")


def test_a_block_acts_at_once_on_who_is_reserved() -> None:
    """I-7: rechecked just before the room is made, and after a release."""
    line = new_line(ann, bob)
    (pair,) = line.propose(first_come, CHANCE, now=1.0)
    line.block("bob", "ann")
    assert line.may_pair(*pair, now=1.0), "the pair as it was proposed knows nothing of it"
    assert not line.may_pair(*line.reserved(pair), now=1.0)
    line.release(pair)
    assert line.propose(first_come, CHANCE, now=1e6) == []


# Rooms and ranks


def in_room(line: Line) -> Line:
    """Who may be paired is, all in the room r1."""
    for pair in line.propose(first_come, CHANCE, now=0.0):
        line.commit(pair, "r1")
    return line


def test_whom_the_partner_left_comes_back_ahead_of_those_who_came_later() -> None:
    """P0.4."""
    line = in_room(new_line(ann, bob))
    line.seek(cat, now=1.0)
    line.leave_room("ann", "r1")
    line.leave_room("bob", "r1", left_behind=True)
    assert places(line) == {"cat": SEEKING}
    line.seek(ann, again=True, now=2.0)
    assert line.seek(bob, again=True, now=2.0).rank == 2
    assert names(line) == ["bob", "cat", "ann"]
    assert line.seeker("bob") is not None
    assert [seeker.since for seeker in line.waiting()] == [2.0, 1.0, 2.0]


def test_the_old_rank_is_for_who_asks_for_it_and_once() -> None:
    line = in_room(new_line(ann, bob))
    line.seek(cat, now=1.0)
    line.leave_room("bob", "r1", left_behind=True)
    line.seek(bob, now=2.0)
    assert names(line) == ["cat", "bob"]
    line.cancel("bob")
    line.seek(bob, again=True, now=3.0)
    assert names(line) == ["cat", "bob"]


def test_who_was_left_behind_once_and_then_leaves_has_no_old_rank_any_more() -> None:
    line = in_room(new_line(ann, bob))
    line.leave_room("bob", "r1", left_behind=True)
    line.seek(bob, again=True, now=1.0)
    line.seek(cat, now=1.0)
    line = in_room(line)
    line.seek(eve, now=2.0)
    line.leave_room("bob", "r1")
    line.seek(bob, again=True, now=3.0)
    assert names(line) == ["eve", "bob"]


@pytest.mark.parametrize("how", ["cancel", "forget"])
def test_the_old_rank_is_forgotten_with_the_person(how: str) -> None:
    line = in_room(new_line(ann, bob))
    line.seek(cat, now=1.0)
    line.leave_room("bob", "r1", left_behind=True)
    getattr(line, how)("bob")
    line.seek(bob, again=True, now=2.0)
    assert names(line) == ["cat", "bob"]


def test_again_gives_nothing_to_who_was_not_left_behind() -> None:
    line = new_line(ann)
    line.seek(bob, again=True, now=1.0)
    assert names(line) == ["ann", "bob"]


def test_leaving_another_room_than_ones_own_changes_nothing() -> None:
    line = in_room(new_line(ann, bob))
    before = copy.deepcopy(line)
    line.leave_room("ann", "r0", left_behind=True)
    line.leave_room("eve", "r1", left_behind=True)
    assert line == before


def test_who_was_in_a_room_before_a_restart_is_in_it_again() -> None:
    line = new_line(ann)
    line.enter("ann", "r7")
    line.enter("bob", "r7")
    assert places(line) == {"ann": IN_ROOM, "bob": IN_ROOM}
    line.leave_room("ann", "r7", left_behind=True)
    line.seek(cat, now=1.0)
    line.seek(ann, again=True, now=1.0)
    assert names(line) == ["cat", "ann"], "no rank is known from before the restart"


def test_who_is_reserved_cannot_enter_another_room() -> None:
    line = new_line(ann, bob)
    (pair,) = line.propose(first_come, CHANCE, now=1.0)
    before = copy.deepcopy(line)
    with pytest.raises(InvariantBroken):
        line.enter("ann", "r7")
    assert line == before
    line.release(pair)
    assert places(line) == {"ann": SEEKING, "bob": SEEKING}


# The rematch pause


def parted(now: float) -> Line:
    """ann and bob parted at ``now`` and both seek again at once."""
    line = new_line()
    line.part("bob", "ann", now=now)
    line.seek(ann, now=now)
    line.seek(bob, now=now)
    return line


def test_two_who_just_parted_are_paired_again_only_after_the_pause() -> None:
    line = parted(100.0)
    assert line.propose(first_come, CHANCE, now=104.999) == []
    assert pairs_of(line.propose(first_come, CHANCE, now=105.0)) == [("ann", "bob")]


def test_others_come_first_during_the_pause() -> None:
    line = parted(100.0)
    line.seek(cat, now=101.0)
    assert pairs_of(line.propose(first_come, CHANCE, now=101.0)) == [("ann", "cat")]


@pytest.mark.parametrize(("first", "second"), [(ann, bob), (bob, ann)])
def test_the_pause_counts_from_when_both_wait_again(first: Person, second: Person) -> None:
    line = new_line()
    line.part("ann", "bob", now=100.0)
    line.seek(first, now=101.0)
    line.seek(second, now=104.0)
    assert line.propose(first_come, CHANCE, now=108.9) == []
    assert line.propose(first_come, CHANCE, now=109.0)


def test_without_a_pause_two_who_parted_meet_again_at_once() -> None:
    line = new_line(rematch_after_s=0.0)
    line.part("ann", "bob", now=100.0)
    for who in (ann, bob):
        line.seek(who, now=100.0)
    assert line.propose(first_come, CHANCE, now=100.0)


def test_who_parted_last_is_remembered_longest_and_not_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PARTED_PAIRS_MAX", 2)
    line = new_line()
    a, b, c, d = (Seeker(person=who, rank=0, since=10.0) for who in (ann, bob, cat, eve))
    line.part("ann", "bob", now=10.0)
    line.part("cat", "eve", now=10.0)
    line.part("bob", "ann", now=10.0)  # again: now the newest
    line.part("ann", "eve", now=10.0)
    assert not line.may_pair(a, b, now=11.0)
    assert not line.may_pair(a, d, now=11.0)
    assert line.may_pair(c, d, now=11.0), "the oldest pair is forgotten"


# A matcher that lies


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


def dishonest_line() -> Line:
    line = new_line()
    line.part("bob", "cat", now=1.0)
    for who in (ann, bob, cat, eve):
        line.seek(who, blocked=frozenset({"bob"} if who is ann else ()), now=1.0)
    return line


@pytest.mark.parametrize("lie", [name for name in LIES if name != "pairs that can be looked at once"])
def test_a_lie_of_the_matcher_changes_nothing(lie: str) -> None:
    line = dishonest_line()
    before = copy.deepcopy(line)

    def lying(waiting: Sequence[Seeker], may_pair: MayPair, chance: Random) -> Sequence[Pair]:
        return cast(Sequence[Pair], LIES[lie](waiting))

    with pytest.raises(InvariantBroken):
        line.propose(lying, CHANCE, now=2.0)
    assert line == before
    assert pairs_of(line.propose(first_come, CHANCE, now=2.0)) == [("ann", "cat"), ("bob", "eve")]


def test_pairs_that_can_be_looked_at_only_once_leave_nobody_half_way() -> None:
    """No limbo: either both pairs are reserved, or none is."""
    line = dishonest_line()

    def once(waiting: Sequence[Seeker], may_pair: MayPair, chance: Random) -> Sequence[Pair]:
        return cast(Sequence[Pair], LIES["pairs that can be looked at once"](waiting))

    pairs = line.propose(once, CHANCE, now=2.0)
    assert pairs_of(pairs) == [("ann", "cat"), ("bob", "eve")]
    for pair in pairs:
        line.release(pair)
    assert line == dishonest_line()


@pytest.mark.parametrize("fault", [ValueError("x"), KeyError(1), RecursionError(), ZeroDivisionError()])
def test_a_matcher_that_raises_changes_nothing_and_its_fault_is_told(fault: Exception) -> None:
    line = dishonest_line()
    before = copy.deepcopy(line)

    def raising(waiting: Sequence[Seeker], may_pair: MayPair, chance: Random) -> Sequence[Pair]:
        raise fault

    with pytest.raises(InvariantBroken) as broken:
        line.propose(raising, CHANCE, now=2.0)
    assert broken.value.__cause__ is fault
    assert line == before


def test_a_matcher_that_empties_the_line_it_was_shown_empties_a_copy() -> None:
    line = new_line(ann, bob)

    def greedy(waiting: Sequence[Seeker], may_pair: MayPair, chance: Random) -> Sequence[Pair]:
        cast(list[Seeker], waiting).clear()
        return []

    assert line.propose(greedy, CHANCE, now=1.0) == []
    assert names(line) == ["ann", "bob"]


def test_a_matcher_that_crosses_partitions_is_not_believed() -> None:
    line = new_line(person("a1", partition="a"), person("b1", partition="b"), person("a2", partition="a"))
    seen: list[Seeker] = []

    def crossing(waiting: Sequence[Seeker], may_pair: MayPair, chance: Random) -> Sequence[Pair]:
        seen.extend(waiting)
        return [(seen[0], seen[-1])] if len(waiting) == 1 else []

    with pytest.raises(InvariantBroken):
        line.propose(crossing, CHANCE, now=1.0)
    assert set(places(line).values()) == {SEEKING}


# Everything together, against a model that is naive


@attrs.define
class Naive:
    """One person, as somebody who keeps a paper list would have it."""

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
        self.line = new_line()
        self.matcher: Matcher = MATCHERS[matcher]
        self.chance = Random(seed)
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
            seeker = self.line.seek(naive.person, again=again, blocked=blocked, now=self.now)
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
        assert self.line.cancel(who) == (naive.place == "seeking")
        naive.owed = None
        if naive.place == "seeking":
            naive.place = "nowhere"

    @rule(who=who, foe=who)
    def block(self, who: str, foe: str) -> None:
        if who != foe:
            self.line.block(who, foe)
            self.blocks.add(frozenset((who, foe)))

    @rule()
    def propose(self) -> None:
        waited = {p.person.id for p in self.waiting()}
        pairs = self.line.propose(self.matcher, self.chance, now=self.now)
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
        now = self.line.reserved(pair)
        if not self.line.may_pair(*now, now=self.now):  # blocked meanwhile
            self.line.release(pair)
            for seeker in pair:
                self.people[seeker.person.id].place = "seeking"
            return
        self.line.commit(pair, room)
        self.rooms[room] = pair[0].person.id, pair[1].person.id
        for seeker in pair:
            naive = self.people[seeker.person.id]
            naive.place, naive.room = "in a room", room

    @precondition(lambda self: self.pending)
    @rule(which=st.integers(0, 2))
    def release(self, which: int) -> None:
        pair = self.pending.pop(which % len(self.pending))
        self.line.release(pair)
        for seeker in pair:
            self.people[seeker.person.id].place = "seeking"

    @precondition(lambda self: self.rooms)
    @rule(which=st.integers(0, 2), first=st.booleans())
    def part(self, which: int, first: bool) -> None:
        """One leaves the room, the other is left behind."""
        room = sorted(self.rooms)[which % len(self.rooms)]
        leaver, left = self.rooms.pop(room)[:: 1 if first else -1]
        self.line.leave_room(leaver, room)
        self.line.leave_room(left, room, left_behind=True)
        self.line.leave_room(left, room)  # doubled: nothing
        self.line.part(leaver, left, now=self.now)
        self.parted[frozenset((leaver, left))] = self.now
        for who in (leaver, left):
            self.people[who].place, self.people[who].room = "nowhere", ""
        self.people[left].owed = self.people[left].rank

    @rule(who=who)
    def forget(self, who: str) -> None:
        self.line.forget(who)
        self.people[who].owed = None

    @invariant()
    def everybody_is_where_the_paper_list_says(self) -> None:
        expected = {
            name: {"seeking": SEEKING, "reserved": RESERVED, "in a room": IN_ROOM}[naive.place]
            for name, naive in self.people.items()
            if naive.place != "nowhere"
        }
        assert places(self.line) == expected, "one place at most"
        for name, naive in self.people.items():
            assert self.line.room_of(name) == (naive.room or None)

    @invariant()
    def the_line_stands_in_the_order_of_its_ranks(self) -> None:
        line = self.line.waiting()
        assert [(s.person.id, s.rank, s.since) for s in line] == [
            (p.person.id, p.rank, p.since) for p in self.waiting()
        ]
        assert len(self.line) == len(line)
        assert [self.line.position(s.person.id) for s in line] == list(range(1, len(line) + 1))
        ranks = [p.rank for p in self.people.values() if p.place != "nowhere"]
        assert len(set(ranks)) == len(ranks), "a rank is one person's"


TestLobbying = Lobbying.TestCase
TestLobbying.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
