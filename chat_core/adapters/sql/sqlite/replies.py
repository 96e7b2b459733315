"""From event loops to threads and back: questions go through a queue, answers in one wake-up."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, TypeAlias

Decision: TypeAlias = tuple["asyncio.Future[Any]", object, Exception | None]
"""The caller's future, and the result or the error."""


def answer(answers: Iterable[Decision]) -> None:
    """Give everybody who waits an answer, from any thread: one wake-up for each event loop.

    Who was cancelled is passed over, and so is a loop that has been closed.
    """
    by_loop: dict[asyncio.AbstractEventLoop, list[Decision]] = {}
    for given in answers:
        by_loop.setdefault(given[0].get_loop(), []).append(given)
    for loop, given_there in by_loop.items():
        with contextlib.suppress(RuntimeError):  # closed meanwhile: nobody waits there any more
            loop.call_soon_threadsafe(_settle, given_there)


def _settle(answers: Iterable[Decision]) -> None:
    for future, result, error in answers:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
