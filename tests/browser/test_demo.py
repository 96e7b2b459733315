"""/demo: clients of two products talk in one page, which shows the frames as they pass."""

import re
from collections.abc import Callable

import pytest
from playwright.async_api import Locator, expect

from tests.support.browser_visitors import Arrive, Visitor
from tests.support.killable_process import Servers

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAIRS = [
    ("p0", "p2-websocket"),
    ("p2-polling", "p5"),
    ("p0", "p0"),
    ("p5", "p2-websocket"),
    ("p2-polling", "p2-polling"),
]
ON_THE_WIRE: dict[str, Callable[[str], str]] = {
    "p0": lambda text: f'{{"type":"message","message":"{text}"}}',
    "p2-websocket": lambda text: f'42["message","{text}"]',
    "p2-polling": lambda text: f'42["message","{text}"]',
    "p5": lambda text: f'"content":"{text}"',
}


def part(visitor: Visitor, pane: str, name: str) -> Locator:
    return visitor.at(pane).locator(f'[data-part="{name}"]')


async def says(visitor: Visitor, pane: str, text: str) -> None:
    await part(visitor, pane, "text").fill(text)
    await part(visitor, pane, "send").click()


async def are(visitor: Visitor, state: str) -> None:
    for pane in ("ann", "bob"):
        await expect(visitor.at(pane)).to_have_attribute("data-state", state)


@pytest.mark.parametrize(("ann", "bob"), PAIRS, ids="-and-".join)
async def test_two_products_talk(servers: Servers, arrive: Arrive, ann: str, bob: str) -> None:
    server = await servers.start(REMATCH_AFTER_SECONDS="0")
    visitor = await arrive(server.url)
    await visitor.page.goto("/demo")
    await are(visitor, "paired")  # as it comes: the plain pair chat and Socket.IO
    await part(visitor, "ann", "choice").select_option(ann)
    await part(visitor, "bob", "choice").select_option(bob)
    await are(visitor, "paired")
    await says(visitor, "ann", "hello from ann")
    await expect(part(visitor, "bob", "talk").locator(".theirs")).to_have_text(["hello from ann"])
    await says(visitor, "bob", "hello from bob")
    await expect(part(visitor, "ann", "talk").locator(".theirs")).to_have_text(["hello from bob"])
    await expect(part(visitor, "ann", "talk").locator(".own")).to_have_text(["hello from ann"])
    for pane, dialect, other in (("ann", ann, "bob"), ("bob", bob, "ann")):
        came = part(visitor, pane, "frames").locator("li.came")
        await expect(came.filter(has_text=ON_THE_WIRE[dialect](f"hello from {other}"))).to_have_count(1)
    await part(visitor, "ann", "skip").click()
    if bob != "p0":
        await expect(visitor.at("bob")).to_have_attribute("data-state", "left")
        await part(visitor, "bob", "skip").click()
    await are(visitor, "paired")
    await expect(part(visitor, "bob", "talk").locator("li")).to_have_count(0)
    await visitor.page.goto("about:blank")


async def test_what_is_said_is_text_and_never_markup(servers: Servers, arrive: Arrive) -> None:
    server = await servers.start()
    visitor = await arrive(server.url)
    await visitor.page.goto("/demo")
    await are(visitor, "paired")
    await says(visitor, "ann", "<img src=x onerror=alert(1)>")
    await expect(part(visitor, "bob", "talk").locator(".theirs")).to_have_text("<img src=x onerror=alert(1)>")
    await expect(visitor.page.locator("main img")).to_have_count(0)
    await visitor.page.goto("about:blank")


async def test_a_server_that_goes_away_is_seen_and_one_that_comes_back_is_connected_to(
    servers: Servers, arrive: Arrive
) -> None:
    server = await servers.start()
    visitor = await arrive(server.url, forgiving="WebSocket|Failed to load|ERR_")
    await visitor.page.goto("/demo")
    await are(visitor, "paired")
    port = server.url.rpartition(":")[2]
    await servers.stop(server)
    await are(visitor, "closed")
    await expect(part(visitor, "bob", "state")).to_have_text(re.compile("^Closed. 3001"))
    await servers.start(PORT=port)
    for pane in ("ann", "bob"):
        await part(visitor, pane, "skip").click()
    await are(visitor, "paired")
    await visitor.page.goto("about:blank")
