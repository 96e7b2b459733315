"""A server in this process, for the tests of one dialect at a time."""

from collections.abc import AsyncIterator

import pytest

from tests.support.dialect_sockets import DialectServer, dialect_server


@pytest.fixture
async def here() -> AsyncIterator[DialectServer]:
    async with dialect_server() as server:
        yield server
