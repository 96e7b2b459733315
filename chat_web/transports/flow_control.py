"""Flow: whether the peer keeps up with what is written, as asyncio tells a protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Flow"]


class Flow(asyncio.Protocol):
    """A protocol that can say whether to wait before much more is written."""

    __slots__ = ("_is_full", "_when_drained")

    def __init__(self) -> None:
        self._is_full = False
        self._when_drained: Callable[[], None] | None = None

    def waits_to_drain(self, then: Callable[[], None]) -> bool:
        """Whether the peer has yet to read much of what was written; `then` is called once it has."""
        self._when_drained = then if self._is_full else None
        return self._is_full

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        then, self._when_drained = self._when_drained, None
        if then is not None:
            then()
