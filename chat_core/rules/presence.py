r"""Presence counts people, not sockets, and gives who drops a grace.

    ABSENT --connected--> PRESENT --last one dropped--> AWAITED --connected--> PRESENT
            \                                              |
             +----------------------visited----------------+-- grace over --> ABSENT

Others hear of the first coming and of the going for good, of nothing between.
Kept out: alarms (the engine asks ``is_gone`` when one rings) and who is to hear.
"""

import enum

import attrs


class PresenceState(enum.StrEnum):
    ABSENT = "absent"
    PRESENT = "present"
    AWAITED = "awaited"


@attrs.frozen(kw_only=True)
class Presence:
    """One person's connections, counted. ``until`` is when an awaited person counts as gone."""

    connections: int = 0
    may_return: bool = False
    until: float | None = None

    @property
    def state(self) -> PresenceState:
        if self.connections:
            return PresenceState.PRESENT
        return PresenceState.ABSENT if self.until is None else PresenceState.AWAITED


def connected(presence: Presence, *, may_return: bool) -> Presence:
    """One more connection. Once one of them can come back, the person can."""
    return Presence(connections=presence.connections + 1, may_return=presence.may_return or may_return)


def dropped(presence: Presence, *, now: float, grace_s: float) -> Presence:
    """One connection fewer; after the last one the grace begins (none for who cannot return).

    A drop that comes late or doubled, when there is no connection, is ignored.
    """
    if presence.connections == 0:
        return presence
    if presence.connections > 1:
        return attrs.evolve(presence, connections=presence.connections - 1)
    grace = grace_s if presence.may_return else 0.0
    return Presence(connections=0, may_return=presence.may_return, until=now + grace)


def visited(presence: Presence, *, now: float, for_s: float) -> Presence:
    """A person who asks without a connection counts as awaited for ``for_s``; a connection counts more."""
    if presence.connections:
        return presence
    return Presence(may_return=True, until=max(presence.until or 0.0, now + for_s))


def is_gone(presence: Presence, *, now: float) -> bool:
    """True once the grace of an awaited person is over. An early or late alarm does no harm."""
    return presence.connections == 0 and presence.until is not None and now >= presence.until
