"""Callbacks deferred to the end of the loop iteration, so that writes are batched."""

import asyncio
import logging
from collections.abc import Callable

_log = logging.getLogger(__name__)


class FlushQueue:
    """Calls that wait for the end of the loop's current round. All of them cost the loop one.

    What is written then leaves together: a peer that is woken by each frame by
    itself costs this side more than the frame.
    """

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []

    def at_end(self, call: Callable[[], None]) -> None:
        """Calls at the end of the loop iteration, in the order of the requests. Exceptions are logged."""
        if not self._calls:
            asyncio.get_running_loop().call_soon(self._end)
        self._calls.append(call)

    def _end(self) -> None:
        calls, self._calls = self._calls, []
        for call in calls:
            try:
                call()
            except Exception:
                _log.exception("flush_failed")
