r"""Presence: counts people, not sockets, with a grace period after the last connection drops.

    ABSENT --connected--> PRESENT --last one dropped--> AWAITED --connected--> PRESENT
            \                                              |
             +----------------------visited----------------+-- grace over --> ABSENT

Others are notified when a person first appears and when they are gone permanently,
not in between. Not here: alarms (the engine asks ``is_gone`` when one fires) and the
recipients.
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
    """One more connection. The person can return if at least one of their connections could."""
    return Presence(connections=presence.connections + 1, may_return=presence.may_return or may_return)


def dropped(presence: Presence, *, now: float, grace_s: float) -> Presence:
    """One connection fewer; the grace period begins after the last one (none if they cannot return).

    A late or duplicate drop, with no connection left, is ignored.
    """
    if presence.connections == 0:
        return presence
    if presence.connections > 1:
        return attrs.evolve(presence, connections=presence.connections - 1)
    grace = grace_s if presence.may_return else 0.0
    return Presence(connections=0, may_return=presence.may_return, until=now + grace)


def visited(presence: Presence, *, now: float, for_s: float) -> Presence:
    """A person who asks without a connection is awaited for ``for_s``; a connection takes precedence."""
    if presence.connections:
        return presence
    return Presence(may_return=True, until=max(presence.until or 0.0, now + for_s))


def is_gone(presence: Presence, *, now: float) -> bool:
    """True once the grace period of an awaited person is over. An early or late alarm has no effect."""
    return presence.connections == 0 and presence.until is not None and now >= presence.until
