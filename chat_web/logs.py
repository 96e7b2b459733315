"""The log: one line per event, on stderr, and in ``parley.log`` if a folder is configured.

Lines are JSON; on a terminal they are formatted for people. Messages of aiohttp, asyncio
and warnings take the same path. A value cannot forge a line or colour a terminal: control
characters are written as ``\\n``, ``\\x1b`` and so on.

Never logged: message texts, tokens, query strings, addresses and headers. The access log
contains the pattern of a route, never the requested path.
"""

import logging
import logging.handlers
import os
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TextIO

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from structlog.typing import EventDict, Processor, WrappedLogger

__all__ = ["AccessLogger", "configure"]

LOG_FILE: Final = "parley.log"
LOG_FILE_BYTES_MAX: Final = 10 * 1024 * 1024
LOG_FILES_KEPT: Final = 5
_SECRET: Final = re.compile(  # the last safeguard: libraries log what they receive (T-25)
    r"(?<=token=)[^&\s\"']+|(?<=earer )[\w.~+/=-]+|eyJ[\w-]+\.[\w-]+\.[\w-]*", re.ASCII
)
VALUE_LENGTH_MAX: Final = 16 * 1024  # characters; a traceback fits, a bomb does not

_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control and direction characters, separators
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET_ROUTES: Final = frozenset({"/health", "/ready", "/metrics", "/socket.io/"})  # requested all the time


def configure(level: str, folder: Path | None = None, *, stream: TextIO | None = None) -> None:
    """Sends all further log events to ``stream`` (stderr), and to a file in ``folder``.

    A second call replaces the first. Raises ``OSError`` if the folder cannot be written.
    """
    stream = stream or sys.stderr
    # The file comes first: if it cannot be opened, nothing has changed.
    handlers: list[logging.Handler] = [_file(folder)] if folder else []
    console = logging.StreamHandler(stream)
    console.setFormatter(_formatter(_for_people() if stream.isatty() else _for_machines()))
    handlers.append(console)

    root = logging.getLogger()
    for old in [handler for handler in root.handlers if getattr(handler, "is_parley", False)]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        handler.is_parley = True  # type: ignore[attr-defined]
        root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


class AccessLogger(AbstractAccessLogger):
    """One line per request: method, pattern of the route, status, milliseconds. No content."""

    def log(self, request: Any, response: Any, time: float) -> None:
        route = route_of(request)
        quiet = route in _QUIET_ROUTES and response.status < 400
        structlog.get_logger("parley.access").log(
            logging.DEBUG if quiet else logging.INFO,
            "request_handled",
            method=request.method if request.method in _METHODS else "OTHER",
            route=route,
            status=response.status,
            ms=round(time * 1000, 1),
            request_id=response.headers.get("X-Request-Id"),
        )

    @property
    def enabled(self) -> bool:
        return logging.getLogger("parley.access").isEnabledFor(logging.INFO)


def route_of(request: object) -> str:
    """The pattern that matched, ``/api/users/{username}``; ``unknown`` if none did."""
    if not isinstance(request, web.Request):
        return "unknown"  # not HTTP, or rejected before routing
    try:
        resource = request.match_info.route.resource
    except (AttributeError, AssertionError):
        return "unknown"
    return resource.canonical if resource is not None else "unknown"


def _file(folder: Path) -> logging.Handler:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = _PrivateFile(
        folder / LOG_FILE, maxBytes=LOG_FILE_BYTES_MAX, backupCount=LOG_FILES_KEPT, encoding="utf-8"
    )
    handler.setFormatter(_formatter(_for_machines()))
    return handler


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """A rotating file that only its owner may read."""

    def _open(self) -> Any:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return os.fdopen(os.open(self.baseFilename, flags, 0o600), self.mode, encoding=self.encoding)


def _formatter(renderer: list[Processor]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def _for_machines() -> list[Processor]:
    return [_escaped(keep=""), structlog.processors.JSONRenderer(default=_as_text, allow_nan=False)]


def _for_people() -> list[Processor]:
    """For a terminal. The renderer adds colours after every value has been escaped."""
    return [_escaped(keep="exception"), structlog.dev.ConsoleRenderer()]


def _escaped(*, keep: str) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """Escapes every name and value. The field ``keep`` keeps its line breaks, indented."""

    def escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        plain: EventDict = {}
        for name, value in event.items():
            if name == keep and isinstance(value, str):
                plain[name] = "\n".join("  " + _plain_text(line) for line in value.split("\n"))
            else:
                plain[_plain_text(str(name))] = _plain(value)
        return plain

    return escape


def _plain(value: object, depth: int = 0) -> object:
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if abs(value) < float("inf") else repr(value)  # JSON has no NaN and no infinity
        case str():
            return _plain_text(value)
        case dict() if depth < 4:
            return {_plain_text(str(name)): _plain(item, depth + 1) for name, item in value.items()}
        case list() | tuple() | set() | frozenset() if depth < 4:
            return [_plain(item, depth + 1) for item in value]
        case _:
            return _plain_text(_as_text(value))


def _plain_text(text: str) -> str:
    if len(text) > VALUE_LENGTH_MAX:
        text = text[:VALUE_LENGTH_MAX] + "…"
    text = _SECRET.sub("…", text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(_plain_character(character) for character in text)


def _plain_character(character: str) -> str:
    if unicodedata.category(character) in _UNSAFE:
        return character.encode("unicode_escape", "surrogatepass").decode("ascii")
    return character


def _as_text(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # a line must be written even if a __repr__ fails
        return f"<{type(value).__name__} without repr: {type(error).__name__}>"
