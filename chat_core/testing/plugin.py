"""A pytest plugin: ``parley_clock`` and ``parley_chat``, for tests of one's own rules and policies.

Installed with Parley it is there by itself. ``parley_chat`` needs a plugin that
runs asynchronous fixtures, such as pytest-asyncio in its mode ``auto``.
"""

from collections.abc import AsyncIterator

import pytest

from chat_core.compose import Config, open_chat
from chat_core.engine.chat import Chat
from chat_core.testing.clock import FakeClock
from chat_core.testing.world import World


@pytest.fixture
def parley_clock() -> FakeClock:
    """A clock that moves only by ``await parley_clock.advance(seconds)``."""
    return FakeClock()


@pytest.fixture
async def parley_chat(parley_clock: FakeClock) -> AsyncIterator[Chat]:
    """A chat in memory that lives by ``parley_clock``, without limits of rate."""
    chat = await open_chat(Config(rate_limits=False, flush_s=0.0), clock=parley_clock)
    end = parley_clock.watch(chat.idle)
    yield chat
    end()
    await chat.stop()


@pytest.fixture
async def parley_world() -> AsyncIterator[World]:
    """A chat with people who act and see."""
    async with World() as world:
        yield world
