"""The open connections of this node: who is let in, and how all of them are closed when it drains."""

import asyncio
import contextlib
import functools
import random
from collections.abc import Callable, Iterator
from typing import Final

import attrs
from aiohttp import web

from chat_core import SHUTDOWN
from chat_web.app_keys import CHAT, SETTINGS
from chat_web.config.settings import Settings
from chat_web.dialects.intents import Dialect
from chat_web.http.auth import AUTHENTICATOR, Identity
from chat_web.http.errors import Rejected
from chat_web.http.headers import origin_allowed
from chat_web.http.rate_limits import SOURCE_LIMITS
from chat_web.sockets.pump import Pump, PumpLimits

DRAIN_SPREAD_S: Final = 10.0
DRAIN_ABORT_S: Final = 20.0


@attrs.define
class Pumps:
    """Every open connection of this node, for draining."""

    limits: PumpLimits
    open: dict[Pump, None] = attrs.field(factory=dict)
    is_draining: bool = False
    _emptied: asyncio.Event = attrs.field(factory=asyncio.Event)

    def add(self, pump: Pump) -> None:
        self.open[pump] = None
        self._emptied.clear()

    def remove(self, pump: Pump) -> None:
        self.open.pop(pump, None)
        if not self.open:
            self._emptied.set()

    async def empty(self) -> None:
        """Wait until the last one has closed."""
        if self.open:
            await self._emptied.wait()


PUMPS: Final = web.AppKey("pumps", Pumps)


def limits_of(settings: Settings) -> PumpLimits:
    """The limits of one connection, from the settings."""
    if settings.rate_limits:
        return PumpLimits(token_grace_s=settings.token_grace_s)
    return PumpLimits(token_grace_s=settings.token_grace_s, frames=None)


def admit(request: web.Request, *, is_new: bool = True) -> None:
    """Refuse who may not connect at all, before anything is made for it."""
    if is_new and request.app[PUMPS].is_draining:
        raise Rejected("unavailable", "The server is about to restart. Try again in a moment.")
    if not origin_allowed(request, request.app[SETTINGS]):
        raise Rejected("forbidden", "This origin is not allowed.")


async def authenticate(request: web.Request, token: str) -> Identity:
    """The person of a token. A new guest counts against its source."""
    app = request.app
    if not token:
        now = app[CHAT].clock.now()
        app[SOURCE_LIMITS].guest(app[SOURCE_LIMITS].of(request, now), now)
    return await app[AUTHENTICATOR].authenticated(token)


@contextlib.contextmanager
def admission(
    request: web.Request,
    dialect: Dialect,
    identity: Identity | None = None,
    *,
    gone: Callable[[], object] = lambda: None,
) -> Iterator[Pump]:
    """A pump for one more connection, to be opened inside; it has its place until it is closed.

    ``gone`` is called then, once, if it was opened.
    Raises as ``SourceLimits.connect``. What was not opened gives its place back.
    """
    app = request.app
    chat, pumps, sources = app[CHAT], app[PUMPS], app[SOURCE_LIMITS]
    now = chat.clock.now()
    leave = sources.connect(sources.of(request, now), now)

    def left(pump: Pump) -> None:
        pumps.remove(pump)
        leave()
        gone()

    authenticated = functools.partial(authenticate, request)
    pump = Pump(chat, dialect, authenticated, identity=identity, limits=pumps.limits, left=left)
    pumps.add(pump)
    try:
        yield pump
    finally:
        if not pump.is_open:
            pumps.remove(pump)
            leave()


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


def spread_of(connections: int) -> float:
    """Over how many seconds the closes are spread: a hundred a second, at most ten seconds."""
    return min(DRAIN_SPREAD_S, connections / 100)
