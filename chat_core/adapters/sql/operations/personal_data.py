"""Personal data of one person: finds it for an export, anonymises it for an erasure."""

import json
from collections.abc import Sequence
from typing import Any, Final

from chat_core.adapters.sql.database import Connection
from chat_core.adapters.sql.schema import statements as sql
from chat_core.adapters.sql.schema.event_rows import to_json
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.person import Card
from chat_core.ports import Pairing

_FORGET: Final = (
    sql.FORGET_BLOCKS_OF,
    sql.FORGET_BLOCKS_BY,
    sql.FORGET_MARKS,
    sql.FORGET_NOTICES,
    sql.FORGET_BELONGED,
    sql.FORGET_USER_A,
    sql.FORGET_USER_B,
)


async def pairings_of(db: Connection, person: PersonId) -> Sequence[Pairing]:
    """The person's pairings, oldest first."""
    rows = await db.rows(sql.PAIRINGS_OF, person)
    names = ("id", "lobby", "user_a", "user_b", "started_at", "ended_at")
    return [Pairing(**dict(zip(names, row, strict=True))) for row in rows]


async def anonymise(db: Connection, conversation: ConversationId, person: PersonId, card: Card) -> None:
    """Replaces the person's names in every row of the conversation, and deletes their texts."""
    names = (conversation, person, card.username, card.display_name)
    await db.run(sql.DROP_REACTIONS_TO, conversation, person)
    await db.run(sql.ANONYMISE_MESSAGES, conversation, person)
    await db.run(sql.RENAME_AUTHOR, *names)
    await db.run(sql.RENAME_MEMBER, *names)
    for seq, text in await db.rows(sql.BODIES_WITH, conversation, f'%["{person}",%'):
        body = {name: _renamed(value, person, card) for name, value in json.loads(text).items()}
        await db.run(sql.SET_BODY, conversation, seq, to_json(body))


async def forget_person(db: Connection, person: PersonId) -> None:
    """Deletes personal data outside of conversations."""
    for statement in _FORGET:
        await db.run(statement, person)


def _renamed(value: Any, person: PersonId, card: Card) -> Any:
    """The card with other names, if it shows the person's own id; anything else unchanged."""
    if isinstance(value, list) and len(value) == 3 and value[0] == person:
        return [person, card.username, card.display_name]
    return value
