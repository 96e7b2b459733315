"""Headers of every answer, CORS, origins, and what one source may ask for."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from multidict import CIMultiDict, CIMultiDictProxy

from chat_core.model.errors import Refused, Unavailable
from chat_web.config.settings import Settings
from chat_web.http import errors
from chat_web.http import headers as http_headers
from chat_web.http.client_address import address_of, is_from_this_machine, is_secure
from chat_web.http.keyed_buckets import KeyedBuckets
from chat_web.http.paths import is_api, is_chat_page
from chat_web.http.rate_limits import SOURCE_LIMITS, RequestLimits, SourceLimits

Headers = Mapping[str, str]
LISTED = "https://chat.example.org"
PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8:1::/48"))


def request(path: str = "/", *, remote: str = "192.0.2.1", **headers: str) -> web.Request:
    """A request that came from ``remote``; underscores in names of headers are hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", path, headers=named).clone(remote=remote)


async def _ok(_request: web.Request) -> web.Response:
    return web.Response(text="ok")


async def _fail(_request: web.Request) -> web.Response:
    raise ZeroDivisionError


async def _varied(_request: web.Request) -> web.Response:
    return web.Response(headers={"Vary": "Accept", "Cache-Control": "private", "Server": "aiohttp/3"})


async def _source(request: web.Request) -> web.Response:
    return web.Response(text=request.config_dict[SOURCE_LIMITS].of(request, 0.0))


def make_client(**given: Any) -> TestClient[web.Request, web.Application]:
    app = web.Application()
    errors.install(app)
    http_headers.install(app, Settings(**given))
    for path in ("/", "/chat", "/chat/rooms", "/api/x", "/uploads/1", "/static/x.js"):
        app.router.add_get(path, _ok)
    app.router.add_get("/api/fail", _fail)
    app.router.add_get("/api/varied", _varied)
    app.router.add_get("/api/source", _source)
    return TestClient(TestServer(app))


@pytest.mark.parametrize(
    "path", ["/", "/chat", "/api/x", "/uploads/1", "/api/fail", "/api/none", "/none", "/static/x.js"]
)
async def test_every_answer_has_the_headers_that_all_have(path: str) -> None:
    async with make_client() as client:
        response = await client.get(path)

    for name, value in {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Server": "Parley",
    }.items():
        assert response.headers.getall(name) == [value]
    assert "Strict-Transport-Security" not in response.headers
    assert "Access-Control-Allow-Origin" not in response.headers
    microphone = "(self)" if path == "/chat" else "()"
    assert response.headers["Permissions-Policy"] == f"geolocation=(), camera=(), microphone={microphone}"


async def test_a_page_may_talk_to_its_own_host_alone() -> None:
    async with make_client() as client:
        response = await client.get("/")

        assert response.headers["Content-Security-Policy"] == (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
            "media-src 'self' blob:; font-src 'self'; "
            f"connect-src 'self' ws://127.0.0.1:{client.port}; manifest-src 'self'; worker-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'"
        )
        assert "Cache-Control" not in response.headers


@pytest.mark.parametrize("host", ["a; script-src *", "a b", "a/b", "", "u@a", "*"])
def test_a_host_cannot_write_into_the_policy(host: str) -> None:
    headers = http_headers.headers_for(request("/", Host=host), Settings())

    assert "connect-src 'self'; manifest-src" in headers["Content-Security-Policy"]


async def test_the_api_is_no_page_and_is_not_kept() -> None:
    async with make_client() as client:
        api = await client.get("/api/x")
        upload = await client.get("/uploads/1")
        varied = await client.get("/api/varied")

    policy = "default-src 'none'; sandbox; frame-ancestors 'none'"
    assert api.headers["Content-Security-Policy"] == upload.headers["Content-Security-Policy"] == policy
    assert api.headers["Cache-Control"] == "no-store"
    assert "Cache-Control" not in upload.headers
    assert (varied.headers["Cache-Control"], varied.headers["Server"]) == ("private", "Parley")


