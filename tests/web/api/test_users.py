"""Users over HTTP: oneself, what everybody may know about others, and leaving for good."""

from typing import Any

import msgspec
import pytest

from chat_web.api import schemas
from tests.support.http_clients import HttpClient, RunningServer, code, running_server
from tests.support.servers import PASSWORD

NOWHERE = "018bcfe5-6800-7e80-ba59-b849de305d16"


# Oneself


async def test_one_sees_all_that_one_told_and_nobody_else_does(ann: HttpClient, bob: HttpClient) -> None:
    change = {
        "display_name": " Ann Lee ",
        "bio": "likes cats",
        "interests": ["cats", "chess", "cats"],
        "language": "pt-BR",
        "birth_year": 1990,
        "avatar_url": "/uploads/a1",
        "shows_read_marks": False,
        "email": "lee@example.org",
    }
    status, changed = await ann.patch("/api/users/me", change)
    assert status == 200
    msgspec.convert(changed, schemas.Account)
    told = {**change, "display_name": "Ann Lee", "interests": ["cats", "chess"]}
    assert told.items() <= changed.items()
    for path in ("/api/users/me", "/api/auth/me"):
        assert await ann.get(path) == (200, changed)
    status, seen = await bob.get("/api/users/ANN")
    assert status == 200
    msgspec.convert(seen, schemas.PublicProfile)
    assert seen.keys() == set(schemas.PublicProfile.__annotations__)
    assert not {"email", "birth_year", "shows_read_marks"} & seen.keys()
    status, profile = await bob.get(f"/api/users/{ann.person.id}/profile")
    assert (status, profile.keys()) == (200, set(schemas.Profile.__annotations__))
    assert profile.items() <= seen.items()


async def test_what_is_left_out_stays_and_null_takes_away(ann: HttpClient) -> None:
    full = {"bio": "x", "interests": ["cats"], "language": "en", "birth_year": 1990}
    await ann.patch("/api/users/me", full)
    _, same = await ann.patch("/api/users/me", {})
    assert full.items() <= same.items()
    _, empty = await ann.patch("/api/users/me", dict.fromkeys(full))
    assert {"bio": "", "interests": [], "language": "", "birth_year": None}.items() <= empty.items()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"display_name": ""}, {"display_name"}),
        ({"display_name": "x" * 41, "bio": "x" * 501}, {"display_name", "bio"}),
        ({"display_name": "a\u202eb"}, {"display_name"}),
        ({"interests": ["x"] * 11}, {"interests"}),
        ({"interests": "cats"}, {"interests"}),
        ({"language": "no language"}, {"language"}),
        ({"birth_year": 1800}, {"birth_year"}),
        ({"birth_year": 2**53}, {"birth_year"}),
        ({"avatar_url": "https://evil.example/x.png"}, {"avatar_url"}),
        ({"avatar_url": "javascript:alert(1)"}, {"avatar_url"}),
        ({"email": "x"}, {"email"}),
        ({"email": None}, {"email"}),
        ({"password": "short", "current_password": PASSWORD}, {"password"}),
        ({"bio": "fine", "email": "x"}, {"email"}),
    ],
)
async def test_what_cannot_be_told_changes_nothing(ann: HttpClient, body: Any, fields: set[str]) -> None:
    before = await ann.get("/api/users/me")
    status, said = await ann.patch("/api/users/me", body)
    assert (status, code(said), said["error"]["fields"].keys()) == (422, "invalid", fields)
    assert await ann.get("/api/users/me") == before


async def test_who_one_is_cannot_be_changed(ann: HttpClient, bob: HttpClient) -> None:
    body = {"id": bob.person.id, "username": "bob", "kind": "admin", "created_at": "2000-01-01", "bio": "x"}
    _, before = await ann.get("/api/users/me")
    assert await ann.patch("/api/users/me", body) == (200, {**before, "bio": "x"})
    status, said = await ann.patch("/api/users/me", {"email": "BOB@example.org"})
    assert (status, code(said)) == (409, "email_taken")


async def test_another_password_needs_the_current_one_and_ends_the_other_sessions(
    home: RunningServer,
) -> None:
    mine, other = await home.user("ann"), await home.user("ann")
    new = "another horse of the tests"
    for current in ({}, {"current_password": "wrong horse"}):
        status, said = await mine.patch("/api/users/me", {"password": new, **current})
        assert (status, code(said)) == (403, "wrong_password")
    assert (await other.get("/api/users/me"))[0] == 200
    status, _ = await mine.patch("/api/users/me", {"password": new, "current_password": PASSWORD})
    assert status == 200
    assert (await other.get("/api/users/me"))[0] == 401
    assert (await mine.get("/api/users/me"))[0] == 200
    login = {"username": "ann", "password": PASSWORD}
    assert (await home.nobody().post("/api/auth/login", login))[0] == 401
    assert (await home.nobody().post("/api/auth/login", {**login, "password": new}))[0] == 200


async def test_a_guest_sees_itself_and_has_nothing_to_change(home: RunningServer) -> None:
    guest = await home.guest("Gus")
    status, me = await guest.get("/api/users/me")
    msgspec.convert(me, schemas.Account)
    assert (status, me["kind"], me["display_name"], me["email"], me["created_at"]) == (
        200,
        "guest",
        "Gus",
        None,
        None,
    )
    own = f"/api/users/{guest.person.id}/profile"
    assert (await guest.get(own))[1]["display_name"] == "Gus"
    for method, path, body in (
        ("PATCH", "/api/users/me", {"bio": "x"}),
        ("PUT", own, {"bio": "x"}),
        ("POST", "/api/users/me/status", {"status": "away"}),
    ):
        status, said = await guest.asks(method, path, body)
        assert (status, code(said)) == (403, "guests_may_not")


