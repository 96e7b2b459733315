"""Two strangers: from the landing page to a conversation, out of it, and into the next one."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.support.browser_visitors import Arrive, pair

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = (  # what is not text in some place or other, and stays text here
    "<b>bold</b> & 👩‍🚀",
    "<img src=x onerror=alert(1)>",
    "</p></li><script>alert(1)</script>",
    "&lt;script&gt; &#x3c;b&#x3e;",
    "{{ 7 * 7 }} ${7 * 7}",
    "javascript:alert(1)",
    '{"push":{"disconnect":{"code":3500}}}',
    "two spaces  and\ta tab",
)


async def test_two_strangers_meet_talk_part_and_meet_again(server_url: str, arrive: Arrive) -> None:
    ann, bob = await arrive(server_url), await arrive(server_url)
    await pair(ann, bob, path="/")
    assert ann.page.url == f"{server_url}/chat/pair"
    await expect(ann.at("partner")).to_contain_text("online")

    await ann.writes("hello")
    await bob.reads("hello")
    await bob.at("composer").press_sequentially("hi, ")
    await expect(ann.at("typing")).to_have_text(re.compile(".+ is typing"))
    await bob.writes("hi, you")
    await expect(ann.at("typing")).to_have_text("")
    await bob.writes(*HOSTILE)
    for one in (ann, bob):
        await one.reads("hello", "hi, you", *HOSTILE)
        await expect(one.page.locator(".bubble *")).to_have_count(0)
        await one.own_are_sent()

    # Esc, once: it asks. Typing is an answer, too.
    await expect(ann.at("skip")).to_contain_text("Skip")
    await ann.page.keyboard.press("Escape")
    await expect(ann.at("skip")).to_contain_text("End chat?")
    await ann.at("composer").press_sequentially("w")
    await expect(ann.at("skip")).to_contain_text("Skip")
    await ann.page.keyboard.press("Escape")
    await ann.page.keyboard.press("Escape")
    await ann.outcome("left", "You left this chat")
    await expect(ann.at("unsent")).to_contain_text("w")
    await bob.outcome("partner-left", re.compile(".+ left"))
    await expect(bob.at("new")).to_be_focused()

    # The third press searches.
    await bob.page.keyboard.press("Enter")
    await bob.sees("searching")
    await ann.page.keyboard.press("Escape")
    for one in (ann, bob):
        await one.sees("room")
        await expect(one.at("message")).to_have_count(0)
    await bob.writes("you again")
    await ann.reads("you again")


async def test_an_armed_skip_is_disarmed_after_five_seconds(server_url: str, arrive: Arrive) -> None:
    ann, bob = await arrive(server_url), await arrive(server_url)
    for one in (ann, bob):
        await one.page.clock.install()
    await pair(ann, bob)
    await ann.page.keyboard.press("Escape")
    await expect(ann.at("skip")).to_contain_text("End chat?")
    await ann.page.clock.run_for(5_000)
    await expect(ann.at("skip")).to_contain_text("Skip")
    await ann.writes("still here")
    await bob.reads("still here")


async def test_a_search_shows_its_time_and_is_cancelled(server_url: str, arrive: Arrive) -> None:
    ann = await arrive(server_url)
    await ann.starts()
    await ann.sees("searching")
    await expect(ann.at("elapsed")).to_have_text("0:01")
    await ann.page.keyboard.press("Escape")
    await ann.sees("start")
    await expect(ann.at("talk")).to_be_focused()

    # Nobody is queued without a press: who comes now waits alone.
    bob = await arrive(server_url)
    await bob.starts()
    await ann.page.reload()
    await ann.sees("start")
    await bob.sees("searching")
    await ann.at("talk").click()
    for one in (ann, bob):
        await one.sees("room")


async def test_interests_are_kept_and_named(server_url: str, arrive: Arrive) -> None:
    ann = await arrive(server_url)
    await ann.page.goto("/")
    await ann.at("interest").press_sequentially("Music,python")
    await ann.at("interest").press("Enter")
    await expect(ann.page.locator(".chip-item")).to_have_text(["music", "python"])
    await ann.page.reload()
    await expect(ann.page.locator(".chip-item")).to_have_text(["music", "python"])
    await ann.at("talk").click()
    await expect(ann.at("searching")).to_contain_text("Looking for someone who likes music or python")


async def test_the_keyboard_alone_pairs_sends_and_skips(server_url: str, arrive: Arrive) -> None:
    ann, bob = await arrive(server_url), await arrive(server_url)
    for one in (ann, bob):
        await one.page.goto("/")
        await one.tab_to("talk")
        await one.page.keyboard.press("Enter")
    for one in (ann, bob):
        await one.sees("room")
        await expect(one.at("composer")).to_be_focused()
    await ann.page.keyboard.type("typed")
    await ann.page.keyboard.press("Enter")
    await bob.reads("typed")
    await bob.tab_to("skip", backwards=True)
    await bob.page.keyboard.press("Space")
    await expect(bob.at("skip")).to_contain_text("End chat?")
    await bob.page.keyboard.press("Space")
    await bob.outcome("left", "You left this chat")
    await expect(bob.at("new")).to_be_focused()
    await expect(ann.at("new")).to_be_focused()


@pytest.mark.parametrize("when", ["while they talk", "after they talked"])
async def test_who_blocks_is_not_paired_with_the_blocked_again(
    server_url: str, arrive: Arrive, when: str
) -> None:
    ann, bob, cid = await arrive(server_url), await arrive(server_url), await arrive(server_url)
    await pair(ann, bob)
    if when == "after they talked":
        await bob.at("skip").click()
        await bob.at("skip").click()
        await ann.outcome("partner-left", re.compile(".+ left"))
    await ann.at("block").click()
    await expect(ann.at("block")).to_have_text("Block?")
    await ann.at("block").click()
    await ann.outcome("over", "You blocked this person")
    await expect(ann.at("block")).to_be_hidden()
    await expect(bob.at("result")).not_to_contain_text("block")
    for one in (ann, bob):
        await one.at("new").click()
        await one.sees("searching")
    # Whoever of the two is first in the line gets the next one, and the other one stays.
    await cid.starts()
    await cid.sees("room")
    met = [asyncio.ensure_future(one.sees("room")) for one in (ann, bob)]
    await asyncio.wait(met, return_when=asyncio.FIRST_COMPLETED)
    for task in met:
        task.cancel()
    await asyncio.gather(*met, return_exceptions=True)
    views = [await one.page.locator("main").get_attribute("data-view") for one in (ann, bob)]
    assert sorted(map(str, views)) == ["room", "searching"]
