"""Two strangers: from the landing page to a conversation, out of it, and into the next one."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Arrive
from tests.browser.visitors import pair

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_two_strangers_meet_talk_part_and_meet_again(house: str, arrive: Arrive) -> None:
    ann, bob = await arrive(house), await arrive(house)
    await pair(ann, bob)
    assert ann.page.url == f"{house}/chat/pair"
    await expect(ann.at("partner")).to_contain_text("online")

    await ann.writes("hello")
    await bob.reads("hello")
    await bob.at("composer").press_sequentially("hi, ")
    await expect(ann.at("typing")).to_have_text(re.compile(".+ is typing"))
    await bob.writes("hi, you")
    await expect(ann.at("typing")).to_have_text("")
    await bob.writes("<b>bold</b> & 👩‍🚀")
    for one in (ann, bob):
        await one.reads("hello", "hi, you", "<b>bold</b> & 👩‍🚀")
        await one.own_are_sent()

    # Esc, once: it asks. Typing is an answer, too.
    await expect(ann.at("skip")).to_contain_text("Skip")
    await ann.page.keyboard.press("Escape")
    await expect(ann.at("skip")).to_contain_text("Really?")
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


async def test_an_armed_skip_is_disarmed_after_five_seconds(house: str, arrive: Arrive) -> None:
    ann, bob = await arrive(house), await arrive(house)
    for one in (ann, bob):
        await one.page.clock.install()
    await pair(ann, bob)
    await ann.page.keyboard.press("Escape")
    await expect(ann.at("skip")).to_contain_text("Really?")
    await ann.page.clock.run_for(5_000)
    await expect(ann.at("skip")).to_contain_text("Skip")
    await ann.writes("still here")
    await bob.reads("still here")


async def test_a_search_shows_its_time_and_is_cancelled(house: str, arrive: Arrive) -> None:
    ann = await arrive(house)
    await ann.starts()
    await ann.sees("searching")
    await expect(ann.at("elapsed")).to_have_text("0:01")
    await ann.page.keyboard.press("Escape")
    await ann.sees("start")
    await expect(ann.at("talk")).to_be_focused()

    # Nobody is queued without a press: who comes now waits alone.
    bob = await arrive(house)
    await bob.starts()
    await ann.page.reload()
    await ann.sees("start")
    await bob.sees("searching")
    await ann.at("talk").click()
    for one in (ann, bob):
        await one.sees("room")


async def test_interests_are_kept_and_named(house: str, arrive: Arrive) -> None:
    ann = await arrive(house)
    await ann.page.goto("/")
    await ann.at("interest").press_sequentially("Music,python")
    await ann.at("interest").press("Enter")
    await expect(ann.page.locator(".chip-item")).to_have_text(["music", "python"])
    await ann.page.reload()
    await expect(ann.page.locator(".chip-item")).to_have_text(["music", "python"])
    await ann.at("talk").click()
    await expect(ann.at("searching")).to_contain_text("Looking for someone who likes music or python")


async def test_the_keyboard_alone_pairs_sends_and_skips(house: str, arrive: Arrive) -> None:
    ann, bob = await arrive(house), await arrive(house)
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
    await expect(bob.at("skip")).to_contain_text("Really?")
    await bob.page.keyboard.press("Space")
    await bob.outcome("left", "You left this chat")
    await expect(bob.at("new")).to_be_focused()
    await expect(ann.at("new")).to_be_focused()


async def test_who_blocks_is_not_paired_with_the_blocked_again(house: str, arrive: Arrive) -> None:
    ann, bob, cid = await arrive(house), await arrive(house), await arrive(house)
    await pair(ann, bob)
    await ann.at("block").click()
    await expect(ann.at("block")).to_have_text("Really?")
    await ann.at("block").click()
    await ann.outcome("over", "You blocked this person")
    await bob.outcome("partner-left", re.compile(".+ left"))
    for one in (ann, bob):
        await expect(one.at("block")).to_be_hidden()
        await one.at("new").click()
        await one.sees("searching")
    # The first in the line gets the next one, and the blocked one stays.
    await cid.starts()
    for one in (ann, cid):
        await one.sees("room")
    await bob.sees("searching")
