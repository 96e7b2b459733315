"""A timed room: the countdown, the decision at its end, and how each pair of answers reads."""

import asyncio
import re
import time

import pytest
from playwright.async_api import expect

from tests.support.browser_visitors import NOT_BOTH, Arrive, Visitor, pair
from tests.support.killable_process import Servers

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEPT = "You both chose to keep talking. This room stays open."


async def decision_at(visitor: Visitor) -> float:
    await expect(visitor.at("decision")).to_be_visible()
    return time.monotonic()


async def test_the_time_runs_out_for_both_at_once_and_both_stay(servers: Servers, arrive: Arrive) -> None:
    server = await servers.start(COUNTDOWN_SECONDS="3", NOTIFICATION_SECONDS="20", RESUME_SECONDS="1")
    ann, bob = await arrive(server.url), await arrive(server.url)
    await pair(ann, bob, "timed")
    await expect(ann.at("countdown")).to_have_text(re.compile(r"^0:0[0-3]$"))
    await ann.at("composer").press_sequentially("a draft")
    first, second = await asyncio.gather(decision_at(ann), decision_at(bob))
    assert abs(first - second) <= 1
    await expect(ann.at("composer")).to_be_focused()
    await ann.at("composer").press("Enter")
    await bob.reads("a draft")

    await ann.at("keep").click()
    await expect(ann.at("decision")).to_contain_text("You chose Keep talking. Waiting for your partner")
    await expect(ann.at("change")).to_be_focused()
    await expect(bob.at("keep-request")).to_be_hidden()
    await bob.tab_to("keep", backwards=True)
    await bob.page.keyboard.press("Enter")
    for one in (ann, bob):
        await one.outcome("kept", KEPT)
        await expect(one.at("countdown")).to_be_hidden()
        await expect(one.at("skip")).to_contain_text("Leave room")

    await ann.writes("one more")
    await bob.writes("and another")
    for one in (ann, bob):
        await one.reads("a draft", "one more", "and another")
    # What both keep is there later, too; no key leaves it, and a press on the start page finds someone new.
    await ann.page.keyboard.press("Escape")
    await ann.page.reload()
    await ann.outcome("kept", KEPT)
    await ann.starts(path="/")
    await ann.sees("searching")
    await ann.at("cancel").click()
    await ann.at("open-rooms").get_by_role("link").click()
    await ann.outcome("kept", KEPT)
    await ann.reads("a draft", "one more", "and another")
    await ann.at("skip").click()
    await expect(ann.at("skip")).to_contain_text("Leave room?")
    await ann.at("skip").click()
    await ann.outcome("left", "You left this chat")


async def see_that_it_is_over(ann: Visitor, bob: Visitor) -> None:
    for one in (ann, bob):
        await one.outcome("ended", NOT_BOTH)
        await expect(one.at("composer")).to_be_hidden()
        await expect(one.at("new")).to_be_visible()
    await expect(ann.at("result")).to_contain_text("You chose Keep talking.")


async def test_who_keeps_is_told_of_an_end_as_of_a_silence(hasty: str, arrive: Arrive) -> None:
    ann, bob = await arrive(hasty), await arrive(hasty)
    await pair(ann, bob, "timed")
    await ann.at("keep").click()
    await expect(ann.at("change")).to_be_visible()
    await bob.at("end").click()
    await see_that_it_is_over(ann, bob)
    await expect(bob.at("result")).to_contain_text("You chose End chat.")


async def test_who_keeps_is_told_of_a_silence_as_of_an_end(servers: Servers, arrive: Arrive) -> None:
    server = await servers.start(COUNTDOWN_SECONDS="0.5", NOTIFICATION_SECONDS="4")
    ann, bob = await arrive(server.url), await arrive(server.url)
    await pair(ann, bob, "timed")
    await ann.at("keep").click()
    await see_that_it_is_over(ann, bob)


async def test_an_answer_is_changed_until_the_end(hasty: str, arrive: Arrive) -> None:
    ann, bob = await arrive(hasty), await arrive(hasty)
    await pair(ann, bob, "timed")
    await ann.at("keep").click()
    await ann.at("change").click()
    await expect(ann.at("end")).to_be_focused()
    await ann.page.keyboard.press("Enter")
    for one in (ann, bob):
        await one.outcome("ended", NOT_BOTH)


async def test_an_early_wish_is_declined_and_then_accepted(server_url: str, arrive: Arrive) -> None:
    ann, bob = await arrive(server_url), await arrive(server_url)
    await pair(ann, bob, "timed")
    await expect(ann.at("countdown")).to_have_text(re.compile(r"^(5:00|4:5\d)$"))
    await ann.at("keep-early").click()
    await expect(ann.at("keep-early")).to_have_text("You asked to keep talking")
    await expect(bob.at("keep-request")).to_contain_text("wants to keep talking")
    await bob.at("not-yet").click()
    await expect(bob.at("keep-request")).to_be_hidden()
    await expect(bob.at("countdown")).to_be_visible()
    # The wish stands: whenever the other wants it, too, the room is kept.
    await bob.writes("a little later")
    await ann.reads("a little later")
    await bob.at("keep-early").click()
    for one in (ann, bob):
        await one.outcome("kept", KEPT)


async def test_an_early_wish_is_accepted(server_url: str, arrive: Arrive) -> None:
    ann, bob = await arrive(server_url), await arrive(server_url)
    await pair(ann, bob, "timed")
    await bob.at("keep-early").click()
    await ann.at("accept").click()
    for one in (ann, bob):
        await one.outcome("kept", KEPT)


async def test_who_leaves_a_timed_room_is_seen_to_leave(server_url: str, arrive: Arrive) -> None:
    ann, bob = await arrive(server_url), await arrive(server_url)
    await pair(ann, bob, "timed")
    await ann.writes("bye")
    await bob.reads("bye")
    await ann.at("skip").click()
    await ann.at("skip").click()
    await ann.outcome("left", "You left this chat")
    await expect(bob.at("result")).to_have_attribute("data-outcome", "partner-left")