def test_tls_is_for_good_also_in_front_of_us() -> None:
    settings = Settings(trusted_proxies=PROXIES)

    behind = request("/", remote="10.1.1.1", X_Forwarded_Proto="https", Host="chat.example.org")
    claimed = request("/", remote="192.0.2.1", X_Forwarded_Proto="https", Host="chat.example.org")

    headers = http_headers.headers_for(behind, settings)
    assert headers["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
    assert "wss://chat.example.org;" in headers["Content-Security-Policy"]
    assert "Strict-Transport-Security" not in http_headers.headers_for(claimed, settings)
    assert is_secure(request("/").clone(scheme="https"), ())


async def test_a_listed_site_may_call_the_api_and_no_other() -> None:
    async with make_client(allowed_origins=(LISTED,)) as client:
        listed = await client.get("/api/varied", headers={"Origin": LISTED})
        other = await client.get("/api/x", headers={"Origin": "https://evil.example"})
        page = await client.get("/", headers={"Origin": LISTED})

    assert listed.headers["Access-Control-Allow-Origin"] == LISTED
    assert listed.headers["Access-Control-Expose-Headers"] == "Retry-After"
    assert listed.headers["Vary"] == "Accept, Origin"
    assert "Access-Control-Allow-Credentials" not in listed.headers
    assert other.headers["Vary"] == "Origin"
    for response in (other, page):
        assert not any(name.startswith("Access-Control") for name in response.headers)


async def test_a_preflight_is_answered_for_listed_sites() -> None:
    asks = {"Access-Control-Request-Method": "POST"}
    async with make_client(allowed_origins=(LISTED,)) as client:
        listed = await client.options("/api/x", headers={"Origin": LISTED, **asks})
        other = await client.options("/api/x", headers={"Origin": LISTED + ".evil", **asks})
        plain = await client.options("/api/x", headers={"Origin": LISTED})

    assert listed.status == 204
    assert listed.headers["Access-Control-Allow-Origin"] == LISTED
    assert listed.headers["Access-Control-Allow-Methods"] == "GET, POST, PUT, PATCH, DELETE"
    assert listed.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    assert listed.headers["Access-Control-Max-Age"] == "600"
    assert other.status == plain.status == 405
    assert "Access-Control-Allow-Origin" not in other.headers


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://parley.example:8000", True),
        (LISTED, True),
        ("null", False),
        ("", False),
        ("https://parley.example:8000", False),
        ("http://parley.example", False),
        ("http://parley.example:80", False),
        ("http://parley.example:8001", False),
        ("http://parley.example:8000/", False),
        ("http://parley.example:8000.evil.example", False),
        ("http://evil.example", False),
        ("http://evil.example/http://parley.example:8000", False),
        ("http://u@parley.example:8000", False),
        ("http://PARLEY.example:8000", False),
        ("HTTP://parley.example:8000", False),
        ("http://xparley.example:8000", False),
        ("http://sub.parley.example:8000", False),
        ("parley.example:8000", False),
        ("//parley.example:8000", False),
        ("http://parley.example:8000 ", False),
        ("http://chat.example.org", False),
        (LISTED + ":443", False),
        (LISTED + ".", False),
        (LISTED + ":8443", False),
        ("https://chat.example.org.evil.example", False),
        ("https://evilchat.example.org", False),
        ("https://chat.example.org@evil.example", False),
        ("https://chat.example.org\\.evil.example", False),
        ("file://", False),
        ("*", False),
    ],
)
def test_only_exact_origins_open_a_websocket(origin: str, allowed: bool) -> None:
    settings = Settings(allowed_origins=(LISTED,))
    asked = request("/ws/x", Host="parley.example:8000", Origin=origin)

    assert http_headers.origin_allowed(asked, settings) is allowed
    assert http_headers.cookies_count(asked, settings) is allowed


def test_no_origin_is_no_browser_and_its_cookies_say_nothing() -> None:
    asked = request("/ws/x", Host="parley.example:8000")

    assert http_headers.origin_allowed(asked, Settings())
    assert not http_headers.cookies_count(asked, Settings())


def test_two_origins_are_none() -> None:
    asked = make_mocked_request(
        "GET", "/", headers=_many([("Host", "a"), ("Origin", "http://a"), ("Origin", "http://a")])
    )

    assert not http_headers.origin_allowed(asked, Settings())


def _many(pairs: list[tuple[str, str]]) -> Any:
    return CIMultiDictProxy(CIMultiDict(pairs))


