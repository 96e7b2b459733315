"""A chat in memory whose clock tests move. A file with another configuration overrides ``config``."""

from collections.abc import AsyncIterator

import pytest

from chat_core import Config
from chat_core.testing import World
from tests.support.account_helpers import tokens


@pytest.fixture
def config() -> Config:
    return Config()


@pytest.fixture
async def world(config: Config) -> AsyncIterator[World]:
    async with World(config, tokens=tokens()) as world:
        yield world
