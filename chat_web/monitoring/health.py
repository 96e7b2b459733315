"""Health checks: whether every component works, and whether the server accepts connections."""

from typing import Any

import msgspec
from aiohttp import web

from chat_core import VERSION, ChatError
from chat_web.app_keys import CHAT
from chat_web.sockets.open_connections import PUMPS


async def health(request: web.Request) -> web.Response:
    """``/health``: every component by name; 503 if one fails."""
    parts, is_well = await _parts(request.app)
    return _answer(parts, 200 if is_well else 503)


async def ready(request: web.Request) -> web.Response:
    """``/ready``: 200 only while the server accepts new connections."""
    parts, is_well = await _parts(request.app)
    is_draining = request.app[PUMPS].is_draining
    parts["status"] = "draining" if is_draining else parts["status"]
    return _answer(parts, 200 if is_well and not is_draining else 503)


async def _parts(app: web.Application) -> tuple[dict[str, Any], bool]:
    database = "ok"
    try:
        await app[CHAT].store.check()
    except ChatError as error:
        database = str(error)
    is_well = database == "ok"
    return {
        "status": "ok" if is_well else "failing",
        "database": database,
        "backplane": "ok",
        "connections": len(app[PUMPS].open),
        "version": VERSION,
    }, is_well


def _answer(parts: dict[str, Any], status: int) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(parts), content_type="application/json")