def test_the_own_origin_is_the_one_that_the_proxy_shows() -> None:
    settings = Settings(trusted_proxies=PROXIES)
    asked = {"Host": "chat.example.org", "Origin": "https://chat.example.org"}

    assert http_headers.origin_allowed(
        request("/", remote="10.0.0.1", X_Forwarded_Proto="https", **asked), settings
    )
    assert not http_headers.origin_allowed(
        request("/", remote="192.0.2.9", X_Forwarded_Proto="https", **asked), settings
    )


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "1.2.3.4, unknown", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4, evil, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4," * 5000 + "10.0.0.2", "1.2.3.4"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("2001:db8:1::1", "2001:db8:9::7", "2001:db8:9::7"),
        ("fe80::1%eth0", None, "fe80::1"),
        ("", "198.51.100.7", None),
    ],
)
def test_an_address_counts_as_far_as_the_proxies_are_trusted(
    remote: str, forwarded: str | None, address: str | None
) -> None:
    asked = request("/", remote=remote, **({} if forwarded is None else {"X_Forwarded_For": forwarded}))

    found = address_of(asked, PROXIES)

    assert found == (None if address is None else ipaddress.ip_address(address))


def test_what_was_forwarded_is_never_from_this_machine() -> None:
    assert is_from_this_machine(request("/metrics", remote="127.0.0.1"))
    assert is_from_this_machine(request("/metrics", remote="::1"))
    assert not is_from_this_machine(request("/metrics", remote="192.0.2.1"))
    assert not is_from_this_machine(request("/metrics", remote=""))
    for name in ("X_Forwarded_For", "Forwarded", "X_Real_IP"):
        assert not is_from_this_machine(request("/metrics", remote="127.0.0.1", **{name: "127.0.0.1"}))


def test_a_source_is_a_pseudonym_of_a_prefix_for_a_day() -> None:
    limits = SourceLimits(Settings())

    def name(remote: str, now: float = 0.0) -> str:
        return limits.of(request("/", remote=remote), now)

    assert name("192.0.2.1") == name("192.0.2.1") != name("192.0.2.2")
    assert name("2001:db8::1") == name("2001:db8::ffff:1") != name("2001:db8:0:1::1")
    assert name("192.0.2.1", 1.0) != SourceLimits(Settings()).of(request("/", remote="192.0.2.1"), 1.0)
    assert re.fullmatch("[0-9a-f]{32}", name("192.0.2.1"))
    assert name("192.0.2.1", 1.0) != name("192.0.2.1", 86401.0)


async def test_an_application_knows_its_sources() -> None:
    async with make_client() as client:
        first, second = [await (await client.get("/api/source")).text() for _ in range(2)]

    assert first == second
    assert re.fullmatch("[0-9a-f]{32}", first)


HELD = Settings(source_limits="on")


def test_one_source_has_fifty_sockets_and_gets_them_back() -> None:
    limits = SourceLimits(HELD)
    places = [limits.connect("a", n / 10) for n in range(50)]

    with pytest.raises(Refused) as caught:
        limits.connect("a", 10.0)
    assert caught.value.code == "too_many"
    limits.connect("b", 10.0)
    places[0]()
    places[0]()
    assert limits.connections == 50
    limits.connect("a", 10.0)
    with pytest.raises(Refused):
        limits.connect("a", 10.0)


def test_a_full_node_says_so_to_everyone_also_without_limits() -> None:
    limits = SourceLimits(Settings(max_connections=2, rate_limits=False))
    leave = limits.connect("a", 0.0)
    limits.connect("b", 0.0)

    with pytest.raises(Unavailable):
        limits.connect("c", 0.0)
    leave()
    limits.connect("c", 0.0)


def test_too_many_at_once_wait_their_turn() -> None:
    limits = SourceLimits(HELD)
    for n in range(200):
        limits.connect(f"source {n}", 0.0)

    with pytest.raises(Unavailable):
        limits.connect("late", 0.0)
    limits.connect("late", 0.011)


