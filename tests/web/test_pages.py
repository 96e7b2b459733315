"""``/demo`` is for who runs a server for itself, or says so."""

import ipaddress
import re
from typing import Any

import pytest

from chat_web.pages import DEMO_CLIENTS, STATIC
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
