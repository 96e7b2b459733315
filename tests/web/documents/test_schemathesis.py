"""Every operation of ``/openapi.json`` is asked all sorts of things: by nobody, by a user, by another one.

No 5xx, no status and no code that the document does not name, no answer of another
shape. A few cases each, the same ones each time; PARLEY_FUZZ_CASES asks for more.
"""

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Any, Final

import attrs
import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chat_core import Chat, Person, open_chat
from chat_core.testing.passwords import PlainPasswords
from chat_web.app import config_of, create_app
from chat_web.documents.openapi import document
from chat_web.http.timeouts import TimeoutRunner
from chat_web.routes import ROUTES
from chat_web.sockets.open_connections import PUMPS
from chat_web.sockets.pump import PumpLimits
from tests.support import servers

CASES: Final = int(os.environ.get("PARLEY_FUZZ_CASES", "4"))
CHECKS: Final[list[CheckFunction]] = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
NO_PONG: Final = PumpLimits(frames=None, ping_s=0.05, pong_s=0.05)
SCHEMA: Final = schemathesis.openapi.from_dict(document(ROUTES))
OF_SECRETS: Final = {"POST /api/auth/login", "POST /auth/login", "POST /api/auth/refresh", "GET /metrics"}
OPERATIONS: Final[list[Any]] = [found.ok() for found in SCHEMA.get_all_operations()]  # type: ignore[union-attr]  # ours is valid


@attrs.frozen
class Fuzzed:
    """A server of its own thread, and who calls."""

    url: str
    loop: asyncio.AbstractEventLoop
    chat: Chat
    people: dict[str, Person]

    def headers(self, who: str) -> dict[str, str]:
        """Of a session that is new: an earlier test may have signed out."""
        if who == "nobody":
            return {}
        person = self.people[who]
        opening = self.chat.accounts.guest_pass(person)
        token_pair = asyncio.run_coroutine_threadsafe(opening, self.loop).result(20)
        return {"Authorization": f"Bearer {token_pair.access_token}"}


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Fuzzed]:
    ready: threading.Event = threading.Event()
    found: list[Fuzzed] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        chosen = servers.settings(rate_limits=False)
        chat = await open_chat(config_of(chosen), tokens=servers.tokens(), passwords=PlainPasswords())
        app = create_app(chosen, chat=chat)
        app[PUMPS].limits = NO_PONG  # who asks here never answers a ping, so that a stream has an end
        runner = TimeoutRunner(app, handle_signals=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        people = {name: (await servers.user(name, chat))[0] for name in ("ann", "bob")}
        found.append(Fuzzed(f"http://{host}:{port}", loop, chat, people))
        ready.set()
        await stop.wait()
        await runner.cleanup()
        await chat.stop()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(20)
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    loop.close()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@pytest.mark.parametrize("who", ["nobody", "ann", "bob"])
def test_no_question_breaks_it_or_gets_an_answer_that_is_not_described(
    fuzzed: Fuzzed, operation: Any, who: str
) -> None:
    headers, statuses = fuzzed.headers(who), set()

    @seed(1)
    @settings(
        max_examples=CASES,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        case.headers.pop("Authorization", None)
        answer = case.call_and_validate(base_url=fuzzed.url, headers=headers, checks=CHECKS)
        statuses.add(answer.status_code)

    ask()
    assert who == "nobody" or operation.label in OF_SECRETS or statuses != {401}
