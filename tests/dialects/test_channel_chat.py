"""P1 over a real server: histories, messages, presence, and channels that come and go."""

from collections.abc import AsyncIterator

import pytest

from tests.dialects.sockets import Hall, hall


@pytest.fixture
async def here() -> AsyncIterator[Hall]:
    async with hall() as opened:
        yield opened


async def test_histories_then_ready(here: Hall) -> None:
    ann = await here.user("ann", "general")
    socket = await here.p1(ann)
    history, ready = await socket.sees("history", "ready")
    assert history == {"type": "history", "channel": "general", "messages": []}
    assert ready == {"type": "ready", "username": "ann", "channels": ["general"]}


async def test_a_message_reaches_all_and_its_author_with_the_client_id(here: Hall) -> None:
    ann, bob = await here.user("ann", "general"), await here.user("bob", "general")
    one = await here.p1(ann)
    other = await here.p1(bob)
    await one.seen()
    await other.seen()
    await one.say({"channel": "general", "content": "hi", "client_id": "c1"})
    (own,) = await one.seen()
    (theirs,) = await other.seen()
    assert own == {**theirs, "client_id": "c1"}
