"""A message: the text that a person wrote, and its reactions."""

from collections.abc import Mapping

import attrs

from chat_core.model.ids import ConversationId, MessageId, PersonId
from chat_core.model.person import Card
from chat_core.model.values import value


@value(order=True)
class Cursor:
    """The position of a message across conversations: by time, in a stable order."""

    at: float
    conversation: ConversationId
    seq: int


@value(kw_only=True)
class Message:
    """One message in its current state.

    ``by`` is the author's real id and is never shown; ``author`` is the card that
    others see. ``client_id`` makes a repeated post idempotent, and ``digest`` shows
    whether its body is the same (removed when the text is deleted). A deleted
    message is a tombstone: its ``content`` is empty.
    """

    id: MessageId
    conversation: ConversationId
    seq: int
    by: PersonId
    author: Card
    content: str
    created_at: float
    reply_to: MessageId | None = None
    attachments: tuple[str, ...] = ()
    reactions: Mapping[str, tuple[PersonId, ...]] = attrs.field(factory=dict)
    edited_at: float | None = None
    deleted: bool = False
    client_id: str | None = None
    digest: str | None = None

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.created_at, self.conversation, self.seq)
