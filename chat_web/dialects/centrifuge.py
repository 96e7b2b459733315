"""P5, the Centrifugal client protocol v2 in JSON, as the official SDKs speak it.

A frame holds commands, one a line; replies carry the command's id, pushes none.
The encoder makes lines, and joins them into one frame. What a publication holds
stands in ``publications``, what an RPC means in ``rpc``. Kept out: HTTP
streaming and SSE, protobuf, delta, map and shared-poll subscriptions (108).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import msgspec

from chat_core import (
    VERSION,
    BadToken,
    Channel,
    ChatError,
    Conversation,
    ConversationId,
    Done,
    Encoder,
    Event,
    Passing,
    Personal,
    PersonTyped,
    Position,
    Post,
    Receipt,
    Recovery,
    Refused,
    Room,
    TokenExpired,
)
from chat_web import wire
from chat_web.dialects.centrifugal import errors, publications, rpc
from chat_web.dialects.centrifugal.commands import (
    Command,
    Connect,
    History,
    Numbered,
    Presence,
    Publish,
    Refresh,
    Subscribe,
    Unsubscribe,
)
from chat_web.intents import (
    Address,
    Answer,
    Ask,
    AskAttendance,
    AskChannel,
    AskHistory,
    AskStanding,
    Attendance,
    Complain,
    Follow,
    HangUp,
    Intents,
    Introduce,
    Introduced,
    Page,
    Ponged,
    Renew,
    Say,
    ShowNotices,
    Stands,
    Turn,
    Unfollow,
)
from chat_web.json import NotUnderstood, decoded, glimpsed
from chat_web.sockets.frames import text_frame

PING_S: Final = 25
COMMANDS_MAX: Final = 256  # in one frame; more than a connection may have subscriptions
_DECODER: Final = msgspec.json.Decoder(Command)
_NUMBERED: Final = msgspec.json.Decoder(Numbered)
_encode = msgspec.json.Encoder().encode


@attrs.define
class Session:
    """One client: who it is, and which names it subscribed to."""

    introduced: Introduced | None = None
    is_connecting: bool = False
    early: list[Personal] = attrs.field(factory=list)  # heard while connecting
    subscriptions: dict[str, ConversationId] = attrs.field(factory=dict)


@attrs.frozen
class _Ref:
    """What an answer belongs to: the command and its id."""

    id: int
    command: Any


class _Encoder:
    """One line an event, the same for everybody but who types."""

    def encode(self, event: Event, conversation: Conversation) -> tuple[bytes | None, bytes | None]:
        publication = publications.publication(event, conversation, now=event.at)
        if publication is None:
            return None, None
        line = _push(publications.name_of(conversation), pub=publication)
        if isinstance(event, PersonTyped):
            return None, line
        if isinstance(event, Passing) and (attendance := publications.attendance(event)) is not None:
            line += b"\n" + _push(publications.name_of(conversation), **attendance)
        return line, line

    def join(self, frames: Sequence[bytes]) -> bytes:
        return text_frame(b"\n".join(frames))


class Centrifuge:
    """The dialect of P5 over WebSocket."""

    name = "centrifuge"
    message_bytes_max = 64 * 1024
    pings_itself = True
    encoder: Encoder[bytes] = _Encoder()

    def session(self) -> Session:
        return Session()

    def opened(self, session: Session, introduced: Introduced | None) -> Intents:
        return ()

    def received(self, session: Session, text: str) -> Intents:
        if "\n" not in text:
            return self._line(session, text)
        lines = [line for line in text.split("\n") if line]
        if len(lines) > COMMANDS_MAX:
            return (Complain(_reply(0, error=errors.BAD_REQUEST)),)
        return tuple(intent for line in lines for intent in self._line(session, line))

    def refused(self, text: str, error: Refused) -> Intents:
        shown = errors.of(error)
        lines = text.split("\n", COMMANDS_MAX)[:COMMANDS_MAX]
        return tuple(Say(_reply(id, error=shown)) for id in dict.fromkeys(map(_id_of, lines)))

    def answered(self, session: Session, ref: Any, answer: Answer, *, now: float) -> Intents:
        if not isinstance(ref, _Ref):
            raise TypeError("every answer belongs to a command")
        if isinstance(answer, Receipt) and isinstance(ref.command, Publish):  # first: it comes most often
            return (Say(b'{"id":%d,"publish":{}}' % ref.id),)
        match ref.command:
            case Connect():
                return self._connected(session, ref.id, answer, now)
            case Subscribe() if isinstance(answer, Done):
                return self._subscribe(session, ref)
            case Subscribe():
                return self._subscribed(session, ref.id, ref.command, answer, now)
            case Unsubscribe(channel=name):
                known = session.subscriptions.pop(name, None)
                done = Say(_reply(ref.id, unsubscribe={}))
                return (done,) if known is None else (Unfollow(known), done)
            case Refresh() if isinstance(answer, TokenExpired):
                return (Say(_reply(ref.id, error=errors.TOKEN_EXPIRED)),)
            case Refresh() if isinstance(answer, BadToken):
                return (HangUp(3500, "invalid token"),)
        if isinstance(answer, ChatError):
            is_rpc = isinstance(ref.command, rpc.Call)
            return (Say(_reply(ref.id, error=errors.of(answer, is_rpc=is_rpc))),)
        match ref.command, answer:
            case History(), Page():
                return (Say(_history(ref.id, ref.command, answer, now)),)
            case Presence(is_stats=is_stats), Attendance():
                return (Say(_presence(ref.id, answer, is_stats)),)
            case Refresh(), Introduced():
                session.introduced = answer
                return (Say(_reply(ref.id, refresh=_client(answer))),)
            case rpc.Call(), _:
                me = None if session.introduced is None else session.introduced.person.id
                data = rpc.result(ref.command, answer, now=now, me=me)
                return (Say(_reply(ref.id, rpc={"data": data})),)
            case _:
                return (Say(_reply(ref.id, error=errors.INTERNAL)),)

    def heard(self, session: Session, event: Personal, *, now: float) -> Intents:
        if session.is_connecting:
            session.early.append(event)
            return ()
        data = publications.personal(event, now=now)
        if data is None or session.introduced is None:
            return ()
        return (Say(_push(_own_name(session), pub={"data": data})),)

    def lost(self, session: Session, conversation: ConversationId, *, may_follow: bool) -> Intents:
        names = [name for name, known in session.subscriptions.items() if known == conversation]
        for name in names:
            del session.subscriptions[name]
        why = (
            {"code": 2500, "reason": "insufficient state"}
            if may_follow
            else {"code": 2000, "reason": "server unsubscribe"}
        )
        return tuple(Say(_push(name, unsubscribe=why)) for name in names)

    def follows_unasked(self, conversation: Conversation) -> bool:
        return False

    def ping(self) -> bytes:
        return b"{}"

    # Commands

    def _line(self, session: Session, line: str) -> Intents:
        if line.strip() == "{}":
            return (Ponged(),)
        try:
            command = decoded(_DECODER, line)
        except NotUnderstood:
            return (Complain(_reply(_id_of(line), error=errors.BAD_REQUEST)),)
        asked = command.asked()
        if asked is None:
            return (Complain(_reply(command.id, error=errors.BAD_REQUEST)),)
        if command.id == 0 and command.send is None:
            return (Complain(_reply(0, error=errors.BAD_REQUEST)),)
        if isinstance(asked, Connect):
            if session.introduced is not None or session.is_connecting:
                return (HangUp(3501, "bad request: connected already"),)
            session.is_connecting = True
            return (Introduce(asked.token, _Ref(command.id, asked)),)
        if session.introduced is None and not session.is_connecting:
            return (HangUp(3501, "bad request: connect first"),)
        if command.send is not None:  # there is nobody here to whom it means anything
            return ()
        return self._command(session, _Ref(command.id, asked))

    def _command(self, session: Session, ref: _Ref) -> Intents:
        match ref.command:
            case Publish():
                return self._publish(session, ref)
            case Subscribe() | Unsubscribe():  # they mean what stands once those before them are done
                return (Turn(ref),)
            case Presence(channel=name):
                return (AskAttendance(_address(name), ref),)
            case History():
                return self._history(ref)
            case Refresh(token=token):
                return (Renew(token, ref),)
            case dict():
                return (Say(_reply(ref.id, ping={})),)
            case _:
                return self._rpc(session, ref)

    def _subscribe(self, session: Session, ref: _Ref) -> Intents:
        asked: Subscribe = ref.command
        name = asked.channel
        if name in session.subscriptions or name == _own_name(session):
            return (Say(_reply(ref.id, error=errors.ALREADY_SUBSCRIBED)),)
        if asked.delta or asked.type:
            return (Say(_reply(ref.id, error=errors.NOT_AVAILABLE)),)
        since = Position(epoch=asked.epoch, seq=asked.offset) if asked.recover else None
        return (Follow(_address(name), since, ref),)

    def _publish(self, session: Session, ref: _Ref) -> Intents:
        asked: Publish = ref.command
        body = asked.data
        known = session.subscriptions.get(asked.channel)
        if known is not None:
            return (Ask(Post(conversation=known, content=body.content, client_id=body.client_id), ref),)
        address = _address(asked.channel)

        def post(conversation: ConversationId) -> Post:
            return Post(conversation=conversation, content=body.content, client_id=body.client_id)

        if address.channel:
            return (AskChannel(address.channel, post, ref),)
        return (Ask(post(address.id), ref),)

    def _history(self, ref: _Ref) -> Intents:
        asked: History = ref.command
        since = asked.since.offset if asked.since is not None else 0
        limit = publications.PAGE_MAX if asked.limit < 0 else min(asked.limit, publications.PAGE_MAX)
        return (AskHistory(_address(asked.channel), since, limit, is_newest_first=asked.reverse, ref=ref),)

    def _rpc(self, session: Session, ref: _Ref) -> Intents:
        try:
            call = rpc.understood(ref.command)
        except NotUnderstood as wrong:
            refusal = Refused("bad_request", f"The data of {ref.command.method} is wrong: {wrong}.")
            return (Complain(_reply(ref.id, error=errors.of(refusal, is_rpc=True))),)
        if call is None:
            return (Say(_reply(ref.id, error=errors.NOT_AVAILABLE)),)
        if call.channel:
            return (AskChannel(call.channel, call.command_for, _Ref(ref.id, call)),)
        return (Ask(call.command_for(call.conversation), _Ref(ref.id, call)),)

    # Answers

    def _connected(self, session: Session, id: int, answer: Answer, now: float) -> Intents:
        match answer:
            case TokenExpired():
                session.is_connecting = False
                return (Say(_reply(id, error=errors.TOKEN_EXPIRED)),)
            case BadToken():
                return (HangUp(3500, "invalid token"),)
            case Introduced():
                session.introduced = answer
                return ShowNotices(), AskStanding(_Ref(id, Connect()))
            case Stands() if session.introduced is not None:
                session.is_connecting = False
                data = publications.standing(session.introduced.person, answer.standing, now=now)
                result = {
                    **_client(session.introduced),
                    "ping": PING_S,
                    "pong": True,
                    "data": data,
                    "subs": {_own_name(session): {}},
                }
                early = [pushed for event in session.early for pushed in self.heard(session, event, now=now)]
                session.early.clear()
                return Say(_reply(id, connect=result)), *early
            case Refused():
                session.is_connecting = False
                return (Say(_reply(id, error=errors.of(answer, is_rpc=True))),)
            case _:
                return (HangUp(3004, "server error: come back"),)

    def _subscribed(self, session: Session, id: int, asked: Subscribe, answer: Answer, now: float) -> Intents:
        if not isinstance(answer, Recovery):
            error = errors.of(answer) if isinstance(answer, ChatError) else errors.INTERNAL
            return (Say(_reply(id, error=error)),)
        conversation = answer.conversation
        if publications.name_of(conversation) != asked.channel:
            refusal = Say(_reply(id, error=errors.UNKNOWN_CHANNEL))
            if conversation.id in session.subscriptions.values():  # under its right name
                return (refusal,)
            return Unfollow(conversation.id), refusal
        session.subscriptions[asked.channel] = conversation.id
        result: dict[str, Any] = {
            "recoverable": True,
            "positioned": True,
            "epoch": conversation.epoch,
            "offset": answer.offset,
        }
        if asked.recover:
            result["was_recovering"] = True
            result["recovered"] = answer.recovered
            result["publications"] = [
                publications.publication(event, conversation, now=now) for event in answer.events
            ]
        return (Say(_reply(id, subscribe=result)),)


def _address(name: str) -> Address:
    kind, _, rest = name.partition(":")
    return Address(channel=rest) if kind == "channel" and rest else Address(id=rest if kind == "room" else "")


def _own_name(session: Session) -> str:
    return "" if session.introduced is None else f"user:{session.introduced.person.id}"


def _client(introduced: Introduced) -> dict[str, Any]:
    result: dict[str, Any] = {"client": introduced.connection, "version": f"Parley {VERSION}"}
    if introduced.expires_in_s is not None:
        result["expires"] = True
        result["ttl"] = max(1, int(introduced.expires_in_s))
    return result


def _history(id: int, asked: History, page: Page, now: float) -> bytes:
    conversation = page.conversation
    if asked.since is not None and asked.since.epoch not in ("", conversation.epoch):
        return _reply(id, error=errors.UNRECOVERABLE)
    shown = [publications.publication(event, conversation, now=now) for event in page.events]
    result = {"publications": shown, "offset": conversation.head, "epoch": conversation.epoch}
    return _reply(id, history=result)


def _presence(id: int, attendance: Attendance, is_stats: bool) -> bytes:
    people = attendance.people.values()
    if is_stats:
        stats = {"num_clients": sum(count for _, count in people), "num_users": len(people)}
        return _reply(id, presence_stats=stats)
    clients: dict[str, Mapping[str, Any]] = {}
    for card, count in people:
        for n in range(count):
            client = card.id if n == 0 else f"{card.id}.{n + 1}"
            clients[client] = {"client": client, "user": card.id, "conn_info": wire.person(card)}
    return _reply(id, presence={"presence": clients})


def _id_of(line: str) -> int:
    """The id of a command that is not to be carried out, 0 where it has none."""
    numbered = glimpsed(_NUMBERED, line)
    return 0 if numbered is None else numbered.id


def _reply(id: int, **result: Any) -> bytes:
    return _encode({"id": id, **result})


def _push(channel: str, **what: Any) -> bytes:
    return _encode({"push": {"channel": channel, **what}})


__all__ = ["Centrifuge", "Channel", "Room", "Session"]
