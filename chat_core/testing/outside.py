"""A real store in a world whose time stands still: it lives on an event loop and a thread of its own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, cast

from chat_core.ports import Store


class Outside:
    """``with Outside(lambda: open_sqlite(path)) as store``: who asks stands still until the answer is there.

    So a simulation on a fake clock can have a database, which takes its own time.
    """

    def __init__(self, open_store: Callable[[], Awaitable[Store]]) -> None:
        self._open_store = open_store
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="parley-outside", daemon=True)

    def __enter__(self) -> Store:
        self._thread.start()
        try:
            self._store: Store = self._wait(self._open_store())
        except BaseException:
            self._end()
            raise
        return cast(Store, _Proxy(self))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._wait(self._store.close())
        finally:
            self._end()

    def ask(self, name: str, *values: Any, **named: Any) -> Any:
        """Call a method of the store over there."""
        return self._wait(getattr(self._store, name)(*values, **named))

    @property
    def durable(self) -> bool:
        """Whether the store over there is."""
        return self._store.durable

    def _wait(self, asked: Awaitable[Any]) -> Any:
        async def answered() -> Any:
            return await asked

        return asyncio.run_coroutine_threadsafe(answered(), self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Proxy:
    """A proxy of the store on this loop. Its owner closes it."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self.durable = outside.durable

    def __getattr__(self, name: str) -> Any:
        async def asked(*values: Any, **named: Any) -> Any:
            return self._outside.ask(name, *values, **named)

        return asked

    async def close(self) -> None:
        return None
