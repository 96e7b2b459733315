"""Stores and accounts that keep their texts encrypted keep the same contracts, but for search."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from chat_core.adapters.sql.accounts import SQLAccounts
from chat_core.adapters.sql.postgres.store import open_postgres
from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.adapters.sql.store import SQLStore
from chat_core.model.errors import Refused
from chat_core.ports import Store
from chat_core.ports.accounts import Accounts
from chat_core.testing.contracts import AccountsContract, StoreContract
from chat_core.testing.contracts.stories import Author
from tests.support.own_databases import OwnFolder, OwnSchemas

KEYS = (b"new key, of thirty-two bytes or so", b"old key, of thirty-two bytes or so")


class _Encrypted(StoreContract):
    async def test_a_search_finds_only_what_the_person_may_read_newest_first(self) -> None:
        await self._is_off("text")

    async def test_a_search_finds_words_in_any_order_by_their_beginnings(self) -> None:
        await self._is_off("two words")

    async def test_no_sign_in_a_search_is_an_operator_or_a_failure(self) -> None:
        await self._is_off('"')

    async def _is_off(self, text: str) -> None:
        async with self.store() as store:
            with pytest.raises(Refused) as refusal:
                await store.search("ann", text, within=None, author=None, before=None, limit=9)
            assert refusal.value.code == "search_off"

    async def test_what_is_edited_deleted_or_too_old_is_found_no_more(self) -> None:
        """Search is off: what is deleted or too old is found no more by anybody."""
        author = Author(Random(0))
        ann = author.person("ann")
        story = author.channel("a", ann)
        async with self.store() as store:
            await store.append(story.opening())
            await store.append(story.post(ann, "secret"))
            assert (await store.messages(story.id, before=None, after=None, limit=1))[0].content == "secret"
            assert await store.blank_before(story.id, story.now + 1) == 1
            assert (await store.messages(story.id, before=None, after=None, limit=1))[0].deleted


class TestEncryptedSQLiteStore(OwnFolder, _Encrypted):
    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        self.opened += 1
        async with _closed(await open_sqlite(self.folder / f"{self.opened}.db", keys=KEYS)) as store:
            yield store


class TestEncryptedPostgresStore(OwnSchemas, _Encrypted):
    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        async with _closed(await open_postgres(self.cluster.schema(), keys=KEYS)) as store:
            yield store


class TestEncryptedSQLiteAccounts(OwnFolder, AccountsContract):
    @asynccontextmanager
    async def accounts(self) -> AsyncIterator[Accounts]:
        async with _closed(await open_sqlite(self.folder / "parley.db", keys=KEYS)) as store:
            yield SQLAccounts(store)


class TestEncryptedPostgresAccounts(OwnSchemas, AccountsContract):
    @asynccontextmanager
    async def accounts(self) -> AsyncIterator[Accounts]:
        async with _closed(await open_postgres(self.cluster.schema(), keys=KEYS)) as store:
            yield SQLAccounts(store)


@asynccontextmanager
async def _closed(store: SQLStore) -> AsyncIterator[SQLStore]:
    try:
        yield store
    finally:
        await store.close()
