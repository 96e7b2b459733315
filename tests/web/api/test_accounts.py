"""Signing up, in and out over HTTP: tokens, cookies, guesses, and what follows from each."""

import asyncio
import hashlib
from typing import Any, Final

import aiohttp
import msgspec
import pytest

from chat_core import Config
from chat_core.testing.passwords import PlainPasswords
from chat_web.api import schemas
from chat_web.app_keys import CHAT
from tests.support.http_clients import HttpClient, RunningServer, code, running_server
from tests.support.servers import PASSWORD, tokens

ANN: Final = {"username": "ann", "email": "Ann@example.org", "password": PASSWORD}
STRICT: Final = Config(default_channels=("general",))


async def bearer(home: RunningServer, answer: dict[str, Any]) -> HttpClient:
    """Who was granted this."""
    person = home.app[CHAT].person(answer["user"]["id"], answer["user"]["username"], answer["user"]["kind"])
    return HttpClient(home.http, person, answer["access_token"])


async def signed_in(home: RunningServer) -> dict[str, Any]:
    status, token_pair = await home.nobody().post(
        "/api/auth/login", {"username": "ann", "password": PASSWORD}
    )
    assert status == 200, token_pair
    return dict(token_pair)


# Signing up


@pytest.mark.parametrize("prefix", ["/api", ""])
async def test_who_registers_can_log_in_and_is_in_the_default_channels(
    home: RunningServer, nobody: HttpClient, prefix: str
) -> None:
    status, made = await nobody.post(f"{prefix}/auth/register", ANN)
    assert status == 201
    assert made.keys() == {"id", "username", "email", "created_at"}
    assert (made["username"], made["email"]) == ("ann", "Ann@example.org")
    status, token_pair = await nobody.post(f"{prefix}/auth/login", {"username": "ANN", "password": PASSWORD})
    assert status == 200
    msgspec.convert(token_pair, schemas.SignedIn)
    assert (token_pair["token_type"], token_pair["expires_in"]) == ("bearer", 1800)
    user = {"id": made["id"], "username": "ann", "display_name": "ann", "kind": "user"}
    assert token_pair["user"] == {**user, "email": made["email"], "created_at": made["created_at"]}
    ann = await bearer(home, token_pair)
    _, channels = await ann.get("/api/channels/me")
    assert [channel["name"] for channel in channels["items"]] == ["general"]
    assert (await ann.post(f"{prefix}/auth/logout"))[0] == 204
    assert (await ann.get("/api/users/me"))[0] == 401


@pytest.mark.parametrize(
    ("body", "status", "answer", "fields"),
    [
        ({**ANN, "username": "ANN", "email": "b@example.org"}, 409, "username_taken", {"username"}),
        ({**ANN, "username": "bob", "email": "ANN@EXAMPLE.ORG"}, 409, "email_taken", {"email"}),
        ({**ANN, "username": "a"}, 422, "invalid", {"username"}),
        ({**ANN, "username": "018bcfe5-6800-7e80-ba59-b849de305d16"}, 422, "invalid", {"username"}),
        ({**ANN, "username": "a b", "email": "x", "password": "short"}, 422, "invalid", set(ANN)),
        ({**ANN, "password": "password"}, 422, "invalid", {"password"}),
        ({**ANN, "password": "x" * 129}, 422, "invalid", {"password"}),
        ({**ANN, "email": ""}, 422, "invalid", {"email"}),
        ({"username": "bob", "password": PASSWORD}, 422, "invalid", {"email"}),
        ({**ANN, "username": None}, 422, "invalid", {"username"}),
        ([], 422, "invalid", {"body"}),
    ],
)
async def test_what_makes_no_account(
    home: RunningServer, nobody: HttpClient, body: Any, status: int, answer: str, fields: set[str]
) -> None:
    await nobody.post("/api/auth/register", ANN)
    got, said = await nobody.post("/api/auth/register", body)
    assert (got, code(said)) == (status, answer)
    assert said["error"]["fields"].keys() == fields
    assert PASSWORD not in str(said)


