"""Pages: the landing page, the chat, privacy and the error page, with their static files.

Templates and static files are inside this package in a wheel, and one folder up in a
checkout. The URL of a static file contains a digest of all of them, so that browsers may
cache it permanently; relative imports between modules keep the digest.
"""

import hashlib
import http
from pathlib import Path
from typing import Any, Final

import aiohttp_jinja2
import jinja2
from aiohttp import web

from chat_core import VERSION
from chat_web.app_keys import SETTINGS
from chat_web.config.settings import Settings
from chat_web.http.errors import ERROR_PAGE

_HERE: Final = Path(__file__).resolve().parent
_DIGEST_LENGTH: Final = 12
_YEAR_S: Final = 31_536_000
_THEMES: Final = frozenset({"light", "dark"})


def _folder(name: str) -> Path:
    beside = _HERE / name
    return beside if beside.is_dir() else _HERE.parent / name


TEMPLATES: Final = _folder("templates")
STATIC: Final = _folder("static")


class StaticFiles:
    """The files below ``/static``, read once at start."""

    def __init__(self, folder: Path) -> None:
        self.files = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix in _TYPES
        }
        digest = hashlib.sha256()
        for name, path in self.files.items():
            digest.update(name.encode() + b"\0" + path.read_bytes())
        self.digest = digest.hexdigest()[:_DIGEST_LENGTH]

    def url(self, name: str) -> str:
        """The URL of the file. Raises ``KeyError`` if there is none."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.digest}/{name}"


_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}

STATIC_FILES: Final = web.AppKey("static_files", StaticFiles)


def install(app: web.Application) -> None:
    """Sets up templates, static files and the error page."""
    files = app[STATIC_FILES] = StaticFiles(STATIC)
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["static"] = files.url
    environment.globals["version"] = VERSION
    app[ERROR_PAGE] = error_page


async def landing(request: web.Request) -> web.Response:
    """``/``"""
    return render(request, "landing.html", title="Parley")


async def chat(request: web.Request) -> web.Response:
    """``/chat``, ``/chat/pair``, ``/chat/r/{room_id}``: one page, which asks the server for its state."""
    return render(request, "chat.html", title="Parley", room_id=request.match_info.get("room_id"))


async def privacy(request: web.Request) -> web.Response:
    """``/privacy``: stored data and retention, from the running configuration."""
    rows = _kept_rows(request.app[SETTINGS])
    return render(request, "privacy.html", title="What we keep: Parley", retention=rows, report_contact=None)


DEMO_CLIENTS: Final = {
    "p0": "The plain pair chat (P0)",
    "p2-websocket": "Socket.IO by WebSocket (P2)",
    "p2-polling": "Socket.IO by long polling (P2)",
    "p5": "The Centrifugal protocol (P5)",
}


async def demo(request: web.Request) -> web.Response:
    """``/demo``: clients of two protocols chat. Development only, so that no stranger is paired with them."""
    if not request.app[SETTINGS].is_for_development:
        raise web.HTTPNotFound
    return render(request, "demo.html", title="Demonstration: Parley", clients=DEMO_CLIENTS)


async def static(request: web.Request) -> web.StreamResponse:
    """``/static/{digest}/{path}``: immutable under the current digest, fresh under any other."""
    files = request.app[STATIC_FILES]
    name = request.match_info["path"]
    path = files.files.get(name)
    if path is None:
        raise web.HTTPNotFound
    response = web.FileResponse(path)
    is_current = request.match_info["digest"] == files.digest
    response.headers["Cache-Control"] = f"public, max-age={_YEAR_S}, immutable" if is_current else "no-cache"
    response.content_type = _TYPES[path.suffix]
    return response


def error_page(request: web.Request, status: int, title: str, message: str, request_id: str) -> web.Response:
    """The error page: the failure, and a link to the start page."""
    if status == http.HTTPStatus.NOT_FOUND:
        title, message = "Page not found", "Check the address, or go to the start page."
    return render(
        request,
        "error.html",
        status_code=status,
        title=title,
        status=status,
        message=message,
        request_id=request_id,
    )


_NUMBERS: Final = ("One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
KEPT_OF_TALKS: Final = "Chats with strangers aren't saved. They disappear when you leave."


def kept_of_timed_rooms(countdown_s: float) -> str:
    """The retention of a timed room, with its length."""
    return f"{timed_chat(countdown_s)}s are saved, so that you can keep them."


def timed_chat(seconds: float) -> str:
    """The name of a timed room for people: "Five-minute chat", "90-second chat"."""
    count, unit = (seconds, "second") if seconds % 60 else (seconds / 60, "minute")
    number = _NUMBERS[int(count) - 1] if count in range(1, len(_NUMBERS) + 1) else f"{count:g}"
    return f"{number}-{unit} chat"


def _kept_rows(settings: Settings) -> list[dict[str, str]]:
    """The table of the privacy page: one row per kind of conversation."""
    stored = "permanently" if not settings.retention_s else f"{settings.retention_s / 86_400:g} days"
    return [
        {
            "kind": "A chat with a stranger",
            "stored": "No messages. Only that two people met, and when",
            "how_long": "Messages: not at all. That you met: 30 days",
            "readers": "The two of you, during the chat",
        },
        {
            "kind": "A timed room",
            "stored": "Messages, and how the room ended",
            "how_long": "30 days after the room ends. A kept room ends when one of you leaves",
            "readers": "Its two members",
        },
        {
            "kind": "A channel",
            "stored": "Messages and members",
            "how_long": stored.capitalize(),
            "readers": "Everyone. A private channel: its members",
        },
    ]


def render(request: web.Request, template: str, *, status_code: int = 200, **context: Any) -> web.Response:
    """Renders a template with the values that every page uses."""
    settings = request.app[SETTINGS]
    theme = request.cookies.get("theme")
    kept_of_timed = kept_of_timed_rooms(settings.countdown_s)
    context |= {
        "theme": theme if theme in _THEMES else None,
        "kept_of_talks": KEPT_OF_TALKS,
        "kept_of_timed": kept_of_timed,
        "kept_sentence": f"{KEPT_OF_TALKS} {kept_of_timed}",
        "timed_chat": timed_chat(settings.countdown_s),
        "countdown_s": settings.countdown_s,
        "notification_s": settings.notification_s,
        "resume_s": settings.resume_s,
    }
    response = aiohttp_jinja2.render_template(template, request, context, status=status_code)
    response.headers["Cache-Control"] = "no-cache"
    return response
