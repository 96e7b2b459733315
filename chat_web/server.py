"""The process: listens, prints its address, waits for a signal, drains, and returns an exit status."""

import asyncio
import signal
import sys
from typing import Final

import structlog
from aiohttp import web

from chat_core import VERSION
from chat_web.app import create_app
from chat_web.config.settings import Settings
from chat_web.http.timeouts import TimeoutRunner
from chat_web.sockets.open_connections import PUMPS, close_sockets, spread_of

BACKLOG: Final = 1024

_log = structlog.get_logger("parley")


def serve(settings: Settings) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit status.

    Raises ``OSError`` if it cannot listen, ``SettingsError`` for an invalid key,
    ``ChatError`` if the store does not open.
    """
    try:
        import uvloop
    except ImportError:
        return asyncio.run(_serve(settings))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    app = create_app(settings)
    runner = TimeoutRunner(app, handle_signals=False)
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port, backlog=BACKLOG, reuse_address=True)
        await site.start()
        await _run(app, runner, settings)
    finally:
        await runner.cleanup()
    _log.info("server_stopped")
    return 0


async def _run(app: web.Application, runner: web.AppRunner, settings: Settings) -> None:
    """Prints the address, waits for a signal, drains. A second signal ends the drain."""
    stopped = asyncio.Event()
    hurried = asyncio.Event()

    def on_signal() -> None:
        (hurried if stopped.is_set() else stopped).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    _announce(runner, settings)  # last: a reader of this line may send a signal at once
    await stopped.wait()
    _log.info("drain_started", connections=len(app[PUMPS].open))
    drain = asyncio.ensure_future(close_sockets(app[PUMPS], spread_s=spread_of(len(app[PUMPS].open))))
    hurry = asyncio.ensure_future(hurried.wait())
    await asyncio.wait([drain, hurry], return_when=asyncio.FIRST_COMPLETED)
    for task in (drain, hurry):
        task.cancel()


def _announce(runner: web.AppRunner, settings: Settings) -> None:
    """Prints the address to standard output, for people and for programs that chose PORT=0."""
    for address in runner.addresses:
        host, port = address[0], address[1]
        shown = f"[{host}]" if ":" in host else host
        sys.stdout.write(f"Parley {VERSION} listens on http://{shown}:{port}\n")
    sys.stdout.flush()
    database = settings.database_url.partition(":")[0]
    _log.info("server_started", version=VERSION, database=database)
