"""``/metrics``: figures for this machine or for who has the token, and nobody's name among them."""

from pytest_aiohttp.plugin import AiohttpClient

from chat_core import Matched, Post, Search
from chat_web.app import create_app
from chat_web.app_keys import CHAT
from chat_web.config.settings import Settings

TOKEN = "a-token-of-at-least-32-characters-0123456789"


async def test_what_happens_is_counted(aiohttp_client: AiohttpClient) -> None:
    app = create_app(Settings(database_url="memory://"))
    client = await aiohttp_client(app)
    chat = app[CHAT]
    ann, bob, eve = (chat.guest(name) for name in ("ann", "bob", "eve"))
    async with chat.connect(ann) as a, chat.connect(bob) as b, chat.connect(eve) as e:
        await a.do(Search(lobby="anonymous"))
        await b.do(Search(lobby="anonymous"))
        room = (await a.next(Matched)).room
        await a.do(Post(conversation=room, content="a canary in the text"))
        await e.do(Search(lobby="timed"))

        text = await (await client.get("/metrics")).text()

    assert 'parley_events_total{kind="MessagePosted"} 1.0' in text
    assert 'parley_waiting{lobby="timed"} 1.0' in text
    assert "parley_people 3.0" in text
    for secret in (ann.id, bob.id, "canary"):
        assert secret not in text


async def test_what_was_forwarded_needs_the_token(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(create_app(Settings(database_url="memory://", metrics_token=TOKEN)))
    forwarded = {"X-Forwarded-For": "198.51.100.7"}

    for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        assert (await client.get("/metrics", headers={**forwarded, **given})).status == 401
    assert (
        await client.get("/metrics", headers={**forwarded, "Authorization": f"Bearer {TOKEN}"})
    ).status == 200


async def test_without_a_token_nobody_else_gets_in(aiohttp_client: AiohttpClient) -> None:
    client = await aiohttp_client(create_app(Settings(database_url="memory://")))

    answer = await client.get("/metrics", headers={"X-Forwarded-For": "::1", "Authorization": "Bearer "})

    assert answer.status == 401
