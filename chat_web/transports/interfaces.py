"""Interfaces of transports: the receiver, the socket and their limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

import attrs

__all__ = ["LIMITS", "Receiver", "Socket", "SocketLimits"]

Carried_contra = TypeVar("Carried_contra", contravariant=True)


@attrs.frozen(kw_only=True)
class SocketLimits:
    """The limits of a connection; all connections share one object."""

    pong_s: float = 10.0
    close_s: float = 2.0
    progress_s: float = 10.0
    """How long unsent bytes may stay without one of them leaving."""
    loop_stall_s: float = 5.0
    """A timer that is later than this blames the server: its deadline starts anew."""
    outbox_bytes_max: int = 256 * 1024
    pong_outbox_bytes_max: int = 16 * 1024
    """With more than this unsent, pings are not answered: the peer does not read the answers."""


LIMITS: Final = SocketLimits()


class Receiver(Protocol[Carried_contra]):
    """Receives input.  Called by the event loop, one call at a time; must not block."""

    def opened(self, socket: Carried_contra) -> None:
        """The connection can be written to.  Comes first, once."""

    def received(self, text: str) -> None:
        """A text message came; none comes once the connection is closing."""

    def closed(self, code: int, reason: str) -> None:
        """The connection is gone.  Comes last, once.

        `code` is the peer's, or ours if we closed first, or 1006 if it was lost.
        """


class Socket(Protocol):
    """The output of a connection: a ``ClientTransport`` or a substitute."""

    def write(self, frames: bytes) -> None:
        """Send finished frames.  Never waits, never raises."""

    def close(self, code: int, reason: str) -> None:
        """Send what waits, then say goodbye; ``Receiver.closed`` follows.  The first call counts."""

    def pause(self) -> None:
        """Take nothing more from the peer for now."""

    def resume(self) -> None:
        """Undo ``pause()``."""

    def waits_to_drain(self, then: Callable[[], None]) -> bool:
        """Whether the peer has yet to read much of what was written; ``then`` is called once it has."""
