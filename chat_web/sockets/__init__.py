"""WebSockets on a bare transport.

`frames` turns bytes into messages and back and knows no socket, `websocket` is
one connection, `upgrade` takes a connection over from aiohttp.  None of them
knows what a chat is.
"""
