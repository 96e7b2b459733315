"""Maintenance of SQLite's full-text index while the writer is idle.

A new message waits in ``terms_waiting``, where a search checks it separately:
indexing it costs twice as much as storing it. FTS5 keeps a deleted word, marked as
deleted, until the segments of the index are merged. A merge costs time in proportion
to the index, so it runs in small steps; a row in ``terms_to_forget`` records that it
is not finished.
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

IDLE_S: Final = 0.05  # without a request, before a step
TAKEN_AT_ONCE: Final = 500  # messages, about 20 ms
WAITING_MAX: Final = 10_000  # messages written since; above it, steps do not wait for an idle writer
MERGES_S: Final = 60.0  # between the end of one merge and the start of the next
MERGED_AT_ONCE: Final = 64  # pages, 10 to 20 ms
PATIENCE_S: Final = 5.0  # for a caller of ``forget``


class WordIndex:
    """The index of one file, used by its writer thread. A failed step is retried later."""

    def __init__(self) -> None:
        self._written = 0  # upper bound of messages since the index was last complete
        self._to_remove_at_start: int | None = None  # texts to remove when the merge started
        self._not_before = 0.0

    def wait_s(self, db: sqlite3.Connection) -> float | None:
        """The idle seconds until the next step; None if there is nothing to do."""
        try:
            if db.execute(ARE_WAITING).fetchone() is not None:
                return IDLE_S
            if self._to_remove_at_start is None and _to_forget(db) is None:
                return None
        except sqlite3.Error:
            self._put_off()
        return max(IDLE_S, self._not_before - time.monotonic())

    def step(self, db: sqlite3.Connection) -> None:
        """Indexes some of the waiting messages; if there are none, runs a step of a merge."""
        try:
            if _take_in(db) == 0:
                self._written = 0
                self._merge(db)
        except sqlite3.Error:
            db.rollback()
            self._put_off()

    def wrote(self, db: sqlite3.Connection, asks: int) -> None:
        """Counts written messages, so that the index keeps up under constant load."""
        self._written += asks
        if self._written > WAITING_MAX:
            self.step(db)

    def forget(self, db: sqlite3.Connection) -> None:
        """Merges until no deleted word is left in the index, for ``PATIENCE_S`` at most."""
        patience = time.monotonic() + PATIENCE_S
        try:
            while self._merge(db) and time.monotonic() < patience:
                pass
        except sqlite3.Error:
            self._put_off()

    def _merge(self, db: sqlite3.Connection) -> bool:
        """One step; False if there is nothing left to remove."""
        pages = MERGED_AT_ONCE
        if self._to_remove_at_start is None:
            self._to_remove_at_start = _to_forget(db)
            if self._to_remove_at_start is None:
                return False
            pages = -MERGED_AT_ONCE  # of all current segments
        before = db.total_changes
        db.execute(positional(MERGE), (pages,))
        if db.total_changes - before >= 2:  # FTS5 continues with this
            return True
        done, self._to_remove_at_start = self._to_remove_at_start, None
        self._not_before = time.monotonic() + MERGES_S
        return db.execute(positional(FORGOTTEN), (done,)).rowcount == 0  # more were deleted meanwhile

    def _put_off(self) -> None:
        self._to_remove_at_start = None
        self._not_before = time.monotonic() + MERGES_S


def _take_in(db: sqlite3.Connection) -> int:
    """Indexes the messages that have waited longest; returns how many."""
    db.execute("begin immediate")
    db.execute(positional(TAKE_IN), (TAKEN_AT_ONCE,))
    taken = db.execute(positional(NO_LONGER_WAITING), (TAKEN_AT_ONCE,)).rowcount
    db.execute("commit")
    return taken


def _to_forget(db: sqlite3.Connection) -> int | None:
    row = db.execute(TO_FORGET).fetchone()
    return None if row is None else int(row[0])
