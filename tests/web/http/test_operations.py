"""The registry of operations: every route has an entry, who may not is refused, rates hold."""

from typing import Any, Final

import msgspec
import pytest
from aiohttp import web

from chat_core import CODES
from chat_web import routes
from chat_web.api import schemas
from chat_web.documents.openapi import document, plain_path
from chat_web.http.errors import STATUS
from chat_web.http.operations import Caller as Who
from tests.support.http_clients import HttpClient, RunningServer, code, running_server
from tests.support.servers import PASSWORD

NOWHERE: Final = "018bcfe5-6800-7e80-ba59-b849de305d16"
ENTRIES: Final = {(route.method, plain_path(route.path)): route.operation for route in routes.ROUTES}
FOR_PEOPLE: Final = [key for key, operation in ENTRIES.items() if operation.caller is Who.PERSON]


def test_every_route_has_an_entry_and_every_entry_a_route() -> None:
    app = web.Application()
    routes.install(app)
    there = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert there == set(ENTRIES)
    assert len(ENTRIES) == len(routes.ROUTES)


def test_every_entry_says_what_it_is_and_refuses_with_known_codes() -> None:
    shown = document(routes.ROUTES)
    names = [its["operationId"] for methods in shown["paths"].values() for its in methods.values()]
    assert len(names) == len(set(names)) == len(ENTRIES)
    for key, operation in ENTRIES.items():
        assert operation.summary, key
        assert set(operation.errors) <= set(STATUS), key
        assert operation.answers, key
    assert set(CODES) <= set(STATUS)


def test_no_api_route_is_open_but_those_that_say_so() -> None:
    opened = {path for (_, path), operation in ENTRIES.items() if operation.caller is not Who.PERSON}
    assert {path for path in opened if path.startswith(("/api", "/auth", "/simple-countdown"))} == {
        *(f"/api/auth/{name}" for name in ("register", "login", "guest", "refresh")),
        *(f"/auth/{name}" for name in ("register", "login")),
        "/api/ws/{name}",  # a socket's door, which looks at the token of the address itself
    }
    with_a_token = {path for (_, path), operation in ENTRIES.items() if operation.caller is Who.GUEST}
    assert with_a_token == {"/api/auth/register", "/auth/register"}
    assert {path for path in opened if path.startswith("/chat/")} == {"/chat/pair", "/chat/r/{room_id}"}


# Who may do what: default deny


def filled(path: str, **names: str) -> str:
    known = {"name": "team", "username": "mia", "emoji": "x", "id": NOWHERE, "room_id": NOWHERE, **names}
    return path.format(**known)


def body_of(method: str, path: str) -> Any:
    """A body that the operation understands."""
    bodies = {
        "/api/channels": {"name": "new"},
        "/api/rooms": {"name": "new"},
        "/api/channels/{name}/members": {"username": "new"},
        "/api/channels/{name}/members/{username}": {"role": "moderator"},
        "/api/messages/{id}": {"content": "x"},
        "/api/conversations/{id}/messages": {"content": "x"},
        "/api/conversations/{id}/read": {"seq": 1},
        "/chat/like/{room_id}": {"like": True},
        "/simple-countdown/response/{room_id}": {"response": "keep"},
        "/api/users/me/status": {"status": "away"},
        "/api/users/{id}/profile": {"bio": "changed"},
    }
    if path == "/api/users/me" and method != "GET":
        return {"password": PASSWORD} if method == "DELETE" else {"bio": "changed"}
    return bodies.get(path) if ENTRIES[method, path].takes_body else None


@pytest.mark.parametrize(("method", "path"), FOR_PEOPLE)
async def test_nobody_gets_in_without_a_token_that_holds(home: RunningServer, method: str, path: str) -> None:
    nobody = home.nobody()
    address = filled(path)
    for headers in (
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer x"},
        {"Authorization": "Basic x"},
        {"Authorization": (await home.user("ann")).token or ""},
        {"Cookie": f"parley_guest={(await home.guest()).token}", "Origin": home.url},
    ):
        status, answer = await nobody.asks(method, address, body_of(method, path), headers=headers)
        assert (status, code(answer)) == (401, "unauthenticated"), headers
    status, _ = await nobody.asks(method, f"{address}?token={(await home.user('ann')).token}")
    assert status == 401, "a token in the address opens sockets, not routes"


