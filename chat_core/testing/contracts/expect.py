"""Assertions for contract suites.

Not by ``assert``, which ``-O`` takes away.
"""

from collections.abc import Awaitable
from typing import TypeVar

E = TypeVar("E", bound=Exception)


class BrokenContract(AssertionError):
    """An adapter does not do what its port promises."""


def true(found: object, words: str) -> None:
    """``found`` is true, as ``words`` say."""
    if not found:
        raise BrokenContract(words)


def equal(found: object, wanted: object, words: str = "") -> None:
    """Both are equal."""
    if found != wanted:
        raise BrokenContract(f"{words or 'the answer'}:\n  found  {found!r}\n  wanted {wanted!r}")


async def raises(kind: type[E], asked: Awaitable[object]) -> E:
    """Awaiting raises an error of this kind, which is returned."""
    try:
        answer = await asked
    except kind as error:
        return error
    raise BrokenContract(f"{kind.__name__} was to be raised, and {answer!r} was the answer")
