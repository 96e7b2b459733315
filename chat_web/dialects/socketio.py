"""P2, the pair chat over Socket.IO 4: events ``search``, ``message``, ``skip``, with acknowledgements.

A frame is an Engine.IO packet as it stands on a WebSocket, ``42["search"]``; each
ends with the separator that long polling puts between two. python-socketio reads
and writes what is inside. Quirks of the old client: it searches by itself, and
whoever has no partner waits in no line until it does.

Kept out: how packets travel (``sockets.engine``).
"""

import re
from typing import Any, Final

import attrs
import msgspec
from socketio import packet

from chat_core import (
    ANONYMOUS,
    ChatError,
    Conversation,
    ConversationId,
    Event,
    LeaveReason,
    Matched,
    MessagePosted,
    PartnerLeft,
    Person,
    Personal,
    Post,
    Refused,
    Room,
    Search,
    Skip,
)
from chat_web.dialects.intents import (
    Address,
    Authenticate,
    Authenticated,
    Barrier,
    Dialect,
    Disconnect,
    Execute,
    FinishedFrames,
    Follow,
    IntentResult,
    Intents,
    Ponged,
    RejectFrame,
    Send,
    Unfollow,
)
from chat_web.encoding.strict_json import NotUnderstood, decoded, encoded

SEPARATOR: Final = "\x1e"  # JSON escapes it, so that no packet holds one
ATTACHMENTS_MAX: Final = 10  # of one packet; they are passed over, not kept

_REASONS: Final = {LeaveReason.LEFT: "skipped", LeaveReason.DISCONNECTED: "disconnected"}
_PING: Final = "2"
_PONG: Final = "3"
_MESSAGE: Final = "4"
_BINARY: Final = "b"
_OK: Final = {"ok": True}
_NAMESPACE: Final = re.compile(r"/[A-Za-z0-9_./-]{0,64}")  # what may be named in an answer
_ACK: Final = re.compile(r"42([0-9]{1,15})\[")


class _Json:
    """How python-socketio is to read and write JSON."""

    _any: Final = msgspec.json.Decoder(Any)

    @classmethod
    def loads(cls, text: str) -> Any:
        return decoded(cls._any, text)

    @classmethod
    def dumps(cls, value: Any, **_: Any) -> str:
        return encoded(value).decode()


class _Packet(packet.Packet):  # type: ignore[misc]  # it has no types
    """A packet of Socket.IO."""

    json = _Json


class InterestsArgument(msgspec.Struct):
    interests: list[str] | None = None


class TextArgument(msgspec.Struct):
    message: str


@attrs.define
class ClientState:
    """The person of the connection, and its state."""

    person: Person | None = None
    is_introducing: bool = False
    room: ConversationId | None = None
    is_skipping: bool = False
    attachments: int = 0  # that are still to come, and to be passed over


@attrs.frozen
class _Asked:
    """The request of an answer: the acknowledgement number, if any, and the event."""

    ack: int | None
    event: str = ""


_CONNECT: Final = _Asked(None, "connect")
_HOLE: Final = _Asked(None, "hole")


def _frames(event: Event, conversation: Conversation) -> tuple[bytes | None, bytes | None]:
    if isinstance(event, MessagePosted):
        return None, _event("message", event.message.content)  # the partner alone gets it
    return None, None


