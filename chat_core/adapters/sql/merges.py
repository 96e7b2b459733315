"""Merges of SQLite's index of words: what was deleted from it is forgotten by writing it anew.

FTS5 keeps a deleted word, with a note that it is deleted, until the parts of the
index are merged. That costs as much as the index is large: so it is done in
small steps, while nobody wants to write, and a row says that it is still to do.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import Final

from chat_core.adapters.sql.connection import positional
from chat_core.adapters.sql.terms import FORGOTTEN, MERGE, TO_FORGET

EVERY_S: Final = 60.0  # between the ends of one merge and the begin of the next
STEP_PAGES: Final = 64  # 10 to 20 ms
AT_ONCE_S: Final = 5.0  # for who waits until it is done


class Merges:
    """The merges of one file, by the thread that writes it. A failure is tried again later."""

    def __init__(self) -> None:
        self._begun: int | None = None  # how many texts were to be forgotten then
        self._not_before = 0.0

    def wait_s(self, db: sqlite3.Connection) -> float | None:
        """In how many seconds a step is to be made; None where there is nothing to forget."""
        try:
            if self._begun is None and _to_forget(db) is None:
                return None
        except sqlite3.Error:
            self._put_off()
        return max(0.0, self._not_before - time.monotonic())

    def step(self, db: sqlite3.Connection) -> bool:
        """Go on; False when there is nothing more to do now."""
        try:
            return self._step(db)
        except sqlite3.Error:
            self._put_off()
            return False

    def finish(self, db: sqlite3.Connection) -> bool:
        """Go on to the end, for ``AT_ONCE_S`` at most; whether it was reached."""
        patience = time.monotonic() + AT_ONCE_S
        return _until(lambda: not self.step(db), patience) and self._begun is None

    def _step(self, db: sqlite3.Connection) -> bool:
        pages = STEP_PAGES
        if self._begun is None:
            self._begun = _to_forget(db)
            if self._begun is None:
                return False
            pages = -STEP_PAGES  # of all parts there are
        before = db.total_changes
        db.execute(positional(MERGE), (pages,))
        if db.total_changes - before >= 2:
            return True
        done, self._begun = self._begun, None
        self._not_before = time.monotonic() + EVERY_S
        return db.execute(positional(FORGOTTEN), (done,)).rowcount == 0  # more came meanwhile

    def _put_off(self) -> None:
        self._begun = None
        self._not_before = time.monotonic() + EVERY_S


def _to_forget(db: sqlite3.Connection) -> int | None:
    row = db.execute(TO_FORGET).fetchone()
    return None if row is None else int(row[0])


def _until(is_done: Callable[[], bool], patience: float) -> bool:
    while not is_done():
        if time.monotonic() > patience:
            return False
    return True