WHO: Final = ("guest", "outsider", "ex-member", "member", "moderator", "owner")
# What everybody of WHO gets, of a public and of a private channel; ! marks what is not done.
CHANNEL_TABLE: Final[dict[tuple[str, str], tuple[str, str]]] = {
    ("GET", "/api/channels/{name}"): ("200 200 200 200 200 200", "404 404 404 200 200 200"),
    ("DELETE", "/api/channels/{name}"): ("403 403 403 403 403 204", "404 404 404 403 403 204"),
    ("POST", "/api/channels/{name}/join"): ("403 200 200 200 200 200", "404 404 404 200 200 200"),
    ("POST", "/api/channels/{name}/leave"): ("403 200 200 200 200 409", "404 404 404 200 200 409"),
    ("POST", "/api/channels/{name}/members"): ("403 403 403 403 200 200", "404 404 404 403 200 200"),
    ("PUT", "/api/channels/{name}/members/{username}"): (
        "403 403 403 403 403 200",
        "404 404 404 403 403 200",
    ),
    ("DELETE", "/api/channels/{name}/members/{username}"): (
        "403 403 403 403 200 200",
        "404 404 404 403 200 200",
    ),
    ("POST", "/api/conversations/{id}/messages"): ("403 403 403 201 201 201", "404 404 404 201 201 201"),
    ("PUT", "/api/conversations/{id}/read"): ("403 403 403 204 204 204", "404 404 404 204 204 204"),
    ("PATCH", "/api/messages/{id}"): ("403 403 403 403 403 403", "404 404 404 403 403 403"),
    ("DELETE", "/api/messages/{id}"): ("403 403 403 403 204 204", "404 404 404 403 204 204"),
    ("PUT", "/api/messages/{id}/reactions/{emoji}"): ("403 403 403 200 200 200", "404 404 404 200 200 200"),
    ("DELETE", "/api/messages/{id}/reactions/{emoji}"): (
        "403 403 403 200 200 200",
        "404 404 404 200 200 200",
    ),
    ("GET", "/api/rooms/{id}/messages"): ("200 200 200 200 200 200", "404 404 404 200 200 200"),
}
ELSEWHERE: Final = {  # about nobody's object but the caller's own; tested where they are
    ("POST", "/api/channels"),
    ("GET", "/api/channels"),
    ("GET", "/api/channels/me"),
    ("GET", "/api/messages"),
    ("GET", "/api/messages/me"),
    ("GET", "/api/search"),
    ("GET", "/api/rooms"),
    ("POST", "/api/rooms"),
    ("GET", "/chat/rooms"),
    ("POST", "/chat/rooms"),
    ("GET", "/chat/queue"),
    ("DELETE", "/chat/queue"),
}
ROOM_TABLE: Final[dict[tuple[str, str], str]] = {  # outsider, member
    ("POST", "/chat/keep/{room_id}"): "404 200",
    ("POST", "/chat/like/{room_id}"): "404 409",
    ("POST", "/simple-countdown/start/{room_id}"): "404 409",
    ("POST", "/simple-countdown/response/{room_id}"): "404 200",
    ("GET", "/simple-countdown/status/{room_id}"): "404 200",
}


ACCOUNT_TABLE: Final[dict[tuple[str, str], str]] = {  # a guest, another user, the user itself
    ("POST", "/api/auth/logout"): "204 204 204",
    ("POST", "/auth/logout"): "204 204 204",
    ("GET", "/api/auth/me"): "200 200 200",
    ("GET", "/api/users"): "200 200 200",
    ("GET", "/api/users/online"): "200 200 200",
    ("GET", "/api/users/me"): "200 200 200",
    ("PATCH", "/api/users/me"): "403 200 200",
    ("DELETE", "/api/users/me"): "204 204 204",
    ("POST", "/api/users/me/status"): "403 200 200",
    ("GET", "/api/users/me/export"): "200 200 200",
    ("GET", "/api/users/{username}"): "200 200 200",
    ("GET", "/api/users/{id}/profile"): "200 200 200",
    ("PUT", "/api/users/{id}/profile"): "403 403 200",
}


def test_no_route_goes_without_a_row_of_the_table() -> None:
    assert set(CHANNEL_TABLE) | set(ROOM_TABLE) | set(ACCOUNT_TABLE) | ELSEWHERE == set(FOR_PEOPLE)