class SocketIO(Dialect):
    """The dialect; one object serves every connection."""

    name = "socketio"
    ping_frame = (_PING + SEPARATOR).encode()
    encoder = FinishedFrames(_frames)

    def client_state(self) -> ClientState:
        return ClientState()

    def received(self, client: ClientState, text: str) -> Intents:
        if text == _PONG:
            return (Ponged(),)
        if text.startswith(_BINARY):
            return self._attached(client)
        client.attachments = 0
        if not text.startswith(_MESSAGE):
            return _not_understood(client)
        try:
            read = _Packet(encoded_packet=text[1:])
        except (NotUnderstood, ValueError):
            return _not_understood(client)
        if read.attachment_count <= ATTACHMENTS_MAX:
            client.attachments = read.attachment_count
        if read.namespace not in (None, "/"):
            return self._elsewhere(client, read)
        match read.packet_type:
            case packet.CONNECT if not client.is_introducing and client.person is None:
                client.is_introducing = True
                return (Authenticate("", _CONNECT),)
            case packet.DISCONNECT:
                return (Disconnect(1000, "goodbye"),)
            case packet.EVENT if client.is_introducing:
                return (Barrier(text),)
            case packet.EVENT if client.person is not None:
                return self._asked(client, read)
            case packet.BINARY_EVENT:
                return _not_understood(client, read.id)
        return _not_understood(client)

    def refused(self, text: str, error: Refused) -> Intents:
        ack = _ACK.match(text)
        return (Send(_refusal(None if ack is None else int(ack[1]), error.code, error.message)),)

    def answered(self, client: ClientState, ref: Any, answer: IntentResult, *, now: float) -> Intents:
        if isinstance(ref, str):  # it came before it was known who this is
            return self.received(client, ref)
        if not isinstance(ref, _Asked):
            raise TypeError("every question of P2 has a note")
        if ref is _CONNECT:
            return self._connected(client, answer)
        if ref is _HOLE:
            return self._gone(client, "disconnected") if isinstance(answer, ChatError) else ()
        if ref.event == "skip":
            client.is_skipping = False
            if isinstance(answer, Refused) and answer.code != "too_many" and client.room is None:
                # The partner was faster: what is left of the wish is to search.
                return (Execute(Search(lobby=ANONYMOUS), _Asked(ref.ack)),)
        match answer:
            case Refused(code=code, message=message):
                return (Send(_refusal(ref.ack, code, message)),)
            case ChatError():
                words = "The server cannot do this now. Try again."
                return (Send(_refusal(ref.ack, "unavailable", words)),)
            case _:
                return () if ref.ack is None else (Send(_acked(ref.ack, _OK)),)

    def pushed(self, client: ClientState, event: Personal, *, now: float) -> Intents:
        match event:
            case Matched(lobby="anonymous", room=room):
                client.room = room
                return (Send(_event("matched", {"sessionId": room})),)
            case PartnerLeft(room=room, reason=reason) if room == client.room:
                return self._gone(client, _REASONS.get(reason, "disconnected"))
            case _:
                return ()

    def unsubscribed(
        self, client: ClientState, conversation: ConversationId, *, recoverable: bool
    ) -> Intents:
        if conversation != client.room:
            return ()
        if recoverable:
            return (Follow(Address(id=conversation), ref=_HOLE),)
        client.room = None  # skipped, and the next search is under way
        return ()

    def follows_unasked(self, conversation: Conversation) -> bool:
        return isinstance(conversation, Room) and conversation.lobby == ANONYMOUS

    def _connected(self, client: ClientState, answer: IntentResult) -> Intents:
        client.is_introducing = False
        match answer:
            case Authenticated(person=person, connection=connection):
                client.person = person
                return (Send(_frame(packet.CONNECT, {"sid": connection})),)
            case Refused(code=code, message=message):
                told = {"message": message, "data": {"code": code}}
                return (Send(_frame(packet.CONNECT_ERROR, told)),)
            case _:
                told = {"message": "Try again in a moment.", "data": {"code": "unavailable"}}
                return (Send(_frame(packet.CONNECT_ERROR, told)),)

    def _elsewhere(self, client: ClientState, read: Any) -> Intents:
        """There is one namespace; a request for another is refused, and the connection stays."""
        if read.packet_type == packet.CONNECT and _NAMESPACE.fullmatch(read.namespace):
            told = {"message": "Invalid namespace"}
            return (Send(_frame(packet.CONNECT_ERROR, told, namespace=read.namespace)),)
        return _not_understood(client)

    def _attached(self, client: ClientState) -> Intents:
        """A binary attachment: of a packet that was refused already, or of none."""
        if not client.attachments:
            return _not_understood(client)
        client.attachments -= 1
        return ()

    def _asked(self, client: ClientState, read: Any) -> Intents:
        data = read.data
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            return _not_understood(client, read.id)
        given = data[1] if len(data) > 1 else None  # what comes behind is nobody's
        asked = _Asked(read.id, data[0])
        try:
            match data[0]:
                case "search":
                    wanted = msgspec.convert({} if given is None else given, InterestsArgument)
                    return (Execute(Search(lobby=ANONYMOUS, interests=tuple(wanted.interests or ())), asked),)
                case "message":
                    text = given if isinstance(given, str) else msgspec.convert(given, TextArgument).message
                    return self._said(client, asked, text)
                case "skip":
                    return self._skipped(client, asked)
        except msgspec.ValidationError:
            pass
        return _not_understood(client, read.id)

    def _said(self, client: ClientState, asked: _Asked, text: str) -> Intents:
        if client.room is None or client.is_skipping:
            return (Send(_refusal(asked.ack, "wrong_state", "You have no partner yet.")),)
        return (Execute(Post(conversation=client.room, content=text), asked),)

    def _skipped(self, client: ClientState, asked: _Asked) -> Intents:
        if client.room is None or client.is_skipping:  # waiting already, or about to
            return (Execute(Search(lobby=ANONYMOUS), _Asked(asked.ack)),)
        client.is_skipping = True
        return (Execute(Skip(room=client.room), asked),)

    def _gone(self, client: ClientState, reason: str) -> Intents:
        room, client.room = client.room, None
        if room is None:
            return ()
        return Unfollow(room), Send(_event("partner_left", {"reason": reason}))


def _not_understood(client: ClientState, ack: int | None = None) -> Intents:
    if client.person is None:  # to who is not connected there is nothing to say
        return (RejectFrame(None),)
    return (RejectFrame(_refusal(ack, "bad_request", "This packet was not understood.")),)


def _refusal(ack: int | None, code: str, message: str) -> bytes:
    """The answer to who asked for one, else the event ``error``."""
    if ack is None:
        return _event("error", {"code": code, "message": message})
    return _acked(ack, {"ok": False, "code": code, "message": message})


def _event(name: str, data: Any) -> bytes:
    return _frame(packet.EVENT, [name, data])


def _acked(ack: int, data: Any) -> bytes:
    return _frame(packet.ACK, [data], id=ack)


def _frame(kind: int, data: Any, **more: Any) -> bytes:
    return f"{_MESSAGE}{_Packet(kind, data, **more).encode()}{SEPARATOR}".encode()
