"""People who call over HTTP: ``status, body = await ann.post("/api/channels", {"name": "cats"})``."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import attrs
from aiohttp import web

from chat_core import Account, Config, Person, TokenPair, Tokens
from chat_core.testing import FakeClock, World
from chat_web.app import create_app
from chat_web.app_keys import CHAT
from chat_web.http.timeouts import TimeoutRunner
from tests.support.servers import PASSWORD, settings, tokens

SAME_SOURCE: Final = "127.0.0.1"


@attrs.frozen
class HttpClient:
    """One person, or nobody where there is no token."""

    http: aiohttp.ClientSession
    person: Person
    token: str | None

    async def asks(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """The status, and the JSON of the answer (None where it has no body)."""
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        headers |= more.pop("headers", {})
        if body is not None:
            more["json"] = body
        async with self.http.request(method, path, headers=headers, allow_redirects=False, **more) as answer:
            raw = await answer.read()
            return answer.status, await answer.json() if raw else None

    async def get(self, path: str, **query: Any) -> tuple[int, Any]:
        return await self.asks("GET", path, params={name: str(value) for name, value in query.items()})

    async def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        return await self.asks("POST", path, body)

    async def put(self, path: str, body: Any = None) -> tuple[int, Any]:
        return await self.asks("PUT", path, body)

    async def patch(self, path: str, body: Any = None) -> tuple[int, Any]:
        return await self.asks("PATCH", path, body)

    async def delete(self, path: str) -> tuple[int, Any]:
        return await self.asks("DELETE", path)

    # Steps that tests begin with

    async def channel(self, name: str, *others: "HttpClient", private: bool = False) -> dict[str, Any]:
        """A channel of one's own, with these members."""
        status, made = await self.post("/api/channels", {"name": name, "private": private})
        assert status == 201, made
        for other in others:
            status, made = await self.post(
                f"/api/channels/{name}/members", {"username": other.person.username}
            )
            assert status == 200, made
        return dict(made)

    async def says(self, conversation: str, content: str, **more: Any) -> dict[str, Any]:
        status, message = await self.post(
            f"/api/conversations/{conversation}/messages", {"content": content, **more}
        )
        assert status == 201, message
        return dict(message)


@attrs.define
class RunningServer:
    """A server on a clock that stands still, and who lives there."""

    world: World
    app: web.Application
    url: str
    http: aiohttp.ClientSession

    async def user(self, name: str) -> HttpClient:
        """Somebody with an account, in no channel; of the same name again, another session."""
        chat = self.app[CHAT]
        if await chat.accounts.named(name) is None:
            made = Account(
                id=chat.new_id(),
                username=name,
                email=f"{name}@example.org",
                created_at=chat.clock.now(),
                display_name=name,
                last_seen=chat.clock.now(),  # else the first login joins the default channels
            )
            await self.world.accounts.add(made, await self.world.passwords.hash(PASSWORD))
        return self.caller(await chat.accounts.log_in(name, PASSWORD))

    async def guest(self, name: str = "guest") -> HttpClient:
        return self.caller(await self.app[CHAT].accounts.guest(name))

    def nobody(self) -> HttpClient:
        return HttpClient(self.http, self.app[CHAT].guest("nobody"), None)

    def caller(self, token_pair: TokenPair) -> HttpClient:
        return HttpClient(self.http, token_pair.person, token_pair.access_token)


@contextlib.asynccontextmanager
async def running_server(
    *, rate_limits: bool = False, config: Config | None = None, keys: Tokens | None = None, **more: Any
) -> AsyncIterator[RunningServer]:
    """A server in this process, in memory, for as long as the block lasts. ``more`` are settings.

    ``rate_limits`` are those of HTTP; those of the core are the matter of ``config``.
    """
    config = config or Config(rate_limits=False, default_channels=("general",))
    async with World(config, clock=FakeClock(), tokens=keys or tokens()) as world:
        app = create_app(settings(rate_limits=rate_limits, **more), chat=world.chat)
        runner = TimeoutRunner(app, handle_signals=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, SAME_SOURCE, 0).start()
            host, port = runner.addresses[0][:2]
            url = f"http://{host}:{port}"
            async with aiohttp.ClientSession(url) as http:
                yield RunningServer(world, app, url, http)
        finally:
            await runner.cleanup()


def code(body: Any) -> str:
    """The code of a failure, whose shape is looked at too."""
    error = body["error"]
    assert {"code", "message", "retry"} <= error.keys() <= {"code", "message", "retry", "fields"}
    assert body.keys() == {"error"}
    return str(error["code"])
