"""A story through every door, told to the log: it hears of it, and holds nothing of what was said."""

import json
import logging

import aiohttp
import pytest
import structlog

from chat_web.app_keys import CHAT
from tests.support.http_clients import RunningServer, running_server
from tests.support.log_leaks import LeakError, LogRecorder, check

SECRETS = {
    "password": "canary-password-7f3a",
    "email": "canary-7f3a@example.org",
    "text": "canary text 7f3a",
    "name": "canary7f3a",
}


async def story(home: RunningServer) -> list[str]:
    """Somebody signs up, talks everywhere, does much wrong and leaves; the tokens that there were."""
    nobody, name = home.nobody(), SECRETS["name"]
    credentials = {"username": name, "password": SECRETS["password"]}
    await nobody.post("/api/auth/register", {**credentials, "email": SECRETS["email"]})
    for wrong in ({**credentials, "password": SECRETS["text"]}, {"username": SECRETS["email"]}):
        await nobody.post("/api/auth/login", wrong)
    _, token_pair = await nobody.post("/api/auth/login", credentials)
    _, token_pair = await nobody.post("/api/auth/refresh", {"refresh_token": token_pair["refresh_token"]})
    access, refresh = token_pair["access_token"], token_pair["refresh_token"]
    bob = await home.user("bob")
    ann = home.caller(await home.app[CHAT].accounts.log_in(name, SECRETS["password"]))
    channel = await bob.channel("cats", ann)
    message = await ann.says(channel["id"], SECRETS["text"])
    await ann.patch(f"/api/messages/{message['id']}", {"content": SECRETS["text"] + "!"})
    await ann.get("/api/search", q=SECRETS["text"])
    await ann.get(f"/api/users/{SECRETS['email']}")
    await ann.get(f"/{SECRETS['text']}?token={access}")
    await ann.asks("POST", f"/api/auth/refresh?token={refresh}", {"refresh_token": access})
    headers = {"Authorization": f"Bearer {refresh}", "Cookie": f"a={access}"}
    await nobody.asks("GET", "/api/users/me", headers=headers)
    headers = {"Content-Type": SECRETS["text"]}
    await nobody.asks("POST", "/api/auth/login", headers=headers, data=SECRETS["text"])
    async with home.http.ws_connect(f"/ws/{name}?token={access}") as socket:
        await socket.receive_json()
        await socket.send_str(SECRETS["text"])
        await socket.send_str('{"' + SECRETS["text"])
        await socket.send_bytes(SECRETS["text"].encode())
    async with home.http.ws_connect("/connection/websocket") as socket:
        await socket.send_str(json.dumps({"id": 1, "connect": {"token": access}}))
        await socket.receive()
        publish = {"channel": "channel:cats", "data": {"content": SECRETS["text"]}}
        await socket.send_str(json.dumps({"id": 2, "publish": publish}))
        await socket.send_str(json.dumps({"id": 3, "rpc": {"method": SECRETS["text"], "data": {}}}))
        await socket.receive()
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await home.http.ws_connect(f"/ws/x?token={access}x")
    await ann.get("/api/users/me/export")
    await ann.asks("DELETE", "/api/users/me", {"password": SECRETS["text"]})
    await ann.asks("DELETE", "/api/users/me", {"password": SECRETS["password"]})
    await home.world.settle()
    return [access, refresh, ann.token or "", SECRETS["text"].replace(" ", "%20")]


async def test_the_log_hears_of_everything_and_holds_nothing_that_was_said() -> None:
    recorder = LogRecorder()
    structlog.configure(processors=[structlog.processors.format_exc_info, recorder.record_event])
    logging.getLogger().addHandler(recorder)
    try:
        async with running_server() as home:
            tokens = await story(home)
    finally:
        logging.getLogger().removeHandler(recorder)
    heard = "\n".join(recorder.lines)
    assert "/api/auth/register" in heard
    for secret in (*SECRETS.values(), *tokens):
        assert secret not in heard
    check(heard)


@pytest.mark.logs_secrets
@pytest.mark.parametrize(
    "line",
    [
        "GET /ws/x?token=abc.def",
        "eyJ0eXAiOiJhdCtqd3QifQ.e30.c2ln",
        "from 192.0.2.1",
        "from 2001:db8::1",
        "mail to ann@example.org",
        "{'password': 'x'}",
        "Authorization: Bearer abcdefgh",
        "tried 'correct horse'",
    ],
)
def test_a_line_that_says_too_much_is_found(line: str) -> None:
    with pytest.raises(LeakError):
        check(line)


def test_an_ordinary_line_is_none() -> None:
    check(
        "parley.access method='GET' route='/api/users/{username}' status=200 ms=1.2 request_id='0f' token=…"
    )
