"""The application: settings in, a running server out.

``create_app`` is what tests and embedders use; ``serve`` is the process, with
its signals and its exit status.
"""

import asyncio
import contextlib
import random
import signal
import sys
from collections.abc import AsyncIterator
from typing import Final

import structlog
from aiohttp import web

from chat_core import VERSION, Chat, Clock, Config, SystemClock, Tokens, open_chat, open_tokens
from chat_web import errors, metrics, pages, routes, security
from chat_web.deadlines import DeadlineRunner
from chat_web.keys import message_keys, previous_keys, private_key, signing_secret
from chat_web.people import Introductions
from chat_web.settings import Settings, SettingsError
from chat_web.slashes import without_trailing_slash
from chat_web.sockets.doors import CHAT, ENGINE, INTRODUCTIONS, PUMPS, Pumps, engine, limits_of
from chat_web.sockets.emulation import STREAMS, Streams

BODY_BYTES_MAX: Final = 64 * 1024
PREVIOUS_KEYS_S: Final = 31 * 60.0
DRAIN_SPREAD_S: Final = 10.0
DRAIN_ABORT_S: Final = 20.0
BACKLOG: Final = 1024
SHUTDOWN: Final = (3001, "shutdown: come back")

_log = structlog.get_logger("parley")


def create_app(
    settings: Settings,
    *,
    clock: Clock | None = None,
    chat: Chat | None = None,
) -> web.Application:
    """An application that is ready to be run. It opens its chat at startup, unless one is given.

    A chat that is given has its own tokens: what ``settings`` say about keys is for one that is opened.
    """
    app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[without_trailing_slash])
    errors.install(app)
    security.install(app, settings)
    pages.install(app)
    routes.install(app)
    app[PUMPS] = Pumps(limits_of(settings))
    app[ENGINE] = engine()
    app[STREAMS] = Streams()

    async def chat_running(app: web.Application) -> AsyncIterator[None]:
        running = chat
        if running is None:
            used = clock or SystemClock()
            tokens = tokens_of(settings, used.now())
            running = await open_chat(config_of(settings), clock=used, tokens=tokens)
        app[CHAT] = running
        app[INTRODUCTIONS] = Introductions(running, running.accounts.tokens)
        metrics.install(app)
        yield
        app[metrics.FIGURES].stop()
        await close_sockets(app[PUMPS], spread_s=0.0)
        await app[ENGINE].finished()
        if chat is None:
            await running.stop()

    app.cleanup_ctx.append(chat_running)
    return app


def config_of(settings: Settings) -> Config:
    """What the core is to be, by the settings."""
    return Config(
        database=settings.database,
        is_durable=settings.durability == "full",
        message_keys=message_keys(settings),
        default_channels=settings.default_channels,
        countdown_s=settings.countdown_s,
        notification_s=settings.notification_s,
        resume_s=settings.resume_s,
        rematch_after_s=settings.rematch_after_s,
        matcher=settings.matcher,
        guests_may_post=settings.guests_may_post,
        open_channels=settings.open_channels,
        texts_kept_s=settings.retention_s or None,
        login_creates_account=settings.login_creates_account,
        refresh_s=settings.refresh_token_s,
        messages_per_second=settings.messages_per_s,
        messages_burst=settings.messages_burst,
        searches_per_minute=settings.searches_per_minute,
        rate_limits=settings.rate_limits,
        flush_s=settings.flush_s,
    )


def tokens_of(settings: Settings, now: float) -> Tokens:
    """The ring of keys, by the settings. Raises ``SettingsError`` for a key that is none."""
    is_hs256 = settings.jwt_algorithm == "HS256"
    try:
        return open_tokens(
            secrets=[signing_secret(settings)] if is_hs256 else [],
            pems=[] if is_hs256 else [private_key(settings)],
            previous=previous_keys(settings),
            accepted_until=now + PREVIOUS_KEYS_S,
            user_token_s=settings.access_token_s,
        )
    except ValueError as error:
        variable = "JWT_SECRET_KEY" if is_hs256 else "JWT_PRIVATE_KEY_FILE"
        raise SettingsError(variable, f"or a key of before is {error}") from None


async def close_sockets(pumps: Pumps, *, spread_s: float) -> None:
    """Send everybody away, to come back; the closes are spread so that not all return at once."""
    pumps.is_draining = True
    waiting = list(pumps.open)
    random.shuffle(waiting)
    pause = spread_s / len(waiting) if waiting else 0.0
    for pump in waiting:
        pump.end(*SHUTDOWN)
        if pause:
            await asyncio.sleep(pause)
    deadline = asyncio.get_running_loop().time() + (DRAIN_ABORT_S - DRAIN_SPREAD_S if spread_s else 3.0)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(deadline):
            await pumps.empty()


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; the exit status.

    Raises ``OSError`` when it cannot listen, ``SettingsError`` for a key that
    is none, ``ChatError`` when the store does not open.
    """
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_serve(settings))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    app = create_app(settings)
    runner = DeadlineRunner(app, handle_signals=False)
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG, reuse_address=True)
        await site.start()
        await _run(app, runner, settings)
    finally:
        await runner.cleanup()
    _log.info("stopped")
    return 0


async def _run(app: web.Application, runner: web.AppRunner, settings: Settings) -> None:
    """Say where it listens, wait for a signal, drain; a second signal ends the drain."""
    stopped = asyncio.Event()
    hurried = asyncio.Event()

    def on_signal() -> None:
        (hurried if stopped.is_set() else stopped).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    _announce(runner, settings)  # who reads it may send a signal at once
    await stopped.wait()
    _log.info("draining", connections=len(app[PUMPS].open))
    drain = asyncio.ensure_future(close_sockets(app[PUMPS], spread_s=spread_of(len(app[PUMPS].open))))
    hurry = asyncio.ensure_future(hurried.wait())
    await asyncio.wait([drain, hurry], return_when=asyncio.FIRST_COMPLETED)
    for task in (drain, hurry):
        task.cancel()


def spread_of(connections: int) -> float:
    """Over how many seconds the closes are spread: a hundred a second, at most ten seconds."""
    return min(DRAIN_SPREAD_S, connections / 100)


def _announce(runner: web.AppRunner, settings: Settings) -> None:
    """Where it listens, on standard output, for people and for programs that chose PORT=0."""
    for address in runner.addresses:
        host, port = address[0], address[1]
        shown = f"[{host}]" if ":" in host else host
        sys.stdout.write(f"Parley {VERSION} listens on http://{shown}:{port}\n")
    sys.stdout.flush()
    _log.info("started", version=VERSION, database=settings.database_url.partition(":")[0])
