"""Notices <-> rows: what a person is still to be told."""

import json
import sqlite3
from collections.abc import Sequence

import attrs

from chat_core.adapters.sql import statements as sql
from chat_core.adapters.sql.bodies import Row
from chat_core.adapters.sql.connection import run
from chat_core.adapters.sql.rows import conversations, own_fields, own_text
from chat_core.words.conversation import Room
from chat_core.words.events import Notice, NoticeKey, NoticeKind
from chat_core.words.ids import PersonId
from chat_core.words.limits import NOTICES_KEPT_MAX


def steps(notices: Sequence[Notice]) -> list[tuple[str, Row]]:
    """What writes these notices of one change: the newest of each person stay."""
    written = [(sql.PUT_NOTICE, _row(notice, place)) for place, notice in enumerate(notices)]
    people = dict.fromkeys(notice.to for notice in notices)
    return [*written, *((sql.DROP_OLD_NOTICES, (person, NOTICES_KEPT_MAX)) for person in people)]


def notices_of(db: sqlite3.Connection, person: PersonId) -> Sequence[Notice]:
    """The person's notices, oldest first."""
    rows = run(db, sql.NOTICES_OF, (person,)).fetchall()
    rooms = {row[0]: _room(db, row[0]) for row in rows}
    return [notice for row in rows if (notice := _notice(person, rooms[row[0]], row)) is not None]


def drop_notices(db: sqlite3.Connection, person: PersonId, keys: Sequence[NoticeKey]) -> None:
    for key in keys:
        run(db, sql.DROP_NOTICE, (person, *key))


def _row(notice: Notice, place: int) -> Row:
    sender = None if notice.sender is None else notice.sender.id
    return (notice.to, *notice.key, notice.at, place, sender, own_text(notice.room))


def _room(db: sqlite3.Connection, room: str) -> Room | None:
    found = next(conversations(run(db, sql.LOAD, (room,)).fetchall()), None)
    return found if isinstance(found, Room) else None


def _notice(person: PersonId, room: Room | None, row: Row) -> Notice | None:
    _, seq, kind, at, sender, state = row
    if room is None:
        return None
    cards = [member.card for member in room.members.values() if member.card.id == sender]
    return Notice(
        at=at,
        to=person,
        kind=NoticeKind(kind),
        room=attrs.evolve(room, head=seq, **own_fields(json.loads(state))),
        sender=cards[0] if cards else None,
    )
