"""What somebody said and heard in a lobby, and whether the log says the same.

Every text is its author's name and a number, so that each stands for itself.
"""

from collections.abc import Sequence
from typing import Final

import attrs

FOREVER: Final = float("inf")


@attrs.frozen
class Entry:
    """One event of a log; ``text`` is None where it is no message."""

    text: str | None
    at: float

    @property
    def by(self) -> str:
        return "" if self.text is None else self.text.partition(" ")[0]


@attrs.frozen
class Pair:
    """One pairing, as the server knows it."""

    room: str
    people: tuple[str, str]
    began: float
    ended: float
    log: tuple[Entry, ...]


@attrs.define(eq=False)
class Talk:
    """One talk as one client heard it; without a ``room`` where the client is told none."""

    room: str | None = None
    heard: list[str] = attrs.field(factory=list)
    left_at: float = FOREVER  # when the client itself went, or lost its place; what came later it may lack
    is_over: bool = False

    def ends(self, left_at: float = FOREVER) -> None:
        """By the partner, unless the client tells when it went itself."""
        self.is_over = True
        self.left_at = min(self.left_at, left_at)


@attrs.define(eq=False)
class Views:
    """What one client said and saw."""

    name: str
    hears_itself: bool = False
    person: str = ""  # its id, where the client can prove later who it is
    talks: list[Talk] = attrs.field(factory=list)
    away: list[tuple[float, float]] = attrs.field(factory=list)
    acknowledged: list[str] = attrs.field(factory=list)
    said: int = 0

    @property
    def talk(self) -> Talk | None:
        """The one that goes on."""
        return self.talks[-1] if self.talks and not self.talks[-1].is_over else None

    def text(self) -> str:
        """What it says next."""
        self.said += 1
        return f"{self.name} {self.said}"

    def begins(self, room: str | None = None) -> Talk:
        self.talks.append(Talk(room))
        return self.talks[-1]

    # What the log says to that

    def lacks(self, talk: Talk, pair: Pair) -> str:
        """How the talk differs from the log; empty: it does not."""
        if talk.room not in (None, pair.room):
            return f"{self.name} was in {talk.room}, not {pair.room}"
        told = [
            one for one in pair.log if one.text is not None and (self.hears_itself or one.by != self.name)
        ]
        heard = [one.text for one in told[: len(talk.heard)]]
        if heard != talk.heard:
            return f"{self.name} heard {talk.heard}, and said was {heard}, in {pair.room}"
        rest = told[len(heard) :]
        if rest and rest[0].at < talk.left_at:
            return f"{self.name} did not hear {rest[0].text} ({rest[0].at}), gone at {talk.left_at}"
        return ""

    def missed(self, pair: Pair) -> bool:
        """Whether the client was away from the beginning to the end."""
        return any(left <= pair.began and pair.ended <= back for left, back in self.away)

    def compared(self, pairs: Sequence[Pair]) -> str:
        """How the talks differ from the person's pairs, in their order; empty: they do not."""
        places = {0}  # how many talks may have been accounted for
        for pair in pairs:
            after, difference = set(), f"{self.name} did not see {pair.room}"
            for place in places:
                if self.missed(pair):
                    after.add(place)
                if place < len(self.talks):
                    difference = self.lacks(self.talks[place], pair)
                    if not difference:
                        after.add(place + 1)
            if not after:
                return difference
            places = after
        if len(self.talks) not in places:
            return f"{self.name} saw {len(self.talks)} talks, and had {len(pairs)}"
        return ""