async def test_a_guest_who_registers_stays_the_same_person_with_its_rooms(home: RunningServer) -> None:
    guest, bob = await home.guest("Ann"), await home.user("bob")
    assert (await guest.post("/chat/rooms", {}))[0] == 202
    _, room = await bob.post("/chat/rooms", {})
    status, made = await guest.post("/api/auth/register", ANN)
    assert (status, made["id"]) == (201, guest.person.id)
    ann = await bearer(home, await signed_in(home))
    assert ann.person.id == guest.person.id
    for who in (guest, ann):
        _, rooms = await who.get("/chat/rooms")
        assert [one["id"] for one in rooms] == [room["id"]]
    _, me = await guest.get("/api/users/me")
    assert (me["kind"], me["username"]) == ("user", "ann")
    assert (await bob.get("/api/users/ann"))[1]["id"] == guest.person.id


async def test_who_has_an_account_makes_no_other_and_a_bad_token_none(
    home: RunningServer, nobody: HttpClient
) -> None:
    bob = await home.user("bob")
    status, said = await bob.post("/api/auth/register", ANN)
    assert (status, code(said)) == (409, "wrong_state")
    headers = {"Authorization": "Bearer x"}
    status, said = await nobody.asks("POST", "/api/auth/register", ANN, headers=headers)
    assert (status, code(said)) == (401, "unauthenticated")
    assert (await bob.get("/api/users/ann"))[0] == 404


# Signing in


@pytest.mark.parametrize("name", ["ann", "Ann", "ann@example.org", " ANN@Example.org "])
async def test_a_form_signs_in_and_an_address_is_a_name(
    home: RunningServer, nobody: HttpClient, name: str
) -> None:
    await home.user("ann")
    form = {"grant_type": "password", "username": name, "password": PASSWORD, "scope": ""}
    async with home.http.post("/api/auth/login", data=form) as answer:
        assert answer.status == 200, await answer.text()
        token_pair = await answer.json()
    assert token_pair["user"]["username"] == "ann"
    assert (await (await bearer(home, token_pair)).get("/api/auth/me"))[1]["email"] == "ann@example.org"


@pytest.mark.parametrize(
    ("data", "kind", "status", "answer"),
    [
        (b"username=ann", "application/x-www-form-urlencoded", 422, "invalid"),
        (b"username=%ff&password=x", "application/x-www-form-urlencoded", 400, "bad_request"),
        (b"&".join([b"a=b"] * 100), "application/x-www-form-urlencoded", 400, "bad_request"),
        (b"", "application/x-www-form-urlencoded", 422, "invalid"),
        (b"x" * 70_000, "application/x-www-form-urlencoded", 413, "too_large"),
        (b"--x--", "multipart/form-data; boundary=x", 415, "unsupported_media_type"),
        (b'{"username":"ann"}', "text/plain", 415, "unsupported_media_type"),
        (b'{"username":"ann"', "application/json", 400, "bad_request"),
        (b'"ann"', "application/json", 422, "invalid"),
        (b"", "application/json", 400, "bad_request"),
    ],
)
async def test_what_is_no_login(
    home: RunningServer, data: bytes, kind: str, status: int, answer: str
) -> None:
    async with home.http.post("/api/auth/login", data=data, headers={"Content-Type": kind}) as got:
        assert (got.status, code(await got.json())) == (status, answer)


async def test_an_unknown_user_and_a_wrong_password_answer_alike(
    home: RunningServer, nobody: HttpClient
) -> None:
    await home.user("ann")
    answers, passwords = [], home.world.passwords
    assert isinstance(passwords, PlainPasswords)
    for name in ("ann", "nobody-at-all", "ann@example.org", "x@example.org", "", "\x00", "a" * 40_000):
        before = passwords.asked
        answers.append(await nobody.post("/api/auth/login", {"username": name, "password": "wrong horse"}))
        assert passwords.asked == before + 1, "each costs the time of one hash"
    assert answers[0][0] == 401
    assert code(answers[0][1]) == "bad_credentials"
    assert answers == [answers[0]] * len(answers)


