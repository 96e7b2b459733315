"""Tokens at the edge: none that is bad opens anything, and a change of keys fails no request."""

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chat_core import Account, PersonKind, Session, open_tokens
from chat_web.app import PREVIOUS_KEYS_S
from tests.support.forged_tokens import BAD, NOW, OTHER, SECRET, TOKENS, forged, private_pem
from tests.support.http_clients import RunningServer, running_server
from tests.support.servers import PASSWORD, Process, browser

HEADER_BYTES_MAX: Final = 8190  # a line of a head; what is longer is never read as one

_connects: list[Any] | None = None


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _connects is not None and event in ("socket.connect", "socket.getaddrinfo"):
        _connects.append(arguments)


sys.addaudithook(_hear)


@pytest.fixture
def connects() -> Iterator[list[Any]]:
    """Every connection that this process asks for while the test runs."""
    global _connects
    _connects = []
    yield _connects
    _connects = None


@pytest.fixture
async def home() -> AsyncIterator[RunningServer]:
    """Where ``forged()`` holds: its person has an account, its session lives."""
    async with running_server(keys=TOKENS) as home:
        account = Account(id="person-1", username="ann", email="", created_at=NOW, display_name="ann")
        await home.world.accounts.add(account, "plain:x")
        login = Session(
            sid="session-1",
            person="person-1",
            kind=PersonKind.USER,
            name="",
            created_at=NOW,
            ends_at=NOW + 1e6,
        )
        await home.world.accounts.open_session(login)
        yield home


async def status_of(home: RunningServer, *lines: bytes) -> tuple[int, bytes]:
    """The status of a request written by hand, and all that came back."""
    port = urlsplit(home.url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"\r\n".join((*lines, b"Host: x", b"", b"")))
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1]), head
    finally:
        writer.close()


def by_header(token: str) -> tuple[bytes, ...]:
    return b"GET /api/users/me HTTP/1.1", b"Connection: close", b"Authorization: Bearer " + token.encode()


def by_address(token: str) -> tuple[bytes, ...]:
    upgrade = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13")
    line = f"GET /ws/ann?token={quote(token, safe='')} HTTP/1.1".encode()
    return line, *upgrade, b"Sec-WebSocket-Key: " + base64.b64encode(b"x" * 16)


async def test_a_good_token_opens_both(home: RunningServer) -> None:
    assert (await status_of(home, *by_header(forged())))[0] == 200
    assert (await status_of(home, *by_address(forged())))[0] == 101


@pytest.mark.parametrize("name", [name for name in BAD if name not in ("a line feed", "a space in front")])
async def test_a_bad_bearer_is_401_and_nobody_is_called(
    home: RunningServer, connects: list[Any], name: str
) -> None:
    token = BAD[name]()
    status, head = await status_of(home, *by_header(token))
    if len(token) + 30 <= HEADER_BYTES_MAX:
        assert status == 401
        assert b"WWW-Authenticate: Bearer" in head
    else:
        assert status in (400, 431), "a head that is too long is not read"
    assert connects == [connects[0]], "the test's own"


@pytest.mark.parametrize("name", [name for name in BAD if name != "empty"])
async def test_a_bad_token_in_an_address_is_401_before_the_upgrade(
    home: RunningServer, connects: list[Any], name: str
) -> None:
    token = BAD[name]()
    status, _ = await status_of(home, *by_address(token))
    if len(quote(token, safe="")) + 30 <= HEADER_BYTES_MAX:
        assert status == 401
    else:
        assert status in (400, 414)
    assert connects == [connects[0]], "the test's own"


def test_the_table_is_long_enough() -> None:
    assert sum(len(made()) + 30 <= HEADER_BYTES_MAX for made in BAD.values()) >= 60


# Keys


def kid_of(token: str) -> str:
    head = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"])


def keys(folder: Path, kind: str, number: int) -> tuple[dict[str, str], str]:
    """The environment that signs with a key, and how it is named once it is a previous one."""
    if kind == "HS256":
        secret = f"{number}-rotating-secret-of-the-tests-long-enough"
        return {"JWT_SECRET_KEY": secret}, secret
    path = folder / f"{number}.pem"
    path.write_bytes(private_pem(Ed25519PrivateKey.generate()))
    environment = {"JWT_SECRET_KEY": "", "JWT_ALGORITHM": "EdDSA", "JWT_PRIVATE_KEY_FILE": str(path)}
    return environment, f"file:{path}"


@pytest.mark.parametrize(
    ("first", "second"), [("HS256", "HS256"), ("EdDSA", "EdDSA"), ("HS256", "EdDSA"), ("EdDSA", "HS256")]
)
async def test_a_change_of_keys_fails_no_request(tmp_path: Path, first: str, second: str) -> None:
    old, previous = keys(tmp_path, first, 1)
    new, _ = keys(tmp_path, second, 2)
    login = {"username": "ann", "password": PASSWORD}

    async def ask(http: aiohttp.ClientSession, path: str, body: Any = None, token: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        method = "GET" if body is None else "POST"
        async with http.request(method, path, json=body, headers=headers) as answer:
            assert answer.status in (200, 201), await answer.text()
            return await answer.json()

    async with Process(tmp_path, **old) as server, browser(server) as http:
        await ask(http, "/api/auth/register", {**login, "email": "ann@example.org"})
        before = await ask(http, "/api/auth/login", login)
        await ask(http, "/api/users/me", token=before["access_token"])
        await server.stop()
    async with Process(tmp_path, **new, JWT_PREVIOUS_KEYS=previous) as server, browser(server) as http:
        await ask(http, "/api/users/me", token=before["access_token"])
        after = await ask(http, "/api/auth/refresh", {"refresh_token": before["refresh_token"]})
        assert kid_of(after["access_token"]) != kid_of(before["access_token"])
        for token_pair in (before, after):
            await ask(http, "/api/users/me", token=token_pair["access_token"])
            path = f"/ws/ann?token={token_pair['access_token']}"
            async with http.ws_connect(path) as socket:
                assert (await socket.receive_json())["event"] == "connected"


async def test_a_key_of_before_dies_on_time() -> None:
    ring = open_tokens(secrets=[OTHER], previous=[SECRET], accepted_until=NOW + PREVIOUS_KEYS_S)
    async with running_server(keys=ring) as home:
        ann = await home.user("ann")
        sid = ring.verify(ann.token or "", NOW).sid
        who: dict[str, Any] = {"sub": ann.person.id, "sid": sid, "exp": int(NOW) + 86_400}
        kid = kid_of(open_tokens(secrets=[OTHER]).issue_access("x", "x", PersonKind.USER, "x", NOW))
        of_before, of_now = forged(**who), forged(**who, key=OTHER, header={"kid": kid})
        for wait_s, status in ((0.0, 200), (PREVIOUS_KEYS_S - 1, 200), (1.0, 401)):
            await home.world.advance(wait_s)
            assert (await status_of(home, *by_header(of_before)))[0] == status
            assert (await status_of(home, *by_header(of_now)))[0] == 200
