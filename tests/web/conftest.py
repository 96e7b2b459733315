"""Servers in this process: ``home``, with users and a clock that tests move; ``server``, on real time."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.support.http_clients import HttpClient, RunningServer, running_server
from tests.support.servers import Server, browser, serving


@pytest.fixture
async def home() -> AsyncIterator[RunningServer]:
    async with running_server() as home:
        yield home


@pytest.fixture
async def ann(home: RunningServer) -> HttpClient:
    return await home.user("ann")


@pytest.fixture
async def bob(home: RunningServer) -> HttpClient:
    return await home.user("bob")


@pytest.fixture
def nobody(home: RunningServer) -> HttpClient:
    return home.nobody()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


@pytest.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client with the server as its base."""
    async with browser(server) as session:
        yield session
