"""Errors of the Centrifugal protocol: its own numbers, and Parley's from 1000 on.

The message of one from 1000 on begins with the stable code. Numbers are never
given to another code.
"""

from collections.abc import Mapping
from typing import Any, Final

from chat_core import Code, Refused, Unavailable

Error = Mapping[str, Any]

INTERNAL: Final[Error] = {"code": 100, "message": "internal server error", "temporary": True}
UNKNOWN_CHANNEL: Final[Error] = {"code": 102, "message": "unknown channel"}
PERMISSION_DENIED: Final[Error] = {"code": 103, "message": "permission denied"}
ALREADY_SUBSCRIBED: Final[Error] = {"code": 105, "message": "already subscribed"}
BAD_REQUEST: Final[Error] = {"code": 107, "message": "bad request"}
NOT_AVAILABLE: Final[Error] = {"code": 108, "message": "not available"}
TOKEN_EXPIRED: Final[Error] = {"code": 109, "message": "token expired"}
UNRECOVERABLE: Final[Error] = {"code": 112, "message": "unrecoverable position"}

NUMBERS: Final[Mapping[Code, int]] = {
    "bad_request": 1000,
    "unauthenticated": 1001,
    "bad_token": 1002,
    "not_owner": 1003,
    "not_member": 1004,
    "not_yours": 1005,
    "guests_may_not": 1006,
    "unknown_user": 1007,
    "unknown_channel": 1008,
    "unknown_room": 1009,
    "unknown_message": 1010,
    "unknown_lobby": 1011,
    "wrong_state": 1012,
    "nothing_to_answer": 1013,
    "owner_must_stay": 1014,
    "channel_exists": 1015,
    "client_id_reused": 1016,
    "channel_required": 1017,
    "too_large": 1018,
    "invalid": 1019,
    "too_many": 1020,
    "username_taken": 1021,
    "email_taken": 1022,
    "bad_credentials": 1023,
    "wrong_password": 1024,
    "search_off": 1025,
}

_UNKNOWN: Final = frozenset({"unknown_channel", "unknown_room", "unknown_user"})
_FORBIDDEN: Final = frozenset({"not_member", "not_owner", "guests_may_not"})


def of(error: object, *, is_rpc: bool = False) -> Error:
    """The error of a refusal. Outside of RPC the protocol has own numbers for missing and forbidden."""
    match error:
        case Refused(code=code) if not is_rpc and code in _UNKNOWN:
            return UNKNOWN_CHANNEL
        case Refused(code=code) if not is_rpc and code in _FORBIDDEN:
            return PERMISSION_DENIED
        case Refused(code=code, message=message):
            made: dict[str, Any] = {"code": NUMBERS[code], "message": f"{code} {message}"}
            if code == "too_many":
                made["temporary"] = True
            return made
        case Unavailable():
            message = "unavailable The server cannot do this now. Try again."
            return {"code": 100, "message": message, "temporary": True}
        case _:
            return INTERNAL