async def test_the_sixth_wrong_password_waits_and_the_victim_elsewhere_does_not() -> None:
    async with running_server(config=STRICT, trusted_proxies="127.0.0.1") as home:
        await home.user("ann")

        async def guess(password: str, source: str) -> tuple[int, str | None]:
            body, headers = {"username": "ann", "password": password}, {"X-Forwarded-For": source}
            async with home.http.post("/api/auth/login", json=body, headers=headers) as answer:
                return answer.status, answer.headers.get("Retry-After")

        assert [await guess("wrong horse", "192.0.2.1") for _ in range(5)] == [(401, None)] * 5
        assert await guess("wrong horse", "192.0.2.1") == (429, "900")
        assert await guess(PASSWORD, "192.0.2.1") == (429, "900"), "the right one is not told apart"
        forged = "198.51.100.1, 192.0.2.1"
        assert (await guess("wrong horse", forged))[0] == 429, "what the caller claims changes nothing"
        assert (await guess(PASSWORD, "192.0.2.2"))[0] == 200
        await home.world.advance(901)
        assert (await guess(PASSWORD, "192.0.2.1"))[0] == 200


async def test_registrations_of_one_source_are_few() -> None:
    async with running_server(rate_limits=True, source_limits="on", config=STRICT) as home:
        nobody = home.nobody()
        statuses = []
        for number in range(21):
            body = {**ANN, "username": f"user{number}", "email": f"{number}@example.org"}
            statuses.append((await nobody.post("/api/auth/register", body))[0])
        assert statuses == [201] * 20 + [429]
        await home.world.advance(1)
        status, said = await nobody.post("/api/auth/register", {**ANN, "username": "a"})
        assert (status, code(said)) == (422, "invalid"), "what is wrong is said, and counts for nothing"


async def test_who_asks_without_a_token_too_fast_waits() -> None:
    async with running_server(rate_limits=True, source_limits="on") as home:
        nobody = home.nobody()
        found = [(await nobody.post("/api/auth/refresh", {"refresh_token": "x"}))[0] for _ in range(101)]
        assert found == [401] * 100 + [429]


async def test_a_login_makes_an_account_where_that_is_so() -> None:
    config = Config(rate_limits=False, login_creates_account=True, default_channels=("general",))
    async with running_server(config=config) as home:
        token_pair = await signed_in(home)
        assert token_pair["user"]["email"] is None
        ann = await bearer(home, token_pair)
        assert (await ann.get("/api/users/me"))[1]["email"] is None
        assert [one["name"] for one in (await ann.get("/api/channels/me"))[1]["items"]] == ["general"]
        assert (await signed_in(home))["user"]["id"] == ann.person.id
        wrong = {"username": "ann", "password": "wrong horse"}
        assert code((await home.nobody().post("/api/auth/login", wrong))[1]) == "bad_credentials"
        status, said = await home.nobody().post("/api/auth/login", {"username": "b", "password": "x"})
        assert (status, said["error"]["fields"].keys()) == (422, {"username", "password"})


async def test_by_default_an_unknown_name_makes_no_account(home: RunningServer, nobody: HttpClient) -> None:
    assert (await nobody.post("/api/auth/login", {"username": "ann", "password": PASSWORD}))[0] == 401
    assert (await nobody.post("/api/auth/register", ANN))[0] == 201


# Refreshing


async def refreshed(home: RunningServer, token: str) -> tuple[int, dict[str, Any]]:
    status, answer = await home.nobody().post("/api/auth/refresh", {"refresh_token": token})
    return status, answer


