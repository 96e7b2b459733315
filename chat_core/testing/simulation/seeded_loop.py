"""An event loop that runs what is ready in an order drawn from a seed, on a fake clock, by hand.

asyncio runs callbacks in the order they came. Code that is right only in that
order is found out here. Kept out: sockets, threads, signals.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar, TypeVarTuple, Unpack

from chat_core.testing.clock import FakeAlarm, FakeClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class SeededLoop(asyncio.BaseEventLoop):
    """Use as ``with SeededLoop(rng, clock) as loop``; then it is the running loop."""

    def __init__(self, rng: Random, clock: FakeClock) -> None:
        self._is_entered = False
        super().__init__()
        self._draw = rng.random
        self._clock = clock
        self._waiting: list[asyncio.Handle] = []
        self._timers: dict[asyncio.TimerHandle, FakeAlarm] = {}
        self.errors: list[BaseException] = []

    def __enter__(self) -> Self:
        asyncio._set_running_loop(self)
        self._is_entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio._set_running_loop(None)
        self._is_entered = False
        self.close()

    # Running

    def run_some(self, calls: int) -> None:
        """Run so many ready callbacks, or fewer where fewer are ready."""
        ready, draw = self._waiting, self._draw
        while ready and calls > 0:
            calls -= 1
            index = int(draw() * len(ready))
            ready[index], ready[-1] = ready[-1], ready[index]
            handle = ready.pop()
            if not handle.cancelled():
                handle._run()

    def drain(self) -> None:
        """Run until nothing is ready."""
        while self._waiting:
            self.run_some(len(self._waiting))

    def run_until_complete(self, future: Any) -> Any:
        """Drain until the work is done. What waits for the time to pass is never done."""
        task = self.create_task(future) if asyncio.iscoroutine(future) else future
        self.drain()
        return task.result()

    @property
    def is_idle(self) -> bool:
        return not self._waiting

    # What asyncio asks of a loop

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._waiting.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)

        def due() -> None:
            del self._timers[handle]
            self._waiting.append(handle)

        self._timers[handle] = self._clock.call_at(when, due)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        alarm = self._timers.pop(handle, None)
        if alarm is not None:
            alarm.cancel()

    def time(self) -> float:
        return self._clock.now()

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def is_running(self) -> bool:
        return self._is_entered

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.errors.append(error if error is not None else RuntimeError(context.get("message", "?")))
