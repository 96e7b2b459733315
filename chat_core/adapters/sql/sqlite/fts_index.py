"""Maintenance of SQLite's full-text index while the writer is idle.

A message that is new waits in ``terms_waiting``, where a search looks at it by
itself: taking it into the index costs twice as much as storing it. FTS5 keeps a
deleted word, with a note that it is deleted, until the parts of the index are
merged, which costs as much as the index is large: that is done in small steps,
and the row in ``terms_to_forget`` says that it is still to do.
"""

import sqlite3
import time
from typing import Final

from chat_core.adapters.sql.schema.search_terms import (
    ARE_WAITING,
    FORGOTTEN,
    MERGE,
    NO_LONGER_WAITING,
    TAKE_IN,
    TO_FORGET,
)
from chat_core.adapters.sql.sqlite.connection import positional

IDLE_S: Final = 0.05  # without an ask, before a step is made
TAKEN_AT_ONCE: Final = 500  # messages, about 20 ms
WAITING_MAX: Final = 10_000  # messages that were written since; then nobody's idleness is waited for
MERGES_S: Final = 60.0  # between the end of one merge and the begin of the next
MERGED_AT_ONCE: Final = 64  # pages, 10 to 20 ms
PATIENCE_S: Final = 5.0  # for who waits until all is forgotten


class WordIndex:
    """The index of one file, for the thread that writes it. A failure is tried again later."""

    def __init__(self) -> None:
        self._written = 0  # messages at most, since the index had taken in all there were
        self._begun: int | None = None  # how many texts were to be forgotten when the merge began
        self._not_before = 0.0

    def wait_s(self, db: sqlite3.Connection) -> float | None:
        """After how many idle seconds a step is to be made; None where there is nothing to do."""
        try:
            if db.execute(ARE_WAITING).fetchone() is not None:
                return IDLE_S
            if self._begun is None and _to_forget(db) is None:
                return None
        except sqlite3.Error:
            self._put_off()
        return max(IDLE_S, self._not_before - time.monotonic())

    def step(self, db: sqlite3.Connection) -> None:
        """Take in some of the messages that wait; when there are none, merge a little."""
        try:
            if _take_in(db) == 0:
                self._written = 0
                self._merge(db)
        except sqlite3.Error:
            db.rollback()
            self._put_off()

    def wrote(self, db: sqlite3.Connection, asks: int) -> None:
        """Counts written messages, so that the index does not fall behind under constant load."""
        self._written += asks
        if self._written > WAITING_MAX:
            self.step(db)

    def forget(self, db: sqlite3.Connection) -> None:
        """Merge until nothing is left of what was deleted, for ``PATIENCE_S`` at most."""
        patience = time.monotonic() + PATIENCE_S
        try:
            while self._merge(db) and time.monotonic() < patience:
                pass
        except sqlite3.Error:
            self._put_off()

    def _merge(self, db: sqlite3.Connection) -> bool:
        """One step; False when nothing is to be forgotten any more."""
        pages = MERGED_AT_ONCE
        if self._begun is None:
            self._begun = _to_forget(db)
            if self._begun is None:
                return False
            pages = -MERGED_AT_ONCE  # of all parts there are now
        before = db.total_changes
        db.execute(positional(MERGE), (pages,))
        if db.total_changes - before >= 2:  # as FTS5 says that it goes on
            return True
        done, self._begun = self._begun, None
        self._not_before = time.monotonic() + MERGES_S
        return db.execute(positional(FORGOTTEN), (done,)).rowcount == 0  # more came meanwhile

    def _put_off(self) -> None:
        self._begun = None
        self._not_before = time.monotonic() + MERGES_S


def _take_in(db: sqlite3.Connection) -> int:
    """Take in the messages that have waited longest; how many."""
    db.execute("begin immediate")
    db.execute(positional(TAKE_IN), (TAKEN_AT_ONCE,))
    taken = db.execute(positional(NO_LONGER_WAITING), (TAKEN_AT_ONCE,)).rowcount
    db.execute("commit")
    return taken


def _to_forget(db: sqlite3.Connection) -> int | None:
    row = db.execute(TO_FORGET).fetchone()
    return None if row is None else int(row[0])
