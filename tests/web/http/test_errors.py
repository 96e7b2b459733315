"""Errors over HTTP: one shape for every failure, a page for who asked for one."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from chat_core.model.errors import CODES, Refused, Unavailable
from chat_web.config.settings import Settings
from chat_web.http import errors, headers

Client = TestClient[web.Request, web.Application]
Raise = Callable[[], Exception]

pytestmark = pytest.mark.logs_secrets  # what is raised here speaks of canaries

RAISED: dict[str, tuple[Raise, int, str, bool]] = {
    "refused": (lambda: Refused("wrong_state", "The countdown runs."), 409, "wrong_state", False),
    "unavailable": (lambda: Unavailable("disk full at /secret/path"), 503, "unavailable", True),
    "rejected": (
        lambda: errors.Rejected("username_taken", "The name is taken."),
        409,
        "username_taken",
        False,
    ),
    "bug": (lambda: ZeroDivisionError("canary"), 500, "internal", False),
    "timeout of our own": (lambda: TimeoutError("canary"), 500, "internal", False),
    "http 400": (lambda: web.HTTPBadRequest(text="canary"), 400, "bad_request", False),
    "http 401": (web.HTTPUnauthorized, 401, "unauthenticated", False),
    "http 403": (web.HTTPForbidden, 403, "forbidden", False),
    "http 406": (web.HTTPNotAcceptable, 406, "bad_request", False),
    "http 413": (lambda: web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2), 413, "too_large", False),
    "http 415": (web.HTTPUnsupportedMediaType, 415, "unsupported_media_type", False),
    "http 422": (web.HTTPUnprocessableEntity, 422, "invalid", False),
    "http 429": (web.HTTPTooManyRequests, 429, "too_many", True),
    "http 502": (web.HTTPBadGateway, 502, "internal", False),
}


async def _raise(request: web.Request) -> web.Response:
    raise RAISED[request.match_info["what"]][0]()


async def _read(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def _stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"some")
    raise ZeroDivisionError("canary")


async def _redirect(_request: web.Request) -> web.Response:
    raise web.HTTPFound("/elsewhere")


async def _slow_down(_request: web.Request) -> web.Response:
    raise Refused("too_many", "Slow down.", retry_after_s=2.1, fields={"content": "too much"})


def _make_page(_request: web.Request, status: int, title: str, message: str, request_id: str) -> web.Response:
    if title == "Conflict":
        raise RuntimeError("a broken template")
    return web.Response(text=f"<h1>{status} {title}</h1>{message} [{request_id}]", content_type="text/html")


def make_app(*, pages: bool = True) -> web.Application:
    app = web.Application(client_max_size=1024)
    errors.install(app)
    headers.install(app, Settings())
    if pages:
        app[errors.ERROR_PAGE] = _make_page
    app.router.add_get("/api/raise/{what}", _raise)
    app.router.add_get("/raise/{what}", _raise)
    app.router.add_post("/api/read", _read)
    app.router.add_get("/api/stream", _stream)
    app.router.add_get("/redirect", _redirect)
    app.router.add_get("/api/slow-down", _slow_down)
    return app


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(make_app())) as client:
        yield client


async def failure(response: ClientResponse) -> dict[str, Any]:
    assert response.content_type == "application/json"
    assert response.headers["X-Request-Id"]
    whole = json.loads(await response.text())
    assert set(whole) == {"error"}
    error: dict[str, Any] = whole["error"]
    assert {"code", "message", "retry"} <= set(error) <= {"code", "message", "retry", "fields"}
    return error


@pytest.mark.parametrize("what", RAISED)
async def test_whatever_is_raised_has_one_shape(client: Client, what: str) -> None:
    _, status, code, retry = RAISED[what]

    response = await client.get(f"/api/raise/{what}")

    error = await failure(response)
    assert (response.status, error["code"], error["retry"]) == (status, code, retry)
    assert error["message"].endswith(".")
    assert "canary" not in await response.text()
    assert "secret" not in await response.text()


async def test_a_refusal_carries_fields_and_when_to_come_back(client: Client) -> None:
    response = await client.get("/api/slow-down")

    error = await failure(response)
    assert (response.status, response.headers["Retry-After"]) == (429, "3")
    assert error["fields"] == {"content": "too much"}
    assert error["message"] == "Slow down."


async def test_unavailable_says_when_and_unauthenticated_says_how(client: Client) -> None:
    assert (await client.get("/api/raise/unavailable")).headers["Retry-After"] == "1"
    assert (await client.get("/api/raise/http 401")).headers["WWW-Authenticate"] == "Bearer"


async def test_unknown_routes_wrong_methods_and_large_bodies(client: Client) -> None:
    response = await client.get("/api/nowhere")
    assert (response.status, (await failure(response))["code"]) == (404, "unknown_route")
    response = await client.get("/api/read")
    assert (response.status, (await failure(response))["code"]) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "POST"
    response = await client.post("/api/read", data=b"x" * 2000)
    assert (response.status, (await failure(response))["code"]) == (413, "too_large")


async def test_each_answer_has_a_request_id_of_its_own(client: Client) -> None:
    good = await client.post("/api/read", data=b"x")
    bad = await client.get("/api/nowhere", headers={"X-Request-Id": "mine"})

    assert good.status == 200
    assert len({good.headers["X-Request-Id"], bad.headers["X-Request-Id"], "mine"}) == 3


async def test_a_redirect_is_no_failure(client: Client) -> None:
    response = await client.get("/redirect", allow_redirects=False)

    assert (response.status, response.headers["Location"]) == (302, "/elsewhere")
    assert response.headers["X-Request-Id"]


async def test_who_asks_for_a_page_gets_a_page(client: Client) -> None:
    response = await client.get("/nowhere", headers={"Accept": "text/html,*/*"})

    assert (response.status, response.content_type) == (404, "text/html")
    assert "404 Not Found" in await response.text()
    assert response.headers["X-Request-Id"] in await response.text()


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/nowhere", "application/json"), ("/nowhere", "*/*"), ("/api/nowhere", "text/html")],
)
async def test_programs_and_the_api_get_json(client: Client, path: str, accept: str) -> None:
    response = await client.get(path, headers={"Accept": accept})

    assert (await failure(response))["code"] == "unknown_route"


async def test_without_a_page_or_with_a_broken_one_json_remains(client: Client) -> None:
    response = await client.get("/raise/refused", headers={"Accept": "text/html"})
    assert (response.status, (await failure(response))["code"]) == (409, "wrong_state")
    async with TestClient(TestServer(make_app(pages=False))) as bare:
        response = await bare.get("/nowhere", headers={"Accept": "text/html"})
        assert (await failure(response))["code"] == "unknown_route"


async def test_an_answer_that_had_begun_is_cut_off_and_not_continued(client: Client) -> None:
    response = await client.get("/api/stream")

    with pytest.raises(Exception, match=r"payload|closed|disconnected"):
        await response.read()


def test_every_code_of_the_core_has_a_status() -> None:
    assert set(CODES) <= set(errors.STATUS)


@pytest.mark.parametrize("code", errors.STATUS)
def test_statuses_are_failures(code: str) -> None:
    assert 400 <= errors.STATUS[code] <= 503
    assert code == code.lower()


def test_what_is_raised_with_a_code_alone_says_something() -> None:
    assert str(errors.Rejected("too_large")) == "The request is too large."