async def test_a_profile_is_ones_own_to_change(ann: HttpClient, bob: HttpClient) -> None:
    own = f"/api/users/{ann.person.id}/profile"
    status, profile = await ann.put(own, {"bio": "x", "interests": ["cats"], "username": "eve", "email": "x"})
    assert (status, profile["bio"], profile["username"]) == (200, "x", "ann")
    assert (await ann.put(own, {}))[1] == profile, "what is left out stays"
    for path in (own, f"/api/users/{NOWHERE}/profile", "/api/users/bob/profile"):
        status, said = await bob.put(path, {"bio": "y"})
        assert (status, code(said)) == (403, "not_yours")
    assert (await bob.get(own))[1] == profile
    status, said = await bob.get(f"/api/users/{NOWHERE}/profile")
    assert (status, code(said)) == (404, "unknown_user")


# Others


async def test_users_come_in_pages_by_name(home: RunningServer) -> None:
    for name in ("cat", "Bea", "ann", "dan", "Cleo"):
        caller = await home.user(name)
    status, first = await caller.get("/api/users/", limit=2)
    msgspec.convert(first, schemas.Users)
    assert (status, [one["username"] for one in first["items"]]) == (200, ["ann", "Bea"])
    assert first["items"][0].keys() == {"id", "username", "display_name", "status", "last_seen"}
    _, second = await caller.get("/api/users", limit=2, after=first["next"])
    assert [one["username"] for one in second["items"]] == ["cat", "Cleo"]
    _, last = await caller.get("/api/users", limit=2, after=second["next"])
    assert ([one["username"] for one in last["items"]], last["next"]) == (["dan"], None)
    _, found = await caller.get("/api/users", q="C")
    assert [one["username"] for one in found["items"]] == ["cat", "Cleo"]
    assert (await caller.get("/api/users", q="%"))[1]["items"] == []
    for query in ({"limit": 0}, {"limit": 101}, {"limit": "x"}, {"after": "x"}, {"q": "x" * 65}):
        status, said = await caller.get("/api/users", **query)
        assert (status, code(said)) == (422, "invalid"), query


async def test_who_is_here_is_online_but_not_who_hides(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    assert (await bob.get("/api/users/online"))[1]["items"] == []
    async with home.http.ws_connect(f"/ws/ann?token={ann.token}") as socket:
        await socket.receive_json()
        _, found = await bob.get("/api/users/online")
        assert [(one["username"], one["status"]) for one in found["items"]] == [("ann", "online")]
        status, shown = await ann.post("/api/users/me/status", {"status": "busy"})
        assert (status, shown["status"]) == (200, "busy")
        assert (await bob.get("/api/users/ann"))[1]["status"] == "busy"
        await ann.post("/api/users/me/status", {"status": "offline"})
        assert (await bob.get("/api/users/ann"))[1]["status"] == "offline"
        assert (await bob.get("/api/users/online"))[1]["items"] == []
    status, said = await ann.post("/api/users/me/status", {"status": "gone"})
    assert (status, code(said)) == (422, "invalid")


@pytest.mark.parametrize("name", ["nobody", NOWHERE, "%00", "a" * 5000, "..%2Fme", "%F0%9F%98%80"])
async def test_there_is_no_such_user(ann: HttpClient, name: str) -> None:
    status, said = await ann.get(f"/api/users/{name}")
    assert (status, code(said)) == (404, "unknown_user")


# Leaving


async def test_who_leaves_for_good_is_gone_everywhere(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    channel = await bob.channel("cats", ann)
    await ann.says(channel["id"], "my secret")
    for body in (None, {}, {"password": "wrong horse"}):
        status, said = await ann.asks("DELETE", "/api/users/me", body)
        assert (status, code(said)) == (403, "wrong_password")
    assert (await ann.asks("DELETE", "/api/users/me", {"password": PASSWORD}))[0] == 204
    await home.world.settle()
    assert (await ann.get("/api/users/me"))[0] == 401
    assert (await bob.get("/api/users/ann"))[0] == 404
    _, page = await bob.get("/api/messages", channel="cats")
    assert [(one["content"], one["deleted"]) for one in page["items"]] == [("", True)]
    for _, said in (await bob.get("/api/messages"), await bob.get("/api/channels/cats")):
        assert "my secret" not in str(said)
        assert "'ann'" not in str(said)
    login = {"username": "ann", "password": PASSWORD}
    assert (await home.nobody().post("/api/auth/login", login))[0] == 401


async def test_a_guest_leaves_without_a_password(home: RunningServer) -> None:
    guest = await home.guest()
    assert (await guest.delete("/api/users/me"))[0] == 204
    assert (await guest.get("/api/users/me"))[0] == 401


async def test_everything_stored_about_the_caller_is_one_file(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    channel = await ann.channel("cats", bob)
    await ann.says(channel["id"], "mine")
    await bob.says(channel["id"], "not mine")
    headers = {"Authorization": f"Bearer {ann.token}"}
    async with home.http.get("/api/users/me/export", headers=headers) as answer:
        assert answer.headers["Content-Disposition"] == 'attachment; filename="parley-export.json"'
        told = await answer.json()
    assert told["account"]["email"] == "ann@example.org"
    assert [message["content"] for message in told["messages"]] == ["mine"]
    assert "not mine" not in str(told)
    assert "password" not in str(told)


async def test_exports_are_few() -> None:
    async with running_server(rate_limits=True) as home:
        ann, bob = await home.user("ann"), await home.user("bob")
        statuses = [(await ann.get("/api/users/me/export"))[0] for _ in range(6)]
        assert statuses == [200] * 5 + [429]
        assert (await bob.get("/api/users/me/export"))[0] == 200