async def test_a_refresh_token_gives_a_new_pair_and_is_used_up(home: RunningServer) -> None:
    await home.user("ann")
    first = await signed_in(home)
    status, second = await refreshed(home, first["refresh_token"])
    assert status == 200
    msgspec.convert(second, schemas.SignedIn)
    assert second["user"] == first["user"]
    assert second["refresh_token"] != first["refresh_token"]
    ann, before = await bearer(home, second), await bearer(home, first)
    assert (await before.get("/api/users/me"))[0] == 200, "an access token lasts as long as it lasts"
    assert (await ann.get("/api/users/me"))[0] == 200  # now the successor is used
    status, said = await refreshed(home, first["refresh_token"])
    assert (status, code(said)) == (401, "bad_token")
    for who in (ann, before):
        assert (await who.get("/api/users/me"))[0] == 401, "a token that comes twice ends the session"
    assert (await refreshed(home, second["refresh_token"]))[0] == 401


async def test_a_lost_answer_can_be_asked_for_again(home: RunningServer) -> None:
    await home.user("ann")
    first = await signed_in(home)
    _, lost = await refreshed(home, first["refresh_token"])
    status, again = await refreshed(home, first["refresh_token"])
    assert status == 200
    assert (await (await bearer(home, again)).get("/api/users/me"))[0] == 200
    status, _ = await refreshed(home, lost["refresh_token"])
    assert status == 401, "the unused one is void"


@pytest.mark.parametrize("body", [{}, None, {"refresh_token": ""}, {"refresh_token": "x" * 60_000}])
async def test_what_is_no_refresh_token(home: RunningServer, nobody: HttpClient, body: Any) -> None:
    status, said = await nobody.post("/api/auth/refresh", body)
    assert (status, code(said)) == (401, "bad_token")


async def test_no_token_does_for_the_other(home: RunningServer, nobody: HttpClient) -> None:
    await home.user("ann")
    token_pair = await signed_in(home)
    assert (await refreshed(home, token_pair["access_token"]))[0] == 401
    status, _ = await nobody.asks(
        "GET", "/api/users/me", headers={"Authorization": f"Bearer {token_pair['refresh_token']}"}
    )
    assert status == 401


async def test_fifty_refreshes_at_once_leave_one_chain_and_the_client_in(home: RunningServer) -> None:
    await home.user("ann")
    first = await signed_in(home)
    answers = await asyncio.gather(*(refreshed(home, first["refresh_token"]) for _ in range(50)))
    assert [status for status, _ in answers] == [200] * 50
    claims = tokens().verify(first["access_token"], home.world.clock.now())
    login = await home.world.accounts.session(claims.sid)
    assert login is not None
    assert login.family is not None
    given = [hashlib.sha256(answer["refresh_token"].encode()).hexdigest() for _, answer in answers]
    assert given.count(login.family.newest) == 1
    newest = answers[given.index(login.family.newest)][1]
    for _, answer in answers:
        assert (await (await bearer(home, answer)).get("/api/users/me"))[0] == 200
    assert (await refreshed(home, newest["refresh_token"]))[0] == 200


async def test_a_guests_session_is_refreshed_too(home: RunningServer, nobody: HttpClient) -> None:
    _, guest = await nobody.post("/api/auth/guest", {"display_name": "Ann"})
    msgspec.convert(guest, schemas.SignedIn)
    assert guest["user"].keys() == {"id", "username", "display_name", "kind"}
    status, again = await refreshed(home, guest["refresh_token"])
    assert (status, again["user"]) == (200, guest["user"])


# Cookies


async def cookie(
    home: RunningServer, path: str, body: Any, **headers: str
) -> tuple[aiohttp.ClientResponse, str]:
    """The answer, and the one cookie that it sets."""
    async with home.http.post(path, json=body, headers=headers) as answer:
        await answer.read()
        made = answer.headers.getall("Set-Cookie", [])
        assert len(made) <= 1
        return answer, "".join(made)


