"""The close codes that a transport sends by itself, each with its reason. A transport knows no chat:

a test compares them with the codes of the core.
"""

from typing import Final

__all__ = ["NO_PONG", "SERVER_ERROR", "SLOW"]

SERVER_ERROR: Final = (3004, "server error: come back")
SLOW: Final = (3008, "slow: too much unread")
NO_PONG: Final = (3012, "no pong")
