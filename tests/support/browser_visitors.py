"""People at their browsers: what they press, write and read, and what their pages complained of."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit

import attrs
from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, Request, expect

NOT_BOTH = "This room has ended: you did not both choose to keep talking."
TABS_MAX = 20


@attrs.define
class Visitor:
    """One person with one tab, in a browser of its own."""

    page: Page
    complaints: list[str] = attrs.field(factory=list)

    def at(self, name: str) -> Locator:
        """What the page marks as ``data-test``."""
        return self.page.locator(f'[data-test="{name}"]')

    async def sees(self, view: str) -> None:
        await expect(self.page.locator("main")).to_have_attribute("data-view", view)

    async def starts(self, lobby: str = "talk", path: str = "/chat") -> None:
        """Press the button of the page that is there; of the landing page at ``/``."""
        await self.page.goto(path)
        await self.at(lobby).click()

    async def goes_home(self) -> None:
        """Wait for nobody: the next test has the lobby for itself."""
        if await self.at("cancel").is_visible():
            await self.at("cancel").click()
            await self.sees("start")

    async def hears_of_the_network(self) -> None:
        """The machine says that it is online again: the page does not wait for its next try."""
        await self.page.evaluate("dispatchEvent(new Event('online'))")

    async def writes(self, *texts: str) -> None:
        for text in texts:
            await self.at("composer").fill(text)
            await self.at("composer").press("Enter")

    async def reads(self, *texts: str) -> None:
        """These messages stand there, in this order, and no other."""
        await expect(self.page.locator('[data-test="message"] .bubble')).to_have_text(list(texts))

    async def own_are_sent(self) -> None:
        unsent = self.page.locator('[data-test="message"][data-own="true"]:not([data-state="sent"])')
        await expect(unsent).to_have_count(0)

    async def tab_to(self, name: str, *, backwards: bool = False) -> None:
        """Press Tab until the control has the focus."""
        for _ in range(TABS_MAX):
            await self.page.keyboard.press("Shift+Tab" if backwards else "Tab")
            if await self.at(name).evaluate("one => one === document.activeElement"):
                return
        raise AssertionError(f"no way to {name} by keyboard")

    async def outcome(self, kind: str, sentence: str | re.Pattern[str]) -> None:
        await expect(self.at("result")).to_have_attribute("data-outcome", kind)
        name = "partner-left" if kind == "partner-left" else "sentence"
        await expect(self.at(name)).to_have_text(sentence)


def watched(context: BrowserContext, home: str) -> list[str]:
    """Complaints of every page of the context, filled as they come: errors, and requests elsewhere."""
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.type}: {message.text}")

    def on_request(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != urlsplit(home).netloc:
            complaints.append(f"a request to another server: {request.url}")

    context.on("console", on_console)
    context.on("weberror", lambda error: complaints.append(f"uncaught: {error.error}"))
    context.on("request", on_request)
    return complaints


async def pair(first: Visitor, second: Visitor, lobby: str = "talk", path: str = "/chat") -> None:
    """Both press the button, and are in a room together."""
    await asyncio.gather(first.starts(lobby, path), second.starts(lobby, path))
    for one in (first, second):
        await one.sees("room")


Arrive: TypeAlias = Callable[..., Awaitable[Visitor]]
