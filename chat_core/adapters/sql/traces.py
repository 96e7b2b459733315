"""What the database keeps about one person: found for an export, made nobody's by an erasure."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from chat_core.adapters.sql import statements as sql
from chat_core.adapters.sql.bodies import to_json
from chat_core.adapters.sql.connection import run
from chat_core.ports import Session
from chat_core.words.ids import ConversationId, PersonId
from chat_core.words.person import Card

_FORGET: Final = (
    sql.FORGET_BLOCKS_OF,
    sql.FORGET_BLOCKS_BY,
    sql.FORGET_MARKS,
    sql.FORGET_NOTICES,
    sql.FORGET_BELONGED,
    sql.FORGET_USER_A,
    sql.FORGET_USER_B,
)


def sessions_of(db: sqlite3.Connection, person: PersonId) -> Sequence[Session]:
    """The person's pairings, oldest first."""
    rows = run(db, sql.SESSIONS_OF, (person,)).fetchall()
    names = ("id", "lobby", "user_a", "user_b", "started_at", "ended_at")
    return [Session(**dict(zip(names, row, strict=True))) for row in rows]


def anonymise(db: sqlite3.Connection, conversation: ConversationId, person: PersonId, card: Card) -> None:
    """Other names for the person, wherever a row of the conversation shows them; no texts."""
    names = (conversation, person, card.username, card.display_name)
    run(db, sql.DROP_REACTIONS_TO, (conversation, person))
    run(db, sql.ANONYMISE_MESSAGES, (conversation, person))
    run(db, sql.RENAME_AUTHOR, names)
    run(db, sql.RENAME_MEMBER, names)
    for seq, text in run(db, sql.BODIES_WITH, (conversation, f'%["{person}",%')).fetchall():
        body = {name: _renamed(value, person, card) for name, value in json.loads(text).items()}
        run(db, sql.SET_BODY, (conversation, seq, to_json(body)))


def forget_person(db: sqlite3.Connection, person: PersonId) -> None:
    """Drop what stands outside of conversations."""
    for statement in _FORGET:
        run(db, statement, (person,))


def _renamed(value: Any, person: PersonId, card: Card) -> Any:
    """A card that shows the person itself, under other names; anything else as it is."""
    if isinstance(value, list) and len(value) == 3 and value[0] == person:
        return [person, card.username, card.display_name]
    return value
