"""Disconnects: every code that ends a connection, with its reason, once.

3000 to 3499: come back. From 3500 on: do not. The reason is for people; clients
act on the code.
"""

from typing import Final, NamedTuple


class Disconnect(NamedTuple):
    """Unpacks into the code and the reason, as ``end(*SLOW)`` takes them."""

    code: int
    reason: str

    def because(self, detail: str) -> "Disconnect":
        """The same code, with a more exact reason: "bad request: connect first"."""
        title, _, _ = self.reason.partition(":")
        return Disconnect(self.code, f"{title}: {detail}")


CLOSED: Final = Disconnect(1000, "closed")
NOT_OPEN: Final = Disconnect(1000, "not open")

SHUTDOWN: Final = Disconnect(3001, "shutdown: come back")
SERVER_ERROR: Final = Disconnect(3004, "server error: come back")
TOKEN_EXPIRED: Final = Disconnect(3005, "token expired: fetch a new one")
SLOW: Final = Disconnect(3008, "slow: too much unread")
INSUFFICIENT_STATE: Final = Disconnect(3010, "insufficient state: recover")
NO_PONG: Final = Disconnect(3012, "no pong")

INVALID_TOKEN: Final = Disconnect(3500, "invalid token")
BAD_REQUEST: Final = Disconnect(3501, "bad request")
NOT_AUTHENTICATED_IN_TIME: Final = Disconnect(3502, "no connect command in time")
REVOKED: Final = Disconnect(3503, "revoked: sign in again")
TOO_MANY_CONNECTIONS: Final = Disconnect(3504, "too many connections: close another one first")
TOO_MANY_ERRORS: Final = Disconnect(3509, "too many errors")
