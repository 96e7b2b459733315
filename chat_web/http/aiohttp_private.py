"""Everything that Parley touches of aiohttp's private names, and nothing else does.

An aiohttp without one of these names is refused at import, with the range that this file
was written for. The functions and classes here have public names, so that a new aiohttp
is read against one file. It is in ``http`` because deadlines, the trailing slash and the
upgrade need it, and ``http`` is below ``transports``.

Kept out: what they are used for (``timeouts``, ``trailing_slash``, ``transports.upgrade``).
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import aiohttp
from aiohttp import StreamReader, web

__all__ = [
    "RANGE",
    "RunnerOfServer",
    "ServerOfConnections",
    "body_of_last_request",
    "is_upgrade",
    "loop_of",
    "missing_names",
    "release",
    "requests_begun",
    "route_again",
    "waits_for_request",
]

RANGE: Final = "aiohttp>=3.14.5,<3.15"  # as in setup.cfg

_OF_CONNECTIONS: Final = (
    *("transport", "connection_lost", "_loop", "_message_tail"),
    *("_messages", "_request_count", "_upgraded", "_waiter"),
)
_OF_CLASSES: Final[Sequence[tuple[type, Sequence[str]]]] = (
    (web.RequestHandler, _OF_CONNECTIONS),
    (web.AppRunner, ("_make_server",)),
    (web.Request, ("_match_info",)),
)
# Those that only instances have: names that the initialiser sets.
_OF_INSTANCES: Final[Sequence[tuple[type, Sequence[str]]]] = ((web.Server, ("_kwargs", "_loop")),)


def missing_names(
    of_classes: Iterable[tuple[type, Sequence[str]]] = _OF_CLASSES,
    of_instances: Iterable[tuple[type, Sequence[str]]] = _OF_INSTANCES,
) -> list[str]:
    """The names that these classes do not have, as ``Class.name``."""
    missing = [(kind, name) for kind, names in of_classes for name in names if not hasattr(kind, name)]
    for kind, names in of_instances:
        set_at_first = kind.__init__.__code__.co_names  # type: ignore[misc]  # a plain function
        missing += [(kind, name) for name in names if name not in set_at_first]
    return [f"{kind.__name__}.{name}" for kind, name in missing]


if _missing := missing_names():
    raise RuntimeError(
        f"aiohttp {aiohttp.__version__} has no {', '.join(_missing)}; Parley needs {RANGE}, "
        "because it takes connections over from aiohttp"
    )


class ServerOfConnections(web.Server):
    """aiohttp's server with connections of another kind.

    ``made`` is the server to take the place of; ``connection`` is called as
    ``RequestHandler`` is, with this server and ``loop``.
    """

    def __init__(self, made: web.Server, connection: Callable[..., web.RequestHandler]) -> None:
        super().__init__(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )
        self._connection_class = connection

    def __call__(self) -> web.RequestHandler:
        return self._connection_class(self, loop=self._loop, **self._kwargs)


class RunnerOfServer(web.AppRunner):
    """An ``AppRunner`` whose server ``server_for`` may replace."""

    async def _make_server(self) -> web.Server:
        return self.server_for(await super()._make_server())

    def server_for(self, made: web.Server) -> web.Server:
        """The server to use, for the one that aiohttp made."""
        return made


def loop_of(connection: web.RequestHandler) -> asyncio.AbstractEventLoop:
    return connection._loop


def requests_begun(connection: web.RequestHandler) -> int:
    """How many heads of requests have been read on this connection."""
    return connection._request_count


def body_of_last_request(connection: web.RequestHandler) -> StreamReader:
    """The body of the newest request that waits for its handler. ``IndexError`` when none does."""
    return connection._messages[-1][1]


def waits_for_request(connection: web.RequestHandler) -> bool:
    """True when nothing is being answered: aiohttp waits for the next head."""
    return connection._waiter is not None


def is_upgrade(connection: web.RequestHandler) -> bool:
    """True when aiohttp does not read what follows as HTTP."""
    return connection._upgraded


def release(connection: web.RequestHandler) -> bytes:
    """Make aiohttp's protocol believe that its peer is gone; the bytes it had read.

    Everything here runs inside the handler of the request, which aiohttp's own task
    awaits: when the handler returns, that task sees a lost connection and ends.
    """
    # What came behind the head of the request: the first frames of an eager client.
    tail = connection._message_tail
    connection._message_tail = b""
    # connection_lost() and the end of the task close the transport that they know.
    connection.transport = None
    # Stops the keep-alive timer, and has the server forget the connection, so that a
    # shutdown neither waits for it nor closes it.
    connection.connection_lost(None)
    return tail


def route_again(request: web.Request, found: Any) -> None:
    """Give a request another match than the one its path had."""
    request._match_info = found
