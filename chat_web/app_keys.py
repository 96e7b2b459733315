"""Keys of the objects that the application shares with its handlers."""

from typing import Final

from aiohttp import web

from chat_core import Chat
from chat_web.config.settings import Settings

__all__ = ["CHAT", "SETTINGS"]

CHAT: Final = web.AppKey("chat", Chat)
SETTINGS: Final = web.AppKey("settings", Settings)
