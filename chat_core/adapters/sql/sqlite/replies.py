"""Replies from threads to event loops: one wake-up for a group of callers."""

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, TypeAlias

Decision: TypeAlias = tuple["asyncio.Future[Any]", object, Exception | None]
"""The caller's future, and the result or the error."""


def answer(answers: Iterable[Decision]) -> None:
    """Answers all waiting callers, from any thread, with one wake-up per event loop.

    Skips cancelled callers and closed loops.
    """
    by_loop: dict[asyncio.AbstractEventLoop, list[Decision]] = {}
    for given in answers:
        by_loop.setdefault(given[0].get_loop(), []).append(given)
    for loop, given_there in by_loop.items():
        with contextlib.suppress(RuntimeError):  # closed meanwhile: no caller is left there
            loop.call_soon_threadsafe(_settle, given_there)


def _settle(answers: Iterable[Decision]) -> None:
    for future, result, error in answers:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
