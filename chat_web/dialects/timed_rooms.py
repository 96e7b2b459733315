"""P3, the room with a countdown: one connection for one room. Its notifications stand in ``notifications``.

Quirks of the old client: who declined an early keep has no frame here (it is an
HTTP route), and nothing tells of edits, deletions and reactions.
"""

from collections.abc import Sequence
from typing import Any, Final

import attrs
import msgspec

from chat_core import (
    BAD_REQUEST,
    REVOKED,
    SERVER_ERROR,
    Conversation,
    ConversationId,
    End,
    Event,
    Keep,
    KeepAsked,
    KeepDeclined,
    MemberLeft,
    Message,
    MessagePosted,
    Person,
    PersonTyped,
    Post,
    PresenceChanged,
    PresenceStatus,
    Recent,
    Recovery,
    Refused,
    Room,
    RoomEvent,
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
    Send,
    person_of,
)
from chat_web.encoding import wire

_FOLLOW: Final = object()


class TimedRoomFrame(msgspec.Struct):
    type: str
    content: str | None = None
    client_id: str | None = None


@attrs.define
class ClientState:
    """The person of the connection."""

    person: Person | None = None


def _frames(event: Event, conversation: Conversation) -> tuple[bytes | None, bytes | None]:
    """Messages and states for everybody; who types and who comes and goes for the others."""
    match event:
        case MessagePosted(message=message):
            return typed_frames.both(message, _shown(message))
        case KeepAsked() | KeepDeclined():  # nothing of what is shown has changed: a notification tells
            return None, None
        case RoomEvent():
            state = typed_frames.frame("room_state", **wire.room_after(event, conversation, now=event.at))
            return state, state
        case PersonTyped(person=person, is_typing=True):
            return None, typed_frames.frame("typing", user=wire.person(person))
        case MemberLeft(person=person):
            return None, typed_frames.frame("user_left", user=wire.person(person))
        case PresenceChanged(by=str(by), person=person, status=status) if conversation.member(by):
            is_here = status is PresenceStatus.ONLINE
            return None, typed_frames.frame(
                "user_joined" if is_here else "user_left", user=wire.person(person)
            )
        case _:  # who has left already went with that
            return None, None


@attrs.frozen(kw_only=True)
class TimedRooms(typed_frames.TypedFrames):
    """The dialect of P3, in one room."""

    room: ConversationId

    name = "timed_rooms"
    encoder = FinishedFrames(_frames)
    decoder = msgspec.json.Decoder(TimedRoomFrame)

    def client_state(self) -> ClientState:
        return ClientState()

    def opened(self, client: ClientState, authenticated: Authenticated | None) -> Intents:
        client.person = person_of(authenticated)
        return (self._follow(),)

    def asked(self, client: ClientState, frame: TimedRoomFrame) -> Intents:
        ref = typed_frames.Ref(frame.client_id)
        match frame:
            case TimedRoomFrame(type="message", content=str(content)):
                return (
                    Execute(Post(conversation=self.room, content=content, client_id=frame.client_id), ref),
                )
            case TimedRoomFrame(type="typing"):
                return (Execute(Type(conversation=self.room), ref),)
            case TimedRoomFrame(type="keep"):
                return (Execute(Keep(room=self.room), ref),)
            case TimedRoomFrame(type="end"):
                return (Execute(End(room=self.room), ref),)
            case _:
                return (typed_frames.not_understood("Send a message with content, typing, keep or end."),)

    def answered(self, client: ClientState, ref: Any, answer: IntentResult, *, now: float) -> Intents:
        if isinstance(ref, typed_frames.Ref):
            return typed_frames.carried_out(ref, answer, _shown)
        match answer:
            case Recovery(conversation=Room() as room, messages=messages):
                return self._history(client, messages), self._state(client, room, now)
            case Refused(message=message):
                return typed_frames.refusal(answer), Disconnect(*BAD_REQUEST.because(message))
            case _:
                return (Disconnect(*SERVER_ERROR),)

    def unsubscribed(
        self, client: ClientState, conversation: ConversationId, *, recoverable: bool
    ) -> Intents:
        if recoverable:  # the log has a hole: begin again with what there is
            return (self._follow(),)
        return (Disconnect(*REVOKED.because("this room is no longer yours")),)

    def _follow(self) -> Follow:
        return Follow(Address(id=self.room), ref=_FOLLOW, recent=Recent())

    def _history(self, client: ClientState, messages: Sequence[Message]) -> Send:
        me = None if client.person is None else client.person.id
        shown = [
            typed_frames.marked_own(message, _shown(message)) if message.by == me else _shown(message)
            for message in messages
            if not message.deleted
        ]
        return typed_frames.send("history", messages=shown)

    def _state(self, client: ClientState, room: Room, now: float) -> Send:
        me = None if client.person is None else client.person.id
        return typed_frames.send("room_state", **wire.room(room, now=now, me=me))


def _shown(message: Message) -> dict[str, Any]:
    return {
        "type": "message",
        "id": message.id,
        "seq": message.seq,
        "room_id": message.conversation,
        "user": wire.person(message.author),
        "content": message.content,
        "attachments": list(message.attachments),
        "timestamp": wire.stamp(message.created_at),
    }
