"""P0, the anonymous pair: JSON frames ``system`` and ``message``, or bare text.

The client only talks: the dialect puts it in the ``anonymous`` lobby when it
comes, when its partner is gone, and when it skips. Quirks of the old client:
bare text is a message, and nothing has an id.
"""

import enum
from typing import Any, Final

import attrs
import msgspec

from chat_core import (
    ANONYMOUS,
    INSUFFICIENT_STATE,
    ChatError,
    Committed,
    Conversation,
    ConversationId,
    Event,
    Matched,
    MessagePosted,
    Notification,
    NotificationKind,
    PartnerLeft,
    Person,
    Personal,
    Placed,
    Post,
    Recovery,
    Refused,
    Room,
    Search,
    Skip,
    Waiting,
)
from chat_web.dialects.intents import (
    Address,
    AskInitialState,
    Authenticated,
    Barrier,
    Dialect,
    Disconnect,
    Execute,
    FinishedFrames,
    Follow,
    InitialStateResult,
    IntentResult,
    Intents,
    RejectFrame,
    Send,
    Unfollow,
    person_of,
)
from chat_web.encoding.strict_json import NotUnderstood, decoded, encoded
from chat_web.transports.frames import text_frame

SENTENCES: Final = {
    "connected": "You are connected.",
    "waiting": "Waiting for somebody to talk to.",
    "paired": "You are now talking to a stranger. Say hello!",
    "partner_left": "Your partner has left.",
}


class AnonymousFrame(msgspec.Struct):
    type: str
    message: str = ""


@attrs.define
class ClientState:
    """The person of the connection, and its state."""

    person: Person | None = None
    room: ConversationId | None = None
    is_settled: bool = False  # it is known whether there is a room from before
    has_waited: bool = False  # ``waiting`` was said since the last partner
    is_skipping: bool = False


class Ref(enum.Enum):
    """The request that an answer belongs to."""

    RETURN = enum.auto()  # follow the room that the person has
    SKIP = enum.auto()


def _frames(event: Event, conversation: Conversation) -> tuple[bytes | None, bytes | None]:
    """A message goes to the partner alone; nothing else of a conversation has a frame here."""
    if isinstance(event, MessagePosted):
        return None, _message(event)
    return None, None


class AnonymousPair(Dialect):
    """The dialect of P0."""

    name = "anonymous"
    encoder = FinishedFrames(_frames)
    decoder = msgspec.json.Decoder(AnonymousFrame)

    def client_state(self) -> ClientState:
        return ClientState()

    def opened(self, client: ClientState, authenticated: Authenticated | None) -> Intents:
        client.person = person = person_of(authenticated)
        return _say("connected", user_id=person.id), AskInitialState()

    def received(self, client: ClientState, text: str) -> Intents:
        if not client.is_settled:  # it may be for a partner from before
            return (Barrier(text),)
        content = text
        if text.lstrip(" \t\r\n").startswith("{"):
            try:
                frame = decoded(self.decoder, text)
            except NotUnderstood:
                return (RejectFrame(_error("bad_request", "This frame was not understood.")),)
            if frame.type == "skip":
                return self._skip(client)
            if frame.type != "message":
                return (RejectFrame(_error("bad_request", "Send a message or skip.")),)
            content = frame.message
        if client.room is None:
            return (_say_error("wrong_state", "You have no partner yet."),)
        return (Execute(Post(conversation=client.room, content=content)),)

    def refused(self, text: str, error: Refused) -> Intents:
        return (_say_error(error.code, error.message),)

    def answered(self, client: ClientState, ref: Any, answer: IntentResult, *, now: float) -> Intents:
        if isinstance(ref, str):
            client.is_settled = True
            return self.received(client, ref)
        if ref is Ref.SKIP:
            client.is_skipping = False
        if isinstance(answer, Committed):  # first: it comes most often, and there is nothing to say
            return ()
        match answer:
            case InitialStateResult():
                client.is_settled = True
                return self._initial_state(client, answer)
            case Recovery(events=events):
                missed = [event for event in events if isinstance(event, MessagePosted)]
                theirs = [event for event in missed if event.by != _id(client)]
                return _say("paired"), *(Send(_message(event)) for event in theirs)
            case Placed(room=None) if not client.has_waited:
                client.has_waited = True
                return (_say("waiting"),)
            case ChatError() if ref is Ref.RETURN:
                client.room = None  # it ended meanwhile
                return (Execute(Search(lobby=ANONYMOUS)),)
            case Refused(code=code, message=message):
                return (_say_error(code, message),)
            case ChatError():
                return (_say_error("unavailable", "The server cannot do this now. Try again."),)
            case _:
                return ()

    def pushed(self, client: ClientState, event: Personal, *, now: float) -> Intents:
        match event:
            case Waiting(lobby="anonymous") if not client.has_waited:
                client.has_waited = True
                return (_say("waiting"),)
            case Matched(lobby="anonymous", room=room):
                before = () if client.has_waited else (_say("waiting"),)
                client.room = room
                client.has_waited = False
                return *before, _say("paired")
            case PartnerLeft(room=room) if room == client.room:
                client.room = None
                return Unfollow(room), _say("partner_left"), Execute(Search(lobby=ANONYMOUS, again=True))
            case Notification(kind=NotificationKind.ROOM_ENDED, room=room) if room.id == client.room:
                client.room = None  # ended by the person itself, from another connection
                return Unfollow(room.id), Execute(Search(lobby=ANONYMOUS))
            case _:
                return ()

    def unsubscribed(
        self, client: ClientState, conversation: ConversationId, *, recoverable: bool
    ) -> Intents:
        if conversation != client.room:
            return ()
        if recoverable:
            return (Disconnect(*INSUFFICIENT_STATE),)
        client.room = None
        # Left from another connection, if not by a skip: here the person goes on searching.
        return () if client.is_skipping else (Execute(Search(lobby=ANONYMOUS)),)

    def follows_unasked(self, conversation: Conversation) -> bool:
        return isinstance(conversation, Room) and conversation.lobby == ANONYMOUS

    def _skip(self, client: ClientState) -> Intents:
        if client.is_skipping or (client.room is None and client.has_waited):
            return ()
        if client.room is None:  # in no line: an earlier search was refused
            return (Execute(Search(lobby=ANONYMOUS)),)
        client.is_skipping = True
        return (Execute(Skip(room=client.room), Ref.SKIP),)

    def _initial_state(self, client: ClientState, found: InitialStateResult) -> Intents:
        if client.room is not None:
            return ()  # paired while the question was under way
        for room in found.initial_state.rooms:
            if room.lobby == ANONYMOUS:
                client.room = room.id
                return (Follow(Address(id=room.id), found.last_positions.get(room.id), Ref.RETURN),)
        waiting = found.initial_state.waiting
        if waiting is not None and waiting.lobby == ANONYMOUS:  # its place was kept
            was_told, client.has_waited = client.has_waited, True
            return () if was_told else (_say("waiting"),)
        return (Execute(Search(lobby=ANONYMOUS)),)


def _id(client: ClientState) -> str:
    return "" if client.person is None else client.person.id


def _message(event: MessagePosted) -> bytes:
    return text_frame(encoded({"type": "message", "message": event.message.content}))


def _say(event: str, **more: str) -> Send:
    frame = {"type": "system", "message": SENTENCES[event], "event": event, **more}
    return Send(text_frame(encoded(frame)))


def _say_error(code: str, message: str) -> Send:
    return Send(_error(code, message))


def _error(code: str, message: str) -> bytes:
    frame = {"type": "system", "message": message, "event": "error", "code": code}
    return text_frame(encoded(frame))
