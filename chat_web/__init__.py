"""Parley over HTTP and WebSockets: everything that knows aiohttp. The chat itself is ``chat_core``."""