async def test_a_page_keeps_its_refresh_token_as_a_cookie(home: RunningServer) -> None:
    await home.user("ann")
    own = home.url
    body = {"username": "ann", "password": PASSWORD}
    answer, made = await cookie(home, "/api/auth/login", body, Origin=own)
    token = (await answer.json())["refresh_token"]
    assert made == f"parley_refresh={token}; Max-Age=1209600; Path=/; HttpOnly; SameSite=Strict"
    assert (await cookie(home, "/api/auth/login", body))[1] == "", "who is no browser gets none"
    assert (await cookie(home, "/api/auth/login", body, Origin="http://evil.example"))[1] == ""
    headers = {"Cookie": f"parley_refresh={token}", "Origin": own}
    answer, renewed = await cookie(home, "/api/auth/refresh", {}, **headers)
    token_pair = await answer.json()
    assert answer.status == 200
    assert renewed.startswith(f"parley_refresh={token_pair['refresh_token']};")
    ann = await bearer(home, token_pair)
    headers = {"Authorization": f"Bearer {ann.token}", "Cookie": f"parley_refresh={token}"}
    answer, gone = await cookie(home, "/api/auth/logout", None, **headers)
    assert (answer.status, gone) == (204, "parley_refresh=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
async def test_no_other_site_changes_who_somebody_is(home: RunningServer, origin: str) -> None:
    answer, made = await cookie(home, "/api/auth/guest", {}, Origin=origin)
    assert (answer.status, made) == (200, "")
    answer, made = await cookie(home, "/api/auth/guest", {})
    assert made.startswith("parley_guest=")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "{own}", "Content-Type": "text/plain"},
        {"Origin": "{own}", "Content-Type": "application/x-www-form-urlencoded"},
    ],
)
async def test_a_cookie_does_nothing_beside_another_origin_or_a_form(
    home: RunningServer, headers: dict[str, str]
) -> None:
    await home.user("ann")
    own = home.url
    given = {"Content-Type": "application/json"}
    given |= {name: value.format(own=own) for name, value in headers.items()}
    token = (await signed_in(home))["refresh_token"]
    given["Cookie"] = f"parley_refresh={token}"
    async with home.http.post("/api/auth/refresh", headers=given) as answer:
        assert answer.status == 401
        assert "Set-Cookie" not in answer.headers
    assert (await refreshed(home, token))[0] == 200, "the token was not touched"


async def test_behind_tls_the_cookie_is_the_hosts_alone() -> None:
    async with running_server(trusted_proxies="127.0.0.1") as home:
        await home.user("ann")
        headers = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "Host": "chat.example"}
        body = {"username": "ann", "password": PASSWORD}
        _, made = await cookie(home, "/api/auth/login", body, Origin="https://chat.example", **headers)
        name, _, rest = made.partition("=")
        assert name == "__Host-parley_refresh"
        assert rest.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")
        plain = {"Cookie": f"parley_refresh={rest.partition(';')[0]}", "Origin": "https://chat.example"}
        answer, _ = await cookie(home, "/api/auth/refresh", {}, **plain, **headers)
        assert answer.status == 401, "a cookie without the prefix may be from any host of the domain"


# Sockets


async def test_who_logs_out_has_no_socket_any_more(home: RunningServer) -> None:
    await home.user("ann")
    token_pair, other = await signed_in(home), await signed_in(home)
    ann = await bearer(home, token_pair)
    path = "/ws/ann?token={access_token}"
    async with (
        home.http.ws_connect(path.format(**token_pair)) as mine,
        home.http.ws_connect(path.format(**other)) as kept,
    ):
        await mine.receive_json()
        await kept.receive_json()
        assert (await ann.post("/api/auth/logout"))[0] == 204
        while (message := await mine.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert (message.data, mine.close_code) == (3503, 3503)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await home.http.ws_connect(path.format(**token_pair))
        assert refused.value.status == 401
        await kept.send_str('{"type":"skip"}')
        assert not kept.closed
    assert (await refreshed(home, token_pair["refresh_token"]))[0] == 401
    assert (await refreshed(home, other["refresh_token"]))[0] == 200
