"""A standby replaces its primary: no acknowledged write is lost, and no process restarts."""

import asyncio
from collections.abc import Iterator
from random import Random

import pytest

from chat_core.adapters.sql.postgres.connection import Patience
from chat_core.adapters.sql.postgres.store import PostgresStore, open_postgres
from chat_core.model.errors import Unavailable
from chat_core.testing.contracts.stories import Author
from chat_core.testing.postgres import Cluster


@pytest.fixture
def primary(postgres: Cluster) -> Iterator[Cluster]:
    assert postgres.version >= 15
    with Cluster.started(durable=False, settings={"synchronous_standby_names": "*"}) as cluster:
        cluster.sql("set synchronous_commit = local; create table made (here int)")
        yield cluster


@pytest.fixture
def standby(primary: Cluster) -> Iterator[Cluster]:
    with primary.standby() as cluster:
        yield cluster


async def test_a_standby_that_is_promoted_has_all_that_was_acknowledged(
    primary: Cluster, standby: Cluster
) -> None:
    ports = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    url = primary.url("postgres").replace(f"127.0.0.1:{primary.port}", ports)
    author = Author(Random(0))
    people = ann, _ = author.person("ann"), author.person("bob")
    story = author.room(*people)
    store = await open_postgres(url, patience=Patience(connect_s=2.0, answer_s=2.0))
    await store.append(story.opening())
    for n in range(50):
        await store.append(story.post(ann, f"text {n}", client_id=str(n)))
    acknowledged = story.state
    late = story.post(ann, "late", client_id="late")
    primary.kill()
    with pytest.raises(Unavailable):
        await store.append(late)
    with pytest.raises(Unavailable):  # a standby may lag behind, so it is not queried
        await store.load(story.id)
    await asyncio.to_thread(standby.promote)
    async with asyncio.timeout(15):
        await until_it_writes(store)
    assert await store.load(story.id) == acknowledged
    await store.append(late)
    found = await store.messages(story.id, before=None, after=None, limit=100)
    assert [message.content for message in found] == [*(f"text {n}" for n in range(50)), "late"]
    await store.close()


async def until_it_writes(store: PostgresStore) -> None:
    while True:
        try:
            await store.check()
        except Unavailable:
            continue
        return
