"""Key rotation: encrypts stored data again with the first key, while others use the database.

It goes through each table by its key, a few rows per transaction, and skips rows
already sealed with that key, so it may be stopped or killed and started again.
Not here: the output of the command.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import attrs

from chat_core.adapters.sql.database import Connection, Question
from chat_core.adapters.sql.encryption.cipher import Cipher
from chat_core.adapters.sql.encryption.fields import data_about
from chat_core.adapters.sql.key_check import DROP_OTHER_KEYS
from chat_core.adapters.sql.schema.event_rows import Row, to_json
from chat_core.adapters.sql.store import SQLStore
from chat_core.model.errors import WrongKeys
from chat_core.rules.accounts import email_key

ROWS_AT_ONCE: Final = 200

Progress: TypeAlias = Callable[[int, int], None]
"""The number of rows done, and the total."""

_Anew: TypeAlias = Callable[[Row, Cipher], Sequence[Any] | None]
"""The new row, without its key; None if the row is already current."""


def _message(row: Row, cipher: Cipher) -> Sequence[Any] | None:
    id_, content, digest = row
    if cipher.is_current(content) and (digest is None or cipher.is_current(digest)):
        return None
    sealed = cipher.seal(cipher.open(content, id_), id_)
    return sealed, None if digest is None else cipher.seal(cipher.open(digest, id_), id_)


def _email(row: Row, cipher: Cipher) -> Sequence[Any] | None:
    id_, email = row
    if cipher.is_current(email):
        return None
    opened = cipher.open(email, id_)
    return cipher.seal(opened, id_), cipher.hashes(email_key(opened))[0]


def _data(row: Row, cipher: Cipher) -> Sequence[Any] | None:
    conversation, seq, body = row
    data = json.loads(body)["data"]
    if cipher.is_current(data):
        return None
    about = data_about(conversation, seq)
    return (to_json({"data": cipher.seal(cipher.open(data, about), about)}),)


@attrs.frozen(kw_only=True)
class _Table:
    """``page`` finds the first rows above a key; a row has its key first, then its sealed values.

    ``write`` takes a key, the old sealed values and the new ones. It changes nothing if
    the row was written in the meantime.
    """

    count: str
    page: str
    write: str
    lowest: tuple[Any, ...]
    anew: _Anew


_TABLES: Final = (
    _Table(  # messages_id
        count="select count(*) from messages where not deleted",
        page="""
select id, content, digest from messages where id > $1 and not deleted order by id limit $2""",
        write="update messages set content = $3, digest = $4, terms = null where id = $1 and content = $2",
        lowest=("",),
        anew=_message,
    ),
    _Table(  # accounts' key
        count="select count(*) from accounts where email <> ''",
        page="select id, email from accounts where id > $1 and email <> '' order by id limit $2",
        write="update accounts set email = $3, email_key = $4 where id = $1 and email = $2",
        lowest=("",),
        anew=_email,
    ),
    _Table(  # events' key
        count="select count(*) from events where kind = 'data_published'",
        page="""
select conversation, seq, body from events
where (conversation, seq) > ($1, $2) and kind = 'data_published' order by conversation, seq limit $3""",
        write="update events set body = $4 where conversation = $1 and seq = $2 and body = $3",
        lowest=("", 0),
        anew=_data,
    ),
)


async def rotate(store: SQLStore, progress: Progress) -> int:
    """Seals everything with the first key and removes the record of other keys; returns the rows written.

    A cancelled rotation keeps its progress. Raises ``WrongKeys`` if there is no key or
    if a server is still writing with another one; ``Unavailable``.
    """
    if store.cipher.key_id is None:
        raise WrongKeys("MESSAGE_KEYS is empty: there is no key to encrypt with.")
    counts = [await store.database.rows(table.count) for table in _TABLES]
    total = sum(rows[0][0] for rows in counts)
    progress(0, total)
    written = await _all(store, lambda done: progress(min(done, total), total))
    if written and await _all(store, lambda _: None) and await _all(store, lambda _: None):
        raise WrongKeys(
            "A server is still writing with another key: restart it with the current MESSAGE_KEYS."
        )
    progress(total, total)
    first = store.cipher.key_id
    await store.database.write(lambda db: db.run(DROP_OTHER_KEYS, first))
    await store.database.scrub()
    return written


async def _all(store: SQLStore, progress: Callable[[int], None]) -> int:
    """Goes through every table once; returns the number of rows written."""
    done = written = 0
    for table in _TABLES:
        key: Row = table.lowest
        width = len(key)
        while rows := await store.database.rows(table.page, *key, ROWS_AT_ONCE):
            anew = [(row, values) for row in rows if (values := table.anew(row, store.cipher)) is not None]
            if anew:
                written += await store.database.write(_writing(table, width, anew))
            key = tuple(rows[-1])[:width]
            done += len(rows)
            progress(done)
    return written


def _writing(table: _Table, width: int, anew: Sequence[tuple[Row, Sequence[Any]]]) -> Question[int]:
    async def write(db: Connection) -> int:
        touched = 0
        for row, values in anew:
            touched += await db.run(table.write, *tuple(row)[: width + 1], *values)
        return touched

    return write
