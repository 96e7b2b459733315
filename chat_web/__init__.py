"""Parley over HTTP and WebSockets: all code that depends on aiohttp. The chat engine is ``chat_core``."""
