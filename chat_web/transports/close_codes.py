"""The close codes that a transport knows. It may not import the core: a test compares the two."""

from typing import Final

__all__ = ["DO_NOT_COME_BACK", "NO_PONG", "SERVER_ERROR", "SLOW"]

SERVER_ERROR: Final = (3004, "server error: come back")
SLOW: Final = (3008, "slow: too much unread")
NO_PONG: Final = (3012, "no pong")

DO_NOT_COME_BACK: Final = 3500  # from this code on a client does not reconnect
