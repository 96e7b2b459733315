"""Which addresses are for programs, and which are pages for people.

It decides the content security policy, caching, CORS and the shape of errors. Kept
out: the routes themselves.
"""

import re
from typing import Final

__all__ = ["is_api", "is_chat_page"]

# /chat is a page, and so are /chat/pair, /chat/c/… and /chat/r/…; /ws/docs is one among sockets.
_API: Final = re.compile(
    r"/(?:api|auth|simple-countdown|socket\.io|connection|emulation|uploads|health|ready|metrics"
    r"|openapi\.json|asyncapi\.json|ws(?!/docs/?$)|chat/(?:rooms|queue|keep|like))(?:/|$)"
)
_CHAT: Final = re.compile(r"/chat(?:/|$)")


def is_api(path: str) -> bool:
    return _API.match(path) is not None


def is_chat_page(path: str) -> bool:
    return _CHAT.match(path) is not None and not is_api(path)
