"""The check of a database's keys, before anything is read or written."""

from collections.abc import Iterable
from typing import Final, TypeVar

from chat_core.adapters.sql.encryption.cipher import Cipher
from chat_core.adapters.sql.schema.event_rows import Row
from chat_core.adapters.sql.schema.migrations import KEYS
from chat_core.adapters.sql.store import SQLStore
from chat_core.model.errors import WrongKeys

ADD_KEY: Final = "insert into message_keys (id, sealed) values ($1, $2) on conflict do nothing"
DROP_OTHER_KEYS: Final = "delete from message_keys where id <> $1"

S = TypeVar("S", bound=SQLStore)

_PROOF: Final = "parley"


def check(rows: Iterable[Row], cipher: Cipher) -> None:
    """Raises ``WrongKeys``, with the remedy, unless every key of ``KEYS`` is configured."""
    for id_, sealed in rows:
        if cipher.key_id is None:
            raise WrongKeys(
                "The database is encrypted, and MESSAGE_KEYS is empty. Set the keys it was written with."
            )
        if not cipher.knows(id_):
            raise WrongKeys(
                f"The database was written with the key {id_}, which is not among MESSAGE_KEYS. "
                "Add it after the first one."
            )
        if cipher.open(sealed, id_) != _PROOF:
            raise WrongKeys(f"The key {id_} of MESSAGE_KEYS does not match this database.")


async def with_checked_keys(store: S) -> S:
    """Checks the store's keys, records the first one and returns the store; on failure closes it."""
    try:
        rows = await store.database.rows(KEYS)
        check(rows, store.cipher)
        first = store.cipher.key_id
        if first is not None and first not in {id_ for id_, _ in rows}:
            proof = store.cipher.seal(_PROOF, first)
            await store.database.write(lambda db: db.run(ADD_KEY, first, proof))
    except BaseException:
        await store.close()
        raise
    return store
