"""P4, the open room: one connection for one conversation, which opening it joins.

Quirks of the old client: nothing of the past is sent (``GET /api/rooms/{id}/messages``
has it), and nothing tells of edits, deletions and reactions.
"""

from typing import Any, Final

import attrs
import msgspec

from chat_core import (
    BAD_REQUEST,
    INSUFFICIENT_STATE,
    REVOKED,
    SERVER_ERROR,
    Card,
    ChannelChange,
    ChannelsChanged,
    Committed,
    Conversation,
    ConversationId,
    Event,
    JoinChannel,
    MemberLeft,
    Message,
    MessagePosted,
    Personal,
    PersonTyped,
    Post,
    PresenceChanged,
    PresenceStatus,
    Recovery,
    Refused,
    Type,
)
from chat_web.dialects import typed_frames
from chat_web.dialects.intents import (
    Address,
    Authenticated,
    Disconnect,
    Execute,
    FinishedFrames,
    Follow,
    IntentResult,
    Intents,
    Unfollow,
)
from chat_web.encoding import wire

_JOIN: Final = object()
_FOLLOW: Final = object()


class OpenRoomFrame(msgspec.Struct):
    type: str
    content: str | None = None
    is_typing: bool = True
    client_id: str | None = None


@attrs.define
class ClientState:
    """Nothing is remembered: the address says it all."""


def _frames(event: Event, conversation: Conversation) -> tuple[bytes | None, bytes | None]:
    """A message for everybody; who types and who comes and goes for the others."""
    match event:
        case MessagePosted(message=message):
            return typed_frames.both(message, _shown(message))
        case PersonTyped(person=person, is_typing=is_typing):
            return None, typed_frames.frame("typing", **_user(person), is_typing=is_typing)
        case MemberLeft(person=person):
            return None, typed_frames.frame("user_left", **_user(person))
        case PresenceChanged(by=str(by), person=person, status=status) if conversation.member(by):
            what = "user_joined" if status is PresenceStatus.ONLINE else "user_left"
            return None, typed_frames.frame(what, **_user(person))
        case _:  # of who only reads, or has left already, nothing is told
            return None, None


@attrs.frozen(kw_only=True)
class OpenRooms(typed_frames.TypedFrames):
    """The dialect of P4, in one conversation. ``joins``: the name of the channel that is to be joined."""

    room: ConversationId
    joins: str | None = None

    name = "open_rooms"
    encoder = FinishedFrames(_frames)
    decoder = msgspec.json.Decoder(OpenRoomFrame)

    def client_state(self) -> ClientState:
        return ClientState()

    def opened(self, client: ClientState, authenticated: Authenticated | None) -> Intents:
        follow = Follow(Address(id=self.room), ref=_FOLLOW)
        return (follow,) if self.joins is None else (Execute(JoinChannel(name=self.joins), _JOIN), follow)

    def asked(self, client: ClientState, frame: OpenRoomFrame) -> Intents:
        ref = typed_frames.Ref(frame.client_id)
        match frame:
            case OpenRoomFrame(type="message", content=str(content)):
                return (
                    Execute(Post(conversation=self.room, content=content, client_id=frame.client_id), ref),
                )
            case OpenRoomFrame(type="typing", is_typing=is_typing):
                return (Execute(Type(conversation=self.room, is_typing=is_typing), ref),)
            case _:
                return (typed_frames.not_understood("Send a message with content, or typing."),)

    def answered(self, client: ClientState, ref: Any, answer: IntentResult, *, now: float) -> Intents:
        if isinstance(ref, typed_frames.Ref):
            return typed_frames.carried_out(ref, answer, _shown)
        match answer:
            case Committed() | Recovery():
                return ()
            case Refused(code="guests_may_not") if ref is _JOIN:
                return ()  # guests may read
            case Refused(message=message):
                return typed_frames.refusal(answer), Disconnect(*BAD_REQUEST.because(message))
            case _:
                return (Disconnect(*SERVER_ERROR),)

    def pushed(self, client: ClientState, event: Personal, *, now: float) -> Intents:
        match event:
            case ChannelsChanged(change=ChannelChange.JOINED):
                return ()
            case ChannelsChanged(channel=channel, change=change) if channel.id == self.room:
                was = "was deleted" if change is ChannelChange.DELETED else "is no longer yours"
                return Unfollow(self.room), Disconnect(*REVOKED.because(f"this room {was}"))
            case _:
                return ()

    def unsubscribed(
        self, client: ClientState, conversation: ConversationId, *, recoverable: bool
    ) -> Intents:
        if recoverable:
            return (Disconnect(*INSUFFICIENT_STATE),)
        return (Disconnect(*REVOKED.because("this room is no longer yours")),)


def _user(person: Card) -> dict[str, str]:
    return {"user_id": person.id, "username": person.username}


def _shown(message: Message) -> dict[str, Any]:
    return {
        "type": "message",
        "id": message.id,
        "seq": message.seq,
        "room_id": message.conversation,
        **_user(message.author),
        "content": message.content,
        "created_at": wire.stamp(message.created_at),
    }
