"""Where a request comes from, and how much may come from there.

A source is an IPv4 address or an IPv6 /64, behind a keyed hash whose key lives in
memory for a day: limits need to know the same from another, nobody needs the address.
All maps are bounded; when one is full the source that was quiet longest is forgotten.

Kept out: limits of a person (the core), and when a connection ends (its socket gives
the place back by calling what ``SourceLimits.connect`` returned).
"""

import hmac
import math
import secrets
from collections.abc import Callable
from typing import Final

import attrs
from aiohttp import web

from chat_core import Rate, Refused, Unavailable
from chat_web.config.settings import Settings
from chat_web.http.client_address import address_of, prefix_of
from chat_web.http.keyed_buckets import KeyedBuckets

__all__ = [
    "REQUEST_LIMITS",
    "SOURCE_LIMITS",
    "RequestLimits",
    "SourceLimits",
]

CONNECTIONS_PER_SOURCE_MAX: Final = 50
SOURCES_MAX: Final = 50_000  # remembered at once, in each map
ACCEPTS: Final = Rate(per_second=100.0, burst=200.0)
REQUESTS_OF_PERSON: Final = Rate(per_second=20.0, burst=40.0)
REQUESTS_OF_SOURCE: Final = Rate(per_second=20.0, burst=100.0)  # of those without a token
GUESTS: Final = Rate(per_second=50 / 600, burst=50.0)  # 5 a minute, 50 at once
REGISTRATIONS: Final = Rate(per_second=20 / 3600, burst=20.0)  # 20 an hour, and at once
EXPORTS: Final = Rate(per_second=5 / 3600, burst=5.0)
_DAY_S: Final = 86400.0


class SourceLimits:
    """The limits of this node's sources. Where they do not hold, all is let through and nothing kept."""

    def __init__(self, settings: Settings, *, sources_max: int = SOURCES_MAX) -> None:
        self._hold = settings.source_limits_hold
        self._trusted = settings.trusted_proxies
        self._connections_max = settings.max_connections
        self._connected: dict[str, int] = {}
        self._total = 0
        self._accepts = KeyedBuckets(ACCEPTS, 1)
        self._requests = KeyedBuckets(REQUESTS_OF_SOURCE, sources_max)
        self._guests = KeyedBuckets(GUESTS, sources_max)
        self._registrations = KeyedBuckets(REGISTRATIONS, sources_max)
        self._key = secrets.token_bytes(32)
        self._key_until = 0.0

    @property
    def connections(self) -> int:
        """Sockets that have a place now."""
        return self._total

    def of(self, request: web.BaseRequest, now: float) -> str:
        """The pseudonym of where ``request`` comes from; another one each day."""
        if now >= self._key_until:
            self._key, self._key_until = secrets.token_bytes(32), now + _DAY_S
        prefix = prefix_of(address_of(request, self._trusted))
        return hmac.digest(self._key, prefix.encode(), "sha256").hex()[:32]

    def connect(self, source: str, now: float) -> Callable[[], None]:
        """A place for one more socket, and the function that gives it back (once, however often called).

        Raises ``Unavailable`` when this node is full or too many come at once, and
        ``Refused("too_many")`` when the source has its share. Then nothing is taken.
        """
        if self._total >= self._connections_max:
            raise Unavailable("This node has reached its connection limit.")
        if self._hold and self._connected.get(source, 0) >= CONNECTIONS_PER_SOURCE_MAX:
            raise Refused("too_many", "Too many connections from your network.", retry_after_s=10.0)
        if self._hold and self._accepts.take("", now):
            raise Unavailable("Too many connections at once.")
        self._total += 1
        if self._hold:
            self._connected[source] = self._connected.get(source, 0) + 1
        return _Place(self, source).leave

    def request(self, source: str, now: float) -> None:
        """Count one more request without a token. Raises ``Refused("too_many")``."""
        self._take(self._requests, source, now, "Too many requests from your network.")

    def guest(self, source: str, now: float) -> None:
        """Count one more guest. Raises ``Refused("too_many")``."""
        self._take(self._guests, source, now, "Too many guests from your network.")

    def registration(self, source: str, now: float) -> None:
        """Count one more account. Raises ``Refused("too_many")``."""
        self._take(self._registrations, source, now, "Too many accounts from your network.")

    def _take(self, rates: KeyedBuckets, source: str, now: float, message: str) -> None:
        if self._hold and (wait_s := rates.take(source, now)):
            raise Refused("too_many", message, retry_after_s=wait_s)

    def leave(self, source: str) -> None:
        self._total -= 1
        left = self._connected.pop(source, 1) - 1
        if left > 0:
            self._connected[source] = left


class RequestLimits:
    """How often a caller may ask over HTTP: as often as a connection may send frames."""

    def __init__(self, settings: Settings) -> None:
        self._hold = settings.rate_limits
        self._rates = KeyedBuckets(REQUESTS_OF_PERSON, SOURCES_MAX)
        self._exports = KeyedBuckets(EXPORTS, SOURCES_MAX)

    def take(self, caller: str, now: float) -> None:
        """Count one more request. Raises ``Refused("too_many")``."""
        self._take(self._rates, caller, now, "Too many requests.")

    def export(self, caller: str, now: float) -> None:
        """Count one more export, which reads a lot. Raises ``Refused("too_many")``."""
        self._take(self._exports, caller, now, "You exported your data recently.")

    def _take(self, rates: KeyedBuckets, caller: str, now: float, message: str) -> None:
        if self._hold and (wait_s := rates.take(caller, now)):
            words = f"{message} Try again in {math.ceil(wait_s)} s."
            raise Refused("too_many", words, retry_after_s=wait_s)


@attrs.define
class _Place:
    _sources: SourceLimits
    _source: str
    _is_taken: bool = True

    def leave(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._sources.leave(self._source)


SOURCE_LIMITS: Final = web.AppKey("source_limits", SourceLimits)
REQUEST_LIMITS: Final = web.AppKey("request_limits", RequestLimits)
