"""What P5 remembers about one connection, and the names under which that client knows conversations."""

import attrs

from chat_core import Channel, Conversation, ConversationId, Personal
from chat_web.dialects.centrifugal import publications
from chat_web.dialects.centrifugal.encoding import ChannelLines
from chat_web.dialects.intents import Authenticated


@attrs.define
class ClientState:
    """One client: who it is, and which names it subscribed to."""

    authenticated: Authenticated | None = None
    is_connecting: bool = False
    early: list[Personal] = attrs.field(factory=list)  # heard while connecting
    subscriptions: dict[str, ConversationId] = attrs.field(factory=dict)
    # Only where channels are open to all: names of channels as they were subscribed to, and
    # those of them that have ended, whose name is kept for what waits to be sent.
    names: dict[str, str] = attrs.field(factory=dict)
    ended: dict[str, None] = attrs.field(factory=dict)

    def name_of(self, conversation: Conversation) -> str:
        """Under which name this client knows a conversation."""
        if isinstance(conversation, Channel) and conversation.name in self.names:
            return self.names[conversation.name]
        return publications.name_of(conversation)


def under_own_names(client: ClientState, frames: bytes | ChannelLines) -> bytes:
    """The joined frames, under the names that this client subscribed to."""
    if isinstance(frames, bytes):
        return frames
    return frames.under(client.names.get(frames.channel) or f"channel:{frames.channel}")


def own_name(client: ClientState) -> str:
    return "" if client.authenticated is None else f"user:{client.authenticated.person.id}"
