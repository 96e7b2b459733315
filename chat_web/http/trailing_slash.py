"""Paths with and without a trailing slash answer the same, without a redirect (C3.2)."""

from aiohttp import web
from aiohttp.typedefs import Handler

from chat_web.http.aiohttp_private import route_again


@web.middleware
async def without_trailing_slash(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Look once more, with the other form of the path, where nothing was found."""
    if not isinstance(request.match_info.http_exception, web.HTTPNotFound):
        return await handler(request)
    path = request.rel_url.raw_path
    other = path.rstrip("/") if path.endswith("/") else f"{path}/"
    if other in ("", path):
        return await handler(request)
    again = request.clone(rel_url=request.rel_url.with_path(other, encoded=True, keep_query=True))
    found = await request.app.router.resolve(again)
    if found.http_exception is not None:
        return await handler(request)
    found.add_app(request.app)
    found.freeze()
    route_again(again, found)
    return await found.handler(again)
