"""The heartbeat of one connection: how long it may be silent, first without a person, then between pings.

There is one timer at a time. Kept out: which frame a ping is (the dialect), and the
pings of WebSocket itself (``transports.websocket``).
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from chat_core import NO_PONG, NOT_AUTHENTICATED_IN_TIME

__all__ = ["LOOP_STALL_S", "Heartbeat"]

LOOP_STALL_S: Final = 5.0  # a timer that rings later than this starts its deadline again


class Beating(Protocol):
    """The connection, as its heartbeat sees it."""

    @property
    def is_paused(self) -> bool:
        """True while we do not read what the peer sends."""

    def ping(self) -> None:
        """Send a ping."""

    def end(self, code: int, reason: str) -> None:
        """End the connection."""


class Heartbeat:
    """Ends a connection that says nothing. Times in seconds."""

    __slots__ = ("_beating", "_loop", "_ping_s", "_pong_s", "_timer", "awaits_pong")

    def __init__(
        self, beating: Beating, loop: asyncio.AbstractEventLoop, *, ping_s: float, pong_s: float
    ) -> None:
        self.awaits_pong = False
        self._beating = beating
        self._loop = loop
        self._ping_s = ping_s
        self._pong_s = pong_s
        self._timer: asyncio.TimerHandle | None = None

    def expect_first_command(self, within_s: float) -> None:
        """End the connection (3502) unless ``start_pings`` or ``stop`` is called in time."""
        self._at(within_s, self._give_up_waiting)

    def start_pings(self) -> None:
        """Ping from now on, ``ping_s`` after the last pong."""
        self._at(self._ping_s, self._ping)

    def ponged(self) -> None:
        """The peer answered a ping."""
        self.awaits_pong = False
        self.start_pings()

    def stop(self) -> None:
        """Nothing more is expected. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _at(self, seconds: float, then: Callable[[], None]) -> None:
        self.stop()
        when = self._loop.time() + seconds

        def ring() -> None:
            if self._loop.time() - when > LOOP_STALL_S:
                self._at(seconds, then)  # the server was stalled, not the peer silent
            else:
                then()

        self._timer = self._loop.call_at(when, ring)

    def _give_up_waiting(self) -> None:
        self._beating.end(*NOT_AUTHENTICATED_IN_TIME)

    def _ping(self) -> None:
        self._beating.ping()
        self.awaits_pong = True
        self._at(self._pong_s, self._give_up_pong)

    def _give_up_pong(self) -> None:
        if self._beating.is_paused:  # it was us who did not listen
            self._at(self._pong_s, self._give_up_pong)
        else:
            self._beating.end(*NO_PONG)