@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
@pytest.mark.parametrize(("method", "path"), CHANNEL_TABLE)
async def test_who_may_do_what_in_a_channel(
    home: RunningServer, method: str, path: str, private: bool
) -> None:
    found = []
    for number, role in enumerate(WHO):
        name = f"team{number}"
        callers = {
            who: await home.guest() if who == "guest" else await home.user(f"{who}{number}") for who in WHO
        }
        owner, mia = callers["owner"], await home.user("mia")
        await home.user("new")
        others = [callers[who] for who in ("ex-member", "member", "moderator")]
        channel = await owner.channel(name, mia, *others, private=private)
        moderator = f"/api/channels/{name}/members/{callers['moderator'].person.username}"
        assert (await owner.put(moderator, {"role": "moderator"}))[0] == 200
        left = f"/api/channels/{name}/members/{callers['ex-member'].person.username}"
        assert (await owner.delete(left))[0] == 200
        about = (await mia.says(channel["id"], "hi"))["id"] if "/messages/{id}" in path else channel["id"]
        address = filled(path, name=name, id=about)
        status, answer = await callers[role].asks(method, address, body_of(method, path))
        found.append(str(status))
        if status == 404:
            missing = filled(path, name="none", id=NOWHERE)
            assert await callers[role].asks(method, missing, body_of(method, path)) == (status, answer)
    assert " ".join(found) == CHANNEL_TABLE[method, path][private]


@pytest.mark.parametrize(("method", "path"), ROOM_TABLE)
async def test_who_may_do_what_in_a_room(home: RunningServer, method: str, path: str) -> None:
    ann, bob, eve = [await home.user(name) for name in ("ann", "bob", "eve")]
    await ann.post("/chat/rooms", {})
    _, room = await bob.post("/chat/rooms", {})
    address = filled(path, room_id=room["id"])
    found = [(await who.asks(method, address, body_of(method, path)))[0] for who in (eve, ann)]
    assert " ".join(map(str, found)) == ROOM_TABLE[method, path]


@pytest.mark.parametrize(("method", "path"), ACCOUNT_TABLE)
async def test_who_may_do_what_about_accounts(home: RunningServer, method: str, path: str) -> None:
    mia, eve, guest = await home.user("mia"), await home.user("eve"), await home.guest()
    address, body = filled(path, id=mia.person.id), body_of(method, path)
    before = await mia.get("/api/users/me/export")
    found = [(await who.asks(method, address, body))[0] for who in (guest, eve)]
    assert await mia.get("/api/users/me/export") == before, "what others ask changes nothing of mia's"
    found.append((await mia.asks(method, address, body))[0])
    assert " ".join(map(str, found)) == ACCOUNT_TABLE[method, path]


# Rates


async def test_who_asks_too_fast_waits_and_nobody_else(home: RunningServer) -> None:
    async with running_server(rate_limits=True) as strict:
        ann, bob = await strict.user("ann"), await strict.user("bob")
        statuses = [(await ann.get("/chat/queue"))[0] for _ in range(41)]
        assert statuses == [200] * 40 + [429]
        headers = {"Authorization": f"Bearer {ann.token}"}
        async with strict.http.get("/chat/queue", headers=headers) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
            assert code(await answer.json()) == "too_many"
        assert (await bob.get("/chat/queue"))[0] == 200
        await strict.world.advance(0.05)
        assert (await ann.get("/chat/queue"))[0] == 200


# Shapes


async def test_answers_have_the_shapes_that_the_document_says(home: RunningServer) -> None:
    ann, bob = await home.user("ann"), await home.user("bob")
    channel = await ann.channel("cats")
    message = await ann.says(channel["id"], "hi")
    await ann.post("/chat/rooms", {})
    _, room = await bob.post("/chat/rooms", {})
    for shape, answer in ((schemas.Channel, channel), (schemas.Message, message), (schemas.Room, room)):
        msgspec.convert(answer, shape)
        assert set(answer) <= set(shape.__annotations__)


@pytest.mark.parametrize("path", ["/api/channels", "/api/rooms", "/chat/rooms", "/api/messages/me"])
async def test_a_trailing_slash_changes_nothing(home: RunningServer, path: str) -> None:
    ann: HttpClient = await home.user("ann")
    assert await ann.get(path) == await ann.get(f"{path}/")
