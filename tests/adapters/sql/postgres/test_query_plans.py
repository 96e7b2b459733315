"""No frequent query on PostgreSQL scans a table: its plan uses a condition on an index.

PostgreSQL scans small tables because that is cheaper, so these tests disable scans.
"""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

import asyncpg
import pytest

from chat_core.adapters.sql.postgres.connection import dialect
from chat_core.adapters.sql.postgres.store import open_postgres
from chat_core.adapters.sql.postgres.writer import appending
from chat_core.adapters.sql.schema import account_statements as accounts
from chat_core.adapters.sql.schema import statements as sql
from chat_core.testing.postgres import Cluster

FILL: Final = """
insert into conversations (id, kind, epoch, retention, created_at, state, name, is_public, live)
    select 'c' || n, case when n % 2 = 0 then 'room' else 'channel' end, 'e', 'stored', n, '{}',
        case when n % 2 = 1 then 'name' || n end, n % 3 = 1, n % 50 = 0
    from generate_series(1, 500) n;
insert into heads (conversation, head) select 'c' || n, 20 from generate_series(1, 500) n;
insert into members (conversation, person, kind, card_id, username, display_name, role, joined_at,
    has_left, place)
    select 'c' || n, 'p' || (n + k) % 100, case when n % 2 = 0 then 'room' else 'channel' end,
        'k', 'u', 'U', 'member', 1, false, k
    from generate_series(1, 500) n, generate_series(1, 4) k;
insert into messages (conversation, seq, id, person, card_id, username, display_name, content,
    created_at, deleted, client_id, terms)
    select 'c' || n, k, 'm' || n || '-' || k, 'p' || n % 100, 'k', 'u', 'U', 'text ' || k, n + k, false,
        'i' || k, 'text ' || k
    from generate_series(1, 500) n, generate_series(1, 15) k;
insert into events (conversation, seq, at, kind, message, body)
    select 'c' || n, 15 + k, 1, 'member_joined', null, '{}'
    from generate_series(1, 500) n, generate_series(1, 5) k;
insert into reactions (message, emoji, person, place, seq)
    select 'm' || n || '-3', ':)', 'p', 1, 1 from generate_series(1, 500) n;
insert into read_marks (conversation, person, seq)
    select 'c' || n, 'p' || n % 100, 3 from generate_series(1, 500) n;
insert into blocks (by_person, person, at) select 'p' || n, 'p' || n + 1, 1 from generate_series(1, 500) n;
insert into logins (sid, person, kind, name, created_at, ends_at)
    select 's' || n, 'p' || n, 'user', 'u', 1, 2 from generate_series(1, 500) n;
"""
PARTIAL: Final = ("conversations_live",)

APPEND: Final = appending((False, False, True, True, True))
MARK: Final = (1e9, "c1", 1)
HOT: Final[Sequence[tuple[str, str, tuple[Any, ...]]]] = (
    (
        "append",
        APPEND,
        (
            *(3, ["c1"], [20], [22]),
            *(["c1"], [21], [1.0], [None], ["member_joined"], [None], ["{}"]),
            *(["c1"], [22], ["new"], ["p1"], ["k"], ["u"], ["U"], ["text"], [None], [None]),
            *([1.0], [None], [False], ["i"], [None], ["text"]),
        ),
    ),
    ("load", sql.LOAD, ("c7",)),
    ("live rooms", sql.LIVE_ROOMS, ()),
    ("rooms of a person", sql.ROOMS_OF, ("p7", 200)),
    ("open rooms of a person", sql.OPEN_ROOMS_OF, ("p7",)),
    ("open rooms of two", sql.OPEN_ROOMS_OF_TWO, ("p7", "p8")),
    ("channels of a person", sql.CHANNELS_OF, ("p7",)),
    ("channels listed", sql.CHANNELS_LISTED, ("p7", "name2", "%", 50)),
    ("channel by name", sql.CHANNEL_NAMED, ("name7",)),
    ("newest page", sql.MESSAGES_BEFORE, ("c7", 2**62, 50)),
    ("page after", sql.MESSAGES_AFTER, ("c7", 3, 50)),
    ("events after", sql.EVENTS_AFTER, ("c7", 3, 300)),
    ("reactions of a page", sql.REACTIONS_BETWEEN, ("c7", 1, 15)),
    ("reactions of many", sql.among(sql.REACTIONS_OF_MANY, 4), ("m7-3", "m8-3", "m9-3", "m10-4")),
    ("one message", sql.MESSAGE, ("m7-3",)),
    ("client_id", sql.POSTED, ("c7", "p7", "i3")),
    ("by a person", sql.MESSAGES_BY_BEFORE, ("p7", *MARK, 50)),
    ("search", sql.SEARCH, ("p7", *MARK, "text 7", None, None, 50)),
    ("search of one", sql.SEARCH, ("p7", *MARK, "text", "c7", None, 50)),
    ("mark read", sql.MARK_READ, ("c7", "p7", 4)),
    ("read marks", sql.READ_MARKS, ("c7",)),
    ("blocked", sql.BLOCKED_WITH, ("p7",)),
    ("session", accounts.LIVE, ("s7", 1.5)),
)


@pytest.fixture(scope="module")
def url(postgres: Cluster) -> str:
    return postgres.schema()


@pytest.fixture
async def db(url: str) -> AsyncIterator[asyncpg.Connection]:
    await (await open_postgres(url)).close()
    db = await asyncpg.connect(url)
    if not await db.fetchval("select count(*) from conversations"):
        await db.execute(FILL)
        await db.execute("analyze")
    await db.execute("set enable_seqscan = off")
    yield db
    await db.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


async def walks(db: asyncpg.Connection, statement: str, values: Sequence[Any]) -> list[str]:
    """The tables that the plan would scan."""
    found = await db.fetchval(f"explain (format json) {dialect(statement)}", *values)
    plan = json.loads(found)[0]["Plan"]
    return [node["Relation Name"] for node in nodes(plan) if "Relation Name" in node and _walks(node)]


def _walks(node: dict[str, Any]) -> bool:
    if node["Node Type"] == "Seq Scan":
        return True
    is_partial = node.get("Index Name") in PARTIAL  # it holds nothing but what is looked for
    return node["Node Type"].startswith("Index") and "Index Cond" not in node and not is_partial


@pytest.mark.parametrize(("statement", "values"), [hot[1:] for hot in HOT], ids=[hot[0] for hot in HOT])
async def test_a_hot_query_takes_an_index(
    db: asyncpg.Connection, statement: str, values: Sequence[Any]
) -> None:
    assert await walks(db, statement, values) == []


async def test_a_query_that_walks_is_seen(db: asyncpg.Connection) -> None:
    assert await walks(db, "select * from messages where content = $1", ["x"]) == ["messages"]
