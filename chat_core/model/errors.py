"""Errors, by whose fault they are.

    ChatError
    +-- Refused       the caller's fault, safe to show: a stable ``code`` and a sentence
    +-- Unavailable   Parley's fault, may be temporary: nothing happened, try again
    |   +-- WrongKeys  stored data was encrypted with a key that is not configured
    +-- Disconnected  the connection is over; its ``code`` says whether to come back
    +-- InvariantBroken  a bug in Parley: never shown, always reported

Not here: the HTTP status or close code for a code (a table of the adapter).
"""

from typing import Final, Literal, TypeAlias, get_args

Code: TypeAlias = Literal[
    "bad_credentials",
    "bad_request",
    "bad_token",
    "channel_exists",
    "channel_required",
    "client_id_reused",
    "email_taken",
    "guests_may_not",
    "invalid",
    "not_member",
    "not_owner",
    "not_yours",
    "nothing_to_answer",
    "owner_must_stay",
    "search_off",
    "too_large",
    "too_many",
    "unauthenticated",
    "unknown_channel",
    "unknown_lobby",
    "unknown_message",
    "unknown_room",
    "unknown_user",
    "username_taken",
    "wrong_password",
    "wrong_state",
]

CODES: Final[tuple[str, ...]] = get_args(Code)


class ChatError(Exception):
    """The base of every exception that chat_core raises on purpose."""


class Refused(ChatError):
    """The request is not allowed or not valid. Its ``str()`` is a sentence for people."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        retry_after_s: float | None = None,
        fields: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
        self.retry_after_s = retry_after_s
        self.fields = fields or {}


class Unavailable(ChatError):
    """A part that Parley needs does not answer. Nothing happened; the request may be repeated."""


class WrongKeys(Unavailable):
    """The database was encrypted with a key that is not configured."""


class Disconnected(ChatError):
    """The connection has ended. 3000-3499: reconnect; 3500-3999: do not."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class InvariantBroken(ChatError):
    """A state that must not occur: a bug. The operation stops before it does harm."""
