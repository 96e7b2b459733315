"""The screenshots of the documentation, taken from the real thing.

``PARLEY_SCREENSHOTS=1 pytest tests/browser/test_screenshots.py`` writes them to ``docs/``.
"""

import os
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.browser_visitors import Arrive, pair

pytestmark = pytest.mark.asyncio(loop_scope="session")

DOCS = Path(__file__).parents[2] / "docs"
BYTES_MAX = 150 * 1024
IS_WANTED = os.environ.get("PARLEY_SCREENSHOTS") == "1"

TALK = (
    ("ann", "hi! what are you reading at the moment?"),
    ("bob", "A book about tide tables. They carved them into harbour walls"),
    ("bob", "you?"),
    ("ann", "Nothing half as good. Do they still work?"),
    ("bob", "Within an hour, after eight hundred years"),
    ("ann", "I want to see that wall."),
)
LOOKS = (
    ("screenshot.png", 1120, 700, "light"),
    ("screenshot-dark.png", 1120, 700, "dark"),
    ("screenshot-phone.png", 390, 780, "light"),
)


async def test_two_people_talk_in_a_timed_room(server_url: str, arrive: Arrive) -> None:
    ann, bob = await arrive(server_url), await arrive(server_url)
    await pair(ann, bob, "timed")
    for who, text in TALK:
        await (ann if who == "ann" else bob).writes(text)
        await ann.reads(*[said for _, said in TALK[: TALK.index((who, text)) + 1]])
    await ann.own_are_sent()
    await bob.at("composer").press_sequentially("Then")
    await expect(ann.at("typing")).to_contain_text("is typing")
    await expect(ann.at("countdown")).to_be_visible()
    for name, width, height, theme in LOOKS:
        await ann.page.set_viewport_size({"width": width, "height": height})
        await ann.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        shot = await ann.page.screenshot()
        assert len(shot) <= BYTES_MAX
        if IS_WANTED:
            DOCS.mkdir(exist_ok=True)
            (DOCS / name).write_bytes(shot)
