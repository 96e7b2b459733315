"""Servers for tests: one in this process, with shortened limits, and one as a process of its own."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import attrs
from aiohttp import web

from chat_core import Chat, Person, Tokens, open_chat, open_tokens
from chat_core.adapters.sql.accounts import SQLAccounts
from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.testing.passwords import PlainPasswords
from chat_web.app import create_app
from chat_web.app_keys import CHAT
from chat_web.config.settings import Settings
from chat_web.http.timeouts import TimeoutRunner
from chat_web.sockets.open_connections import PUMPS, Pumps
from chat_web.sockets.pump import PumpLimits
from tests.support.log_leaks import check

ROOT: Final = Path(__file__).parent.parent.parent
SECRET: Final = "a secret of the tests, long enough for HS256"
PASSWORD: Final = "correct horse of the tests"
START_S: Final = 20.0


def settings(**given: Any) -> Settings:
    """Settings of a test: nothing is kept, any port, a known secret."""
    return Settings(
        **{"database_url": "memory://", "port": 0, "jwt_secret_key": SECRET, "source_limits": "off", **given}
    )


def tokens(*, user_token_s: float = 1800.0) -> Tokens:
    """A ring of the same key as the servers'."""
    return open_tokens(secrets=[SECRET.encode()], user_token_s=user_token_s)


def token_for(person: Person, sid: str, now: float, *, lasts_s: float = 1800.0) -> str:
    """A user's token, or a guest's (which lasts a day)."""
    return tokens(user_token_s=lasts_s).issue_access(person.id, person.username, person.kind, sid, now)


async def user(name: str, chat: Chat) -> tuple[Person, str]:
    """Somebody with an account, and the sid of a session."""
    account = await chat.accounts.register(name, f"{name}@example.org", PASSWORD)
    return account.person, (await chat.accounts.log_in(name, PASSWORD)).sid


async def enrolled(name: str, folder: Path) -> tuple[Person, str]:
    """The same in the database of a process, which may run or not."""
    store = await open_sqlite(folder / "data" / "parley.db")
    chat = await open_chat(store=store, accounts=SQLAccounts(store), passwords=PlainPasswords())
    try:
        return await user(name, chat)
    finally:
        await chat.stop()


@attrs.frozen
class Server:
    """A server in this process."""

    app: web.Application
    url: str

    @property
    def chat(self) -> Chat:
        return self.app[CHAT]

    @property
    def pumps(self) -> Pumps:
        return self.app[PUMPS]


@contextlib.asynccontextmanager
async def serving(
    chosen: Settings | None = None, *, limits: PumpLimits | None = None
) -> AsyncIterator[Server]:
    """A server on a free port, for as long as the block lasts."""
    app = create_app(chosen or settings())
    if limits is not None:
        app[PUMPS].limits = limits
    runner = TimeoutRunner(app, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield Server(app, f"http://{host}:{port}")
    finally:
        await runner.cleanup()


class Process:
    """``python -m chat_web`` in a folder of its own. ``async with Process(folder) as server``."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.url = ""
        self.environment: Mapping[str, str] = {
            "HOST": "127.0.0.1",
            "PORT": "0",
            "JWT_SECRET_KEY": SECRET,
            **environment,
        }
        self._process: asyncio.subprocess.Process | None = None
        self._said = ""
        self._reader: asyncio.Task[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.stop()

    @property
    def log(self) -> str:
        """What it wrote to stderr, once it has ended."""
        return self._said

    async def start(self, **environment: str) -> None:
        """Start, and wait until it says where it listens."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        path = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH", "")]))
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "chat_web",
            cwd=self.folder,
            env={**kept, **self.environment, **environment, "PYTHONPATH": path},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        self._reader = asyncio.ensure_future(process.stderr.read())
        line = (await asyncio.wait_for(process.stdout.readline(), START_S)).decode()
        match = re.search(r"http://\S+", line)
        if match is None:
            raise AssertionError(f"the server did not start: {line}\n{(await self._reader).decode()}")
        self.url = match[0]

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit status."""
        if self._process is None or self._reader is None:
            raise AssertionError("the server was not started")
        self._process.send_signal(number)
        status = await asyncio.wait_for(self._process.wait(), START_S)
        self._said = (await self._reader).decode()
        check(self._said)
        return status

    @property
    def pid(self) -> int:
        if self._process is None:
            raise AssertionError("the server was not started")
        return self._process.pid

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]


@contextlib.asynccontextmanager
async def browser(server: Server | Process) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client with this server as its base."""
    async with aiohttp.ClientSession(server.url) as session:
        yield session
