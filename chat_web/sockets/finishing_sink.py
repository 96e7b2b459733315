"""A sink before a pump: finishes for one connection what the encoder made for many.

Kept out: how it is finished (the dialect's ``finish``).
"""

from typing import Any

import attrs

from chat_core import ConversationId, Personal, Sink
from chat_web.dialects.intents import Finish

__all__ = ["FinishingSink"]


@attrs.frozen(kw_only=True, eq=False)
class FinishingSink:
    """Passes on everything to ``sink``, frames finished for this client of the dialect."""

    sink: Sink[bytes]
    finish: Finish
    client: Any

    def deliver(self, frames: Any) -> None:
        self.sink.deliver(self.finish(self.client, frames))

    def push(self, event: Personal) -> None:
        self.sink.push(event)

    def unsubscribed(self, conversation: ConversationId, *, recoverable: bool) -> None:
        self.sink.unsubscribed(conversation, recoverable=recoverable)

    def end(self, code: int, reason: str) -> None:
        self.sink.end(code, reason)
