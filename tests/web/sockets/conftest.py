"""A chat in memory whose clock tests move. A file with another configuration overrides ``config``."""

from collections.abc import AsyncIterator

import pytest

from chat_core import Config
from chat_core.testing import World


@pytest.fixture
def config() -> Config:
    return Config(default_channels=("general",), guests_may_post=True, rate_limits=False)


@pytest.fixture
async def world(config: Config) -> AsyncIterator[World]:
    async with World(config) as world:
        yield world
