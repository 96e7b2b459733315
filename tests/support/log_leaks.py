"""Canaries: what no log line may hold, whatever a test does. Every test listens; see ``conftest``."""

import logging
import re
from typing import Final

from structlog.typing import EventDict, WrappedLogger

TESTERS: Final = (
    "urllib3",
    "websockets",
    "httpx",
    "httpcore",
    "centrifuge",
    "hypothesis",
    "schemathesis",
    "aiohttp.access",
)
"""Clients and servers that are the tests' own: ours have another access log."""

OURS: Final = ("parley", "chat_core", "chat_web", "aiohttp")

# Passwords of the tests, texts that say what they are, tokens, e-mail and network addresses.
_HELD_BACK: Final = re.compile(
    r"correct horse|wrong horse|another horse|hunter2|canary"
    r"|eyJ[\w-]{10,}\.[\w-]+|token=(?!…)[\w%.~-]{2}|[Bb]earer [\w-]{8}"
    r"|[\w.+-]+@[\w-]+\.\w+"
    r"|\b(?:127\.0\.0|192\.0\.2|198\.51\.100|203\.0\.113)\.\d|\b2001:db8:"
    r"|[\"'](?:refresh_token|password|content)[\"']: [\"']",
    re.IGNORECASE,
)


class LeakError(AssertionError):
    """Something was logged that nobody may read there."""


def check(text: str) -> None:
    """Raise ``LeakError`` where a log says too much."""
    found = _HELD_BACK.search(text)
    if found is not None:
        start = max(0, found.start() - 200)
        raise LeakError(f"a log holds {found[0]!r}: …{text[start : found.end() + 100]}")


class LogRecorder(logging.Handler):
    """Hears everything that is logged, also what no level would show."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def record_event(self, _logger: WrappedLogger, _method: str, event: EventDict) -> str:
        """What is said by structlog; the last of its processors."""
        self.lines.append(" ".join(f"{name}={value!r}" for name, value in event.items()))
        return self.lines[-1]

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "asyncio" and record.levelno < logging.WARNING:
            return  # in debug mode it says where it listens
        if not record.name.startswith(TESTERS):
            self.lines.append(self.format(record))
