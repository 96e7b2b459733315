"""``/demo`` is for development servers only, and the words of the pages."""

import ipaddress
import re
from typing import Any

import pytest

from chat_web.pages import DEMO_CLIENTS, STATIC, timed_chat
from tests.support.servers import browser, serving, settings

PROXY = (ipaddress.ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 200),
        ({"host": "0.0.0.0"}, 404),
        ({"trusted_proxies": PROXY}, 404),
        ({"host": "0.0.0.0", "debug": True}, 200),
    ],
    ids=str,
)
async def test_only_where_nobody_else_can_connect_or_with_debug(given: dict[str, Any], status: int) -> None:
    async with serving(settings(**given)) as server, browser(server) as http, http.get("/demo") as answer:
        assert answer.status == status


def test_the_page_offers_the_clients_that_there_are() -> None:
    source = (STATIC / "js" / "demo_clients.js").read_text("utf-8").split("export const CLIENTS")[1]
    assert re.findall(r'^  "?([\w-]+)"?: \w+,$', source, re.MULTILINE) == list(DEMO_CLIENTS)


@pytest.mark.parametrize(
    ("seconds", "name"),
    [
        (300.0, "Five-minute chat"),
        (60.0, "One-minute chat"),
        (660.0, "11-minute chat"),
        (90.0, "90-second chat"),
        (8.0, "Eight-second chat"),
        (2.5, "2.5-second chat"),
        (0.5, "0.5-second chat"),
    ],
)
def test_a_timed_chat_is_named_by_its_length(seconds: float, name: str) -> None:
    assert timed_chat(seconds) == name


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/", "Chats with strangers aren&#39;t saved. They disappear when you leave."),
        ("/", "Five-minute chat: then you both decide whether to keep it."),
        ("/chat", "Five-minute chat: then you both decide whether to keep it."),
        ("/privacy", "<h1>What we keep</h1>"),
        ("/no-such-page", "<h1>Page not found</h1>"),
    ],
)
async def test_pages_say_it_in_these_words(path: str, sentence: str) -> None:
    accept = {"Accept": "text/html"}
    async with (
        serving(settings()) as server,
        browser(server) as http,
        http.get(path, headers=accept) as answer,
    ):
        assert sentence in await answer.text()