def test_guests_and_accounts_have_a_rate_for_each_source() -> None:
    limits = SourceLimits(HELD)
    for _ in range(50):
        limits.guest("a", 0.0)
    for _ in range(20):
        limits.registration("a", 0.0)

    with pytest.raises(Refused) as guests:
        limits.guest("a", 0.0)
    with pytest.raises(Refused) as accounts:
        limits.registration("a", 0.0)
    assert guests.value.retry_after_s == pytest.approx(12.0)
    assert accounts.value.retry_after_s == pytest.approx(180.0)
    limits.guest("b", 0.0)
    limits.guest("a", 12.0)
    with pytest.raises(Refused):
        limits.guest("a", 12.0)


Take: TypeAlias = Callable[[str, float], None]


@pytest.mark.parametrize(
    ("take", "at_once", "wait_s"),
    [
        (RequestLimits(HELD).take, 40, 0.05),
        (RequestLimits(HELD).export, 5, 720.0),
        (SourceLimits(HELD).request, 100, 0.05),
        (SourceLimits(HELD).guest, 50, 12.0),
        (SourceLimits(HELD).registration, 20, 180.0),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_limit_is_so_many_at_once_and_then_one_at_a_time(take: Take, at_once: int, wait_s: float) -> None:
    now = 1_700_000_000.0
    for _ in range(at_once):
        take("a", now)

    for _ in range(3):
        with pytest.raises(Refused) as refused:
            take("a", now)
        assert refused.value.code == "too_many"
        assert refused.value.retry_after_s == pytest.approx(wait_s, abs=1e-6)  # the clock is a float
        take("b", now + wait_s / 2)
        with pytest.raises(Refused):
            take("a", now + wait_s * 0.99)
        now += refused.value.retry_after_s or 0.0
        take("a", now)


def rates_of(limits: SourceLimits | RequestLimits) -> Mapping[str, int]:
    """How many keys each of the limits remembers."""
    return {name: len(rates) for name, rates in vars(limits).items() if isinstance(rates, KeyedBuckets)}


@pytest.mark.parametrize("settings", [Settings(), Settings(source_limits="on", rate_limits=False)])
def test_where_nothing_is_limited_nothing_is_kept(settings: Settings) -> None:
    limits = SourceLimits(settings)

    for _ in range(1000):
        limits.request("a", 0.0)
        limits.guest("a", 0.0)
        limits.registration("a", 0.0)
        limits.connect("a", 0.0)()
    assert limits.connections == 0
    assert set(rates_of(limits).values()) == {0}


def test_without_limits_a_person_asks_as_often_as_it_likes_and_nothing_is_kept() -> None:
    limits = RequestLimits(Settings(rate_limits=False))

    for _ in range(1000):
        limits.take("ann", 0.0)
        limits.export("ann", 0.0)
    assert set(rates_of(limits).values()) == {0}


def test_the_memory_for_sources_is_bounded() -> None:
    limits = SourceLimits(HELD, sources_max=100)
    for n in range(1000):
        limits.request(str(n), 0.0)
        limits.guest(str(n), 0.0)
        limits.registration(str(n), 0.0)
        limits.connect(str(n), float(n))()

    assert rates_of(limits) == {"_requests": 100, "_guests": 100, "_registrations": 100, "_accepts": 1}


@pytest.mark.parametrize(
    ("path", "api", "chat"),
    [
        ("/", False, False),
        ("/chat", False, True),
        ("/chat/", False, True),
        ("/chat/pair", False, True),
        ("/chat/c/general", False, True),
        ("/chat/rooms", True, False),
        ("/chat/rooms/", True, False),
        ("/chat/queue", True, False),
        ("/chat/keep/1", True, False),
        ("/chat/like/1", True, False),
        ("/chats", False, False),
        ("/api/x", True, False),
        ("/apis", False, False),
        ("/auth/login", True, False),
        ("/simple-countdown/start/1", True, False),
        ("/ws/ann", True, False),
        ("/ws/docs", False, False),
        ("/ws/docs2", True, False),
        ("/docs", False, False),
        ("/connection/websocket", True, False),
        ("/emulation", True, False),
        ("/socket.io/", True, False),
        ("/socketxio/", False, False),
        ("/uploads/1", True, False),
        ("/openapi.json", True, False),
        ("/health", True, False),
        ("/static/js/api/x.js", False, False),
    ],
)
def test_pages_and_addresses_for_programs_are_told_apart(path: str, api: bool, chat: bool) -> None:
    assert (is_api(path), is_chat_page(path)) == (api, chat)
