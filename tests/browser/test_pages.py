"""Every page and every state of the chat: no barrier, no sideways scroll, no complaint, in both themes."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.support.browser_visitors import Arrive, Visitor, pair

pytestmark = pytest.mark.asyncio(loop_scope="session")

AXE = Path(__file__).parent / "js" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (320, 390, 1280)
EXAMINED = [(width, theme) for width in (390, 1280) for theme in ("light", "dark")]


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core, as a script. Missing, it is an error in CI and a skip elsewhere."""
    if not AXE.exists():
        missing = "there is no axe-core; scripts/npm.sh tests/browser/js installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return AXE.read_text(encoding="utf-8")


async def barriers(visitor: Visitor, axe: str) -> list[str]:
    """What axe finds on the page as it stands: rule, and where."""
    if not await visitor.page.evaluate("'axe' in window"):
        await visitor.page.evaluate(axe)
    options = json.dumps({"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]})
    found: dict[str, Any] = await visitor.page.evaluate(f"axe.run(document, {options})")
    return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]


async def examine(visitor: Visitor, axe: str) -> None:
    """The state that the page shows now, at every width and in both themes."""
    page = visitor.page
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        wider = await page.evaluate(
            """() => [document.scrollingElement, ...document.querySelectorAll('body *')]
                .filter((one) => one === document.scrollingElement
                    || /auto|scroll/.test(getComputedStyle(one).overflowX))
                .filter((one) => one.scrollWidth > one.clientWidth)
                .map((one) => one.outerHTML.slice(0, 200))"""
        )
        assert wider == [], f"scrolls sideways at {width} px"
    for width, theme in EXAMINED:
        await page.set_viewport_size({"width": width, "height": 800})
        await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        assert await barriers(visitor, axe) == [], f"{width} px, {theme}"
    await page.set_viewport_size({"width": 1280, "height": 800})


@pytest.mark.parametrize("path", ["/", "/privacy", "/chat", "/demo", "/nowhere"])
async def test_a_page_has_no_barrier(
    server_url: str, hasty: str, arrive: Arrive, axe: str, path: str
) -> None:
    # The demo leaves somebody waiting for a stranger, for as long as a place is kept.
    home = hasty if path == "/demo" else server_url
    visitor = await arrive(home, forgiving="status of 404" if path == "/nowhere" else "")
    answer = await visitor.page.goto(path)
    assert answer is not None
    assert answer.status == (404 if path == "/nowhere" else 200)
    await expect(visitor.page.locator("h1:visible")).to_have_count(1)
    await examine(visitor, axe)


async def test_no_state_of_a_talk_has_a_barrier(server_url: str, arrive: Arrive, axe: str) -> None:
    ann, bob = await arrive(server_url), await arrive(server_url)
    await ann.starts()
    await ann.sees("searching")
    await examine(ann, axe)
    await bob.starts()
    await ann.sees("room")
    await ann.writes("hello", "a-word-that-is-wider-than-any-screen-" * 20)
    await bob.writes("hi")
    await ann.at("composer").fill("x" * 1001)
    await expect(ann.at("note")).to_have_text("Too long by 1. A message can have 1000 characters.")
    await examine(ann, axe)
    await ann.at("skip").click()
    await ann.at("skip").click()
    await ann.outcome("left", "You left this chat")
    await examine(ann, axe)


async def test_no_state_of_a_timed_room_has_a_barrier(hasty: str, arrive: Arrive, axe: str) -> None:
    ann, bob = await arrive(hasty), await arrive(hasty)
    await pair(ann, bob, "timed")
    await expect(ann.at("decision")).to_be_visible()
    await examine(ann, axe)
    await ann.at("keep").click()
    await expect(ann.at("change")).to_be_visible()
    await examine(ann, axe)
    await bob.at("keep").click()
    await expect(ann.at("result")).to_have_attribute("data-outcome", "kept")
    await examine(ann, axe)


async def test_the_examination_finds_barriers(server_url: str, arrive: Arrive, axe: str) -> None:
    visitor = await arrive(server_url)
    await visitor.page.set_content(
        """<!doctype html><html lang="en"><head><title>A page</title>
        <meta name="viewport" content="width=device-width, user-scalable=no">
        <style>button { inline-size: 20px; block-size: 20px; padding: 0 }</style></head>
        <body><main><h1>A page</h1><button>a</button><button>b</button></main></body></html>"""
    )
    rules = {found.partition(":")[0] for found in await barriers(visitor, axe)}
    assert {"meta-viewport", "target-size"} <= rules


async def test_a_request_elsewhere_is_a_complaint(server_url: str, arrive: Arrive) -> None:
    visitor = await arrive(server_url, forgiving="elsewhere.example")
    await visitor.page.goto("/")
    await visitor.page.evaluate(
        "document.body.append(Object.assign(new Image(), { src: 'http://elsewhere.example/a.png' }))"
    )
    await visitor.page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert any("Content Security Policy" in complaint for complaint in visitor.complaints)


async def test_the_theme_is_kept_and_rendered_by_the_server(server_url: str, arrive: Arrive) -> None:
    visitor = await arrive(server_url)
    await visitor.page.goto("/")
    for theme in ("light", "dark"):
        await visitor.at("theme").click()
        await expect(visitor.at("theme")).to_have_text(f"Theme: {theme}")
    answer = await visitor.page.goto("/privacy")
    assert answer is not None
    assert 'data-theme="dark"' in await answer.text()
    background = await visitor.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert background == "rgb(14, 20, 23)"
