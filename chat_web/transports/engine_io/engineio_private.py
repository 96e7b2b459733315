"""Everything that Parley touches of python-engineio beyond its documentation.

A python-engineio without one of these names is refused at import, with the range that
this file was written for. ``_async`` is private: the library looks its driver for the
web server up there. The states of a socket are undocumented, so they are checked too;
``session`` reads and sets them.

Kept out: what the sessions do with it (``session``), and WebSockets (``websocket``).
"""

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final

import engineio
from engineio.base_socket import BaseSocket

__all__ = ["RANGE", "ServerWithDriver", "missing_names"]

RANGE: Final = "python-engineio>=4.11,<4.16"  # as in setup.cfg

_SET_AT_FIRST: Final[Sequence[tuple[type, Sequence[str]]]] = (
    (engineio.base_server.BaseServer, ("_async", "sockets")),
    (BaseSocket, ("closed", "closing", "connected", "queue", "upgraded", "upgrading")),
)
_METHODS: Final = ("create_queue", "handle_request", "on", "start_background_task")


def missing_names(set_at_first: Iterable[tuple[type, Sequence[str]]] = _SET_AT_FIRST) -> list[str]:
    """The attributes that these classes do not set when they are made, and the methods that are gone."""
    missing = [
        f"{kind.__name__}.{name}"
        for kind, names in set_at_first
        for name in names
        if name not in kind.__init__.__code__.co_names  # type: ignore[misc]  # a plain function
    ]
    return missing + [f"AsyncServer.{name}" for name in _METHODS if not hasattr(engineio.AsyncServer, name)]


if _missing := missing_names():
    raise RuntimeError(
        f"python-engineio {version('python-engineio')} has no {', '.join(_missing)}; Parley needs {RANGE}, "
        "because it carries the library's sessions itself"
    )


class ServerWithDriver(engineio.AsyncServer):  # type: ignore[misc]  # it has no types
    """The library's server on aiohttp, with another driver for WebSockets and for reading requests."""

    def __init__(
        self, *, websocket: Any, translate_request: Callable[[dict[str, Any]], dict[str, Any]], **options: Any
    ) -> None:
        super().__init__(async_mode="aiohttp", **options)
        self._async: dict[str, Any] = {
            **self._async,
            "websocket": websocket,
            "translate_request": translate_request,
        }
