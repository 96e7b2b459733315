"""Tasks of the core: they belong to the engine, so that a caller that leaves does not cancel them."""

import asyncio
import logging
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Tasks:
    """A set of running tasks. What one raises is reported once and ends nothing else."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs ``work`` to its end, even if the caller is gone."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """As ``spawn``, but up to its first wait ``work`` runs at once, before this returns.

        Work that need not wait (a turn on a log in memory) costs no task. Up to
        there it must not ask which task it runs in.
        """
        try:
            waits_for = work.send(None)
        except StopIteration:
            return
        except Exception as error:
            _log.error("task_failed", exc_info=error)
            return
        self.spawn(_rest(_Suspended(work, waits_for)))

    async def whole(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` comes to. It runs to its end also when who waits for it goes away."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def finished(self) -> None:
        """Wait until no task runs, those included that running ones start."""
        while self._running:
            await asyncio.wait(tuple(self._running))

    def __len__(self) -> int:
        return len(self._running)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("task_failed", exc_info=error)


class _Suspended:
    """Resumes a coroutine that already waits."""

    def __init__(self, work: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._work = work
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        waits_for = self._waits_for
        try:
            while True:
                try:
                    sent = yield waits_for
                except GeneratorExit:  # nobody will go on with it: the loop is gone
                    self._work.close()
                    raise
                except BaseException as error:
                    waits_for = self._work.throw(error)
                else:
                    waits_for = self._work.send(sent)
        except StopIteration:
            return


async def _rest(suspended: _Suspended) -> None:
    await suspended
