"""The references: routes that are tried on in the page, and a console that speaks to the sockets."""

import re

import pytest
from playwright.async_api import expect

from tests.support.browser_visitors import Arrive

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_route_is_tried_on_as_a_guest(server_url: str, arrive: Arrive) -> None:
    ann = await arrive(server_url)
    await ann.page.goto("/docs#get_api_channels_name")
    await ann.at("guest").click()
    await expect(ann.at("token")).to_have_value(re.compile(r"^\S+\.\S+\.\S+$"))
    entry = ann.page.locator("#get_api_channels_name")
    await expect(entry).to_have_attribute("open", "")
    await entry.locator('[data-name="name"]').fill("general")
    await entry.locator('[data-test="send"]').click()
    answer = entry.locator('[data-test="answer"]')
    await expect(answer).to_contain_text("200 OK")
    await expect(answer).to_contain_text('"name": "general"')


async def test_of_a_stream_the_beginning_is_shown(server_url: str, arrive: Arrive) -> None:
    ann = await arrive(server_url)
    await ann.page.goto("/docs#post_connection_http_stream")
    entry = ann.page.locator("#post_connection_http_stream")
    await entry.locator('[data-test="send"]').click()
    await expect(entry.locator('[data-test="answer"]')).to_contain_text('"session":')


async def test_a_body_is_edited_and_sent(server_url: str, arrive: Arrive) -> None:
    ann = await arrive(server_url, forgiving="403")
    await ann.page.goto("/docs#post_api_channels")
    await ann.at("guest").click()
    await expect(ann.at("token")).not_to_have_value("")
    entry = ann.page.locator("#post_api_channels")
    await expect(entry.locator("[data-body]")).to_have_value(re.compile('"name"'))
    await entry.locator("[data-body]").fill('{"name": "cats"}')
    await entry.locator('[data-test="send"]').click()
    await expect(entry.locator('[data-test="answer"]')).to_contain_text("guests_may_not")


async def test_the_console_connects_sends_and_shows_both_ways(server_url: str, arrive: Arrive) -> None:
    ann = await arrive(server_url)
    await ann.page.goto("/ws/docs")
    await ann.at("send").click()
    await expect(ann.at("state")).to_have_text("Connect first.")
    await ann.at("connect").click()
    await expect(ann.at("state")).to_have_text("Connected.")
    await ann.at("text").fill('{"id":1,"connect":{}}')
    await ann.at("send").click()
    await expect(ann.at("log")).to_contain_text('"version":"Parley')
    await ann.at("frame-choice").select_option(label="presence_stats")
    await expect(ann.at("text")).to_have_value(re.compile("presence_stats"))
    await ann.at("send").click()
    await expect(ann.at("log").locator("li.came")).to_have_count(2)
    await ann.at("connect").click()
    await expect(ann.at("state")).to_have_text(re.compile(r"^Closed: \d+"))


async def test_the_console_speaks_the_other_protocols_too(server_url: str, arrive: Arrive) -> None:
    ann = await arrive(server_url)
    await ann.page.goto("/ws/docs")
    await ann.page.locator("#dialogue").select_option("anonymous")
    await expect(ann.at("address")).to_have_value(re.compile(r"^ws://.*/ws/console$"))
    await ann.at("connect").click()
    await expect(ann.at("log")).to_contain_text('"event":"waiting"')
    await ann.at("connect").click()
    await expect(ann.at("state")).to_have_text(re.compile("^Closed"))
    await ann.page.locator("#dialogue").select_option("socketio")
    await ann.at("connect").click()
    await expect(ann.at("log")).to_contain_text('0{"sid":')
    await ann.at("frame-choice").select_option(label="connect")
    await ann.at("send").click()
    await expect(ann.at("log")).to_contain_text('40{"sid":')
    await ann.at("connect").click()
    await expect(ann.at("state")).to_have_text(re.compile("^Closed"))
