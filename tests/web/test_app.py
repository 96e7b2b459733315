"""The application over HTTP: pages, operations, guests, and who gets through the doors."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import hdrs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.servers import Server, browser, serving, settings, token_for, user


def socket(server: Server, path: str, **headers: str) -> connect:
    address = server.url.replace("http", "ws", 1) + path
    origin = headers.pop("Origin", None)
    return connect(address, origin=origin, additional_headers=headers, proxy=None)  # type: ignore[arg-type]


async def status_of(server: Server, path: str, **headers: str) -> tuple[int, str]:
    """The HTTP status and code of a door that stays shut."""
    with pytest.raises(InvalidStatus) as refused:
        async with socket(server, path, **headers):
            pass
    response = refused.value.response
    return response.status_code, json.loads(response.body)["error"]["code"]


async def frame(wire: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(5):
        found: dict[str, Any] = json.loads(await wire.recv())
        return found


# Pages


@pytest.mark.parametrize(
    "path", ["/", "/chat", "/chat/pair", "/chat/r/018bcfe5", "/privacy", "/chat/", "/privacy/"]
)
async def test_a_page_is_there_with_its_policy(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path, allow_redirects=False) as response:
        assert response.status == 200
        assert response.content_type == "text/html"
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert f"ws://{response.url.host}:{response.url.port}" in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Server"] == "Parley"
        text = await response.text()
    assert "<title>" in text
    assert "{{" not in text


async def test_every_static_file_that_a_page_names_is_there(http: aiohttp.ClientSession) -> None:
    async with http.get("/chat") as response:
        text = await response.text()
    names = {part.partition('"')[0] for part in text.split('"/static/')[1:]}
    assert names
    for name in names:
        async with http.get(f"/static/{name}") as response:
            assert response.status == 200, name
            assert "immutable" in response.headers[hdrs.CACHE_CONTROL]


@pytest.mark.parametrize("path", ["/nothing", "/api/nothing", "/ws", "/static/x/../../setup.cfg", "/chat/r"])
async def test_nothing_is_404_in_one_shape(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as response:
        assert response.status == 404
        error = (await response.json())["error"]
        assert (error["code"], error["retry"]) == ("unknown_route", False)


async def test_a_person_gets_a_page_that_says_so(http: aiohttp.ClientSession) -> None:
    async with http.get("/nothing", headers={"Accept": "text/html"}) as response:
        assert (response.status, response.content_type) == (404, "text/html")
        assert "404" in await response.text()


async def test_another_method_is_405(http: aiohttp.ClientSession) -> None:
    async with http.delete("/api/auth/guest") as response:
        assert response.status == 405
        assert (await response.json())["error"]["code"] == "method_not_allowed"
        assert "POST" in response.headers[hdrs.ALLOW]


# Operations


@pytest.mark.parametrize("slash", ["", "/"])
async def test_health_names_every_part(http: aiohttp.ClientSession, server: Server, slash: str) -> None:
    async with socket(server, "/ws/ann") as wire:
        await frame(wire)
        async with http.get(f"/health{slash}", allow_redirects=False) as response:
            assert response.status == 200
            said = await response.json()
    version = said.pop("version")
    assert version
    assert said == {"status": "ok", "database": "ok", "backplane": "ok", "connections": 1}


async def test_ready_until_it_drains(http: aiohttp.ClientSession, server: Server) -> None:
    async with http.get("/ready") as response:
        assert response.status == 200
    server.pumps.is_draining = True
    async with http.get("/ready") as response:
        assert response.status == 503
        assert (await response.json())["status"] == "draining"
    assert await status_of(server, "/ws/ann") == (503, "unavailable")
    assert await status_of(server, "/connection/websocket") == (503, "unavailable")


# Guests


async def test_a_guest_gets_a_token_and_a_cookie(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/auth/guest", json={"display_name": " Ann "}) as response:
        assert response.status == 200
        assert response.headers[hdrs.CACHE_CONTROL] == "no-store"
        cookie = response.headers[hdrs.SET_COOKIE]
        made = await response.json()
    assert (made["token_type"], made["expires_in"]) == ("bearer", 86400)
    assert len(made["refresh_token"]) == 43
    assert (made["user"]["display_name"], made["user"]["kind"]) == ("Ann", "guest")
    assert "email" not in made["user"]
    assert cookie.startswith(f"parley_guest={made['access_token']}; ")
    flags = set(cookie.split("; ")[1:])
    assert flags == {"Max-Age=86400", "Path=/", "HttpOnly", "SameSite=Strict"}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"unknown":1}', b'{"display_name":""}'])
async def test_a_guest_needs_no_name(http: aiohttp.ClientSession, body: bytes) -> None:
    headers = {hdrs.CONTENT_TYPE: "application/json"} if body else {}
    async with http.post("/api/auth/guest", data=body, headers=headers) as response:
        assert response.status == 200
        assert (await response.json())["user"]["display_name"] == "Guest"


@pytest.mark.parametrize(
    ("body", "status", "code", "fields"),
    [
        (b"hello", 400, "bad_request", None),
        (b'{"display_name":', 400, "bad_request", None),
        (b"\xff", 400, "bad_request", None),
        (b'{"display_name":"\\ud800"}', 400, "bad_request", None),
        (b'{"x":NaN}', 400, "bad_request", None),
        (b"[" * 5000, 400, "bad_request", None),
        (b"5", 422, "invalid", {"body"}),
        (b"null", 422, "invalid", {"body"}),
        (b"[]", 422, "invalid", {"body"}),
        (b'{"display_name":5}', 422, "invalid", {"display_name"}),
        (b'{"display_name":"' + b"x" * 41 + b'"}', 422, "invalid", {"display_name"}),
        (b'{"display_name":"a\\u0000b"}', 422, "invalid", {"display_name"}),
        (b'{"x":"' + b"x" * 65_536 + b'"}', 413, "too_large", None),
    ],
)
async def test_a_bad_body_has_a_typed_answer(
    http: aiohttp.ClientSession, body: bytes, status: int, code: str, fields: set[str] | None
) -> None:
    headers = {hdrs.CONTENT_TYPE: "application/json"}
    async with http.post("/api/auth/guest", data=body, headers=headers) as response:
        assert response.status == status
        error = (await response.json())["error"]
    assert (error["code"], error["retry"]) == (code, False)
    assert error["message"]
    assert (set(error["fields"]) if "fields" in error else None) == fields


async def test_too_many_guests_of_one_place_wait() -> None:
    async with serving(settings(source_limits="on")) as server, browser(server) as http:
        for _ in range(50):
            async with http.post("/api/auth/guest") as response:
                assert response.status == 200
        async with http.post("/api/auth/guest") as response:
            assert response.status == 429
            assert 1 <= int(response.headers[hdrs.RETRY_AFTER]) <= 12
            assert (await response.json())["error"]["retry"] is True


# Doors


@pytest.mark.parametrize("label", ["a", "x" * 64, "Ann_1.~-", "chat2"])
async def test_a_label_is_nobody(server: Server, label: str) -> None:
    async with socket(server, f"/ws/{label}") as wire:
        said = await frame(wire)
        assert said["event"] == "connected"
        assert said["user_id"] != label


@pytest.mark.parametrize("label", ["x" * 65, "a%20b", "%C3%A4", "a%2Fb", "a:b", "a@b", "%00"])
async def test_a_bad_label_is_refused(server: Server, label: str) -> None:
    assert await status_of(server, f"/ws/{label}") == (400, "bad_label")


@pytest.mark.parametrize(("label", "status"), [("chat", 404), ("notifications", 401)])
async def test_a_taken_label_is_nobodys(server: Server, label: str, status: int) -> None:
    assert (await status_of(server, f"/ws/{label}"))[0] == status


@pytest.mark.parametrize("token", ["x", "a.b.c", "%00", "x" * 3000])
async def test_a_token_that_does_not_hold_is_401_before_the_upgrade(server: Server, token: str) -> None:
    assert await status_of(server, f"/ws/ann?token={token}") == (401, "unauthenticated")


async def test_an_expired_token_is_401_and_a_good_one_says_who_it_is(server: Server) -> None:
    now, (ann, sid) = server.chat.clock.now(), await user("ann", server.chat)
    assert (await status_of(server, f"/ws/x?token={token_for(ann, sid, now - 60, lasts_s=10)}"))[0] == 401
    async with socket(server, f"/ws/x?token={token_for(ann, sid, now)}") as wire:
        assert (await frame(wire))["user_id"] == ann.id


async def test_the_cookie_makes_the_same_person_of_a_later_connection(server: Server) -> None:
    async with socket(server, "/ws/ann", Origin=server.url) as wire:
        first = (await frame(wire))["user_id"]
        assert wire.response is not None
        cookie = wire.response.headers["Set-Cookie"].partition(";")[0]
    async with socket(server, "/ws/other", Origin=server.url, Cookie=cookie) as wire:
        assert (await frame(wire))["user_id"] == first
        assert wire.response is not None
        assert "Set-Cookie" not in wire.response.headers
    async with socket(server, "/ws/ann", Cookie=cookie) as wire:  # no browser: the cookie does not count
        assert (await frame(wire))["user_id"] != first
    async with socket(server, "/ws/ann", Origin=server.url, Cookie="parley_guest=x") as wire:
        assert (await frame(wire))["user_id"] != first


@pytest.mark.parametrize("path", ["/ws/ann", "/connection/websocket"])
async def test_a_page_of_another_site_is_shut_out(server: Server, path: str) -> None:
    for origin in ("https://evil.example", "null", server.url + "0", server.url.replace("http", "https")):
        assert await status_of(server, path, Origin=origin) == (403, "forbidden")
    async with socket(server, path, Origin=server.url):
        pass


async def test_the_same_door_with_a_slash(server: Server) -> None:
    async with socket(server, "/ws/ann/") as wire:
        assert (await frame(wire))["event"] == "connected"


@pytest.mark.parametrize("path", ["/ws/ann", "/connection/websocket"])
async def test_a_door_speaks_websocket_only(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as response:
        assert response.status == 426
        assert (await response.json())["error"]["code"] == "upgrade_required"
    async with http.get("/ready") as response:
        assert response.status == 200


async def test_a_full_server_says_so_and_takes_the_next_when_one_leaves() -> None:
    async with serving(settings(max_connections=2)) as server:
        async with socket(server, "/ws/a") as first, socket(server, "/connection/websocket"):
            await frame(first)
            assert await status_of(server, "/ws/c") == (503, "unavailable")
        async with asyncio.timeout(5):
            await server.pumps.empty()
        async with socket(server, "/ws/c") as wire:
            assert (await frame(wire))["event"] == "connected"


async def test_a_place_is_given_back_by_a_handshake_that_fails() -> None:
    async with serving(settings(max_connections=1)) as server, browser(server) as http:
        for _ in range(3):
            async with http.get("/ws/ann") as response:
                assert response.status == 426
        async with socket(server, "/ws/ann") as wire:
            assert (await frame(wire))["event"] == "connected"


async def test_strangers_meet_over_real_sockets(server: Server) -> None:
    async with socket(server, "/ws/ann") as ann, socket(server, "/ws/bob") as bob:
        for wire in (ann, bob):
            assert [(await frame(wire))["event"] for _ in range(3)] == ["connected", "waiting", "paired"]
        await ann.send("hi")
        assert await frame(bob) == {"type": "message", "message": "hi"}
        await bob.send(b"\x00")
        with pytest.raises(ConnectionClosed) as closed:
            await frame(bob)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, bool(closed.value.rcvd.reason)) == (1003, True)
        assert [(await frame(ann))["event"] for _ in range(2)] == ["partner_left", "waiting"]


async def test_the_end_of_the_application_sends_everybody_away_to_come_back() -> None:
    async with serving() as server:
        wires = [await socket(server, "/ws/ann") for _ in range(20)]
        wires += [await socket(server, "/connection/websocket") for _ in range(20)]
    for wire in wires:
        await asyncio.wait_for(wire.wait_closed(), 5)
        assert wire.close_code == 3001
        assert "come back" in str(wire.close_reason)
    assert not server.pumps.open
