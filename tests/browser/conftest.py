"""A Chromium, a server process with the settings of the test, and people who come to it."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.support.browser_network import Between, Network
from tests.support.browser_visitors import Arrive, Visitor, watched
from tests.support.killable_process import Servers, start

ARGUMENTS = [
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
]
PATIENCE_MS = 15_000
WINDOW = {"width": 1280, "height": 800}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser of all tests. Missing, it is an error in CI and a skip elsewhere."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        missing = "Chromium is missing; the browser tests need it. On Debian: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=ARGUMENTS, chromium_sandbox=False
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a server with the settings of everybody, for tests that leave nobody waiting in it."""
    process = await start(
        tmp_path_factory.mktemp("server"), DATABASE_URL="memory://", REMATCH_AFTER_SECONDS="0"
    )
    yield process.url
    assert await process.stop() == 0


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hasty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a server whose timed rooms come to the decision at once, and wait long for it."""
    times = {"COUNTDOWN_SECONDS": "1", "NOTIFICATION_SECONDS": "600"}
    process = await start(tmp_path_factory.mktemp("hasty"), DATABASE_URL="memory://", **times)
    yield process.url
    assert await process.stop() == 0


@pytest_asyncio.fixture(loop_scope="session")
async def servers(tmp_path: Path) -> AsyncIterator[Servers]:
    """Servers for the test, stopped after it."""
    made = Servers(tmp_path)
    yield made
    for process in list(made.running):
        await made.stop(process)


@pytest_asyncio.fixture(loop_scope="session")
async def between() -> AsyncIterator[Between]:
    """Put a network in front of a server."""
    async with AsyncExitStack() as stack:

        async def opened(server: str) -> Network:
            network = Network(server)
            await network.open()
            stack.push_async_callback(network.close)
            return network

        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def arrive(chromium: Browser) -> AsyncIterator[Arrive]:
    """Let somebody come to a URL, in a browser without a past. No page may have complained in the end.

    Complaints that match ``forgiving`` are left out.
    """
    visitors: list[tuple[Visitor, str]] = []

    async with AsyncExitStack() as stack:

        async def arrived(url: str, *, forgiving: str = "", **options: Any) -> Visitor:
            context = await chromium.new_context(
                base_url=url, **{"viewport": WINDOW, "reduced_motion": "reduce", **options}
            )
            stack.push_async_callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            complaints = watched(context, url)
            visitor = Visitor(await context.new_page(), complaints)
            visitors.append((visitor, forgiving))
            return visitor

        yield arrived
        for visitor, _ in visitors:
            await visitor.goes_home()
    for visitor, forgiving in visitors:
        serious = [said for said in visitor.complaints if not (forgiving and re.search(forgiving, said))]
        assert serious == []
