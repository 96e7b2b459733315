"""P5, the Centrifugal client protocol v2 in JSON, as the official SDKs speak it.

A frame holds commands, one a line; replies carry the command's id, pushes none.
The encoder makes lines, and frames them as the transport wants them
(``encoding``). What a publication holds stands in ``publications``, what an RPC
means in ``rpc``. Kept out: protobuf, delta, map and shared-poll subscriptions (108).
"""

from collections.abc import Callable
from typing import Any, Final

import attrs
import msgspec

from chat_core import (
    BAD_REQUEST,
    INVALID_TOKEN,
    SERVER_ERROR,
    BadToken,
    ChatError,
    Committed,
    ConversationId,
    Done,
    Encoder,
    Personal,
    Position,
    Post,
    PublishData,
    Recovery,
    Refused,
    TokenExpired,
)
from chat_web.dialects.centrifugal import encoding, errors, publications, replies, rpc
from chat_web.dialects.centrifugal.client_state import ClientState, own_name, under_own_names
from chat_web.dialects.centrifugal.commands import (
    Command,
    Connect,
    History,
    Numbered,
    OpenCommand,
    Presence,
    Publish,
    Published,
    PublishJson,
    RefreshRequest,
    SubRefresh,
    Subscribe,
    Unsubscribe,
)
from chat_web.dialects.centrifugal.encoding import (
    OVER_WEBSOCKET,
    Lines,
    disconnect,
    push,
    reply,
)
from chat_web.dialects.centrifugal.replies import Ticket
from chat_web.dialects.intents import (
    Address,
    AskHistory,
    AskInitialState,
    AskPresence,
    Authenticate,
    Authenticated,
    Barrier,
    Dialect,
    Disconnect,
    Execute,
    ExecuteInChannel,
    Finish,
    Follow,
    InitialStateResult,
    IntentResult,
    Intents,
    Page,
    Ponged,
    PresenceResult,
    Refresh,
    RejectFrame,
    Send,
    ShowNotifications,
    Unfollow,
)
from chat_web.encoding.strict_json import NotUnderstood, compact, decoded, glimpsed

PING_S: Final = 25
REJECT_UNRECOVERED: Final = 2  # a flag of subscribe: error 112 where not everything can be recovered
COMMANDS_MAX: Final = 256  # in one frame; more than a connection may have subscriptions
_DECODER: Final[msgspec.json.Decoder[Command]] = msgspec.json.Decoder(Command)
_NUMBERED: Final = msgspec.json.Decoder(Numbered)
_PUBLISHED: Final = msgspec.json.Decoder(Published)
_OPEN_DECODER: Final[msgspec.json.Decoder[Command]] = msgspec.json.Decoder(OpenCommand)


@attrs.frozen
class _Ref:
    """The request of an answer: the command and its id."""

    id: int
    command: Any


class Centrifuge(Dialect):
    """The dialect of P5, over the transport that ``lines`` are framed for.

    ``ticket`` is for transports whose commands come in requests of their own.
    ``open_to_all`` is P5.6: any name is a channel, and any JSON may be published.
    """

    name = "centrifuge"
    message_bytes_max = 64 * 1024
    ping_frame = b"{}"

    def __init__(
        self, lines: Lines = OVER_WEBSOCKET, *, ticket: Ticket | None = None, open_to_all: bool = False
    ) -> None:
        self._lines = lines
        self._ticket = ticket
        self._is_open = open_to_all
        self._decoder = _OPEN_DECODER if open_to_all else _DECODER

    @property
    def encoder(self) -> Encoder[Any]:
        return encoding.open_to_all(self._lines) if self._is_open else self._lines

    @property
    def finish(self) -> Finish | None:
        return under_own_names if self._is_open else None

    def close_frame(self, code: int, reason: str) -> bytes:
        """The last push, where the transport has no close codes of its own."""
        return self._lines.join((disconnect(code, reason),))

    def client_state(self) -> ClientState:
        return ClientState()

    def received(self, client: ClientState, text: str) -> Intents:
        if "\n" not in text:
            return self._line(client, text)
        lines = [line for line in text.split("\n") if line]
        if len(lines) > COMMANDS_MAX:
            return (RejectFrame(reply(0, error=errors.BAD_REQUEST)),)
        return tuple(intent for line in lines for intent in self._line(client, line))

    def refused(self, text: str, error: Refused) -> Intents:
        shown = errors.of(error)
        lines = text.split("\n", COMMANDS_MAX)[:COMMANDS_MAX]
        return tuple(Send(reply(id, error=shown)) for id in dict.fromkeys(map(_id_of, lines)))

    def answered(self, client: ClientState, ref: Any, answer: IntentResult, *, now: float) -> Intents:
        if not isinstance(ref, _Ref):
            raise TypeError("every answer belongs to a command")
        if isinstance(answer, Committed) and isinstance(ref.command, Publish):  # first: it comes most often
            return (Send(b'{"id":%d,"publish":{}}' % ref.id),)
        match ref.command:
            case Connect():
                return self._connected(client, ref.id, answer, now)
            case Subscribe() if isinstance(answer, Done):
                return self._subscribe(client, ref)
            case Subscribe():
                return self._subscribed(client, ref.id, ref.command, answer, now)
            case Unsubscribe(channel=name):
                known = self._ended(client, name)
                done = Send(reply(ref.id, unsubscribe={}))
                return (done,) if known is None else (Unfollow(known), done)
            case RefreshRequest() if isinstance(answer, TokenExpired):
                return (Send(reply(ref.id, error=errors.TOKEN_EXPIRED)),)
            case RefreshRequest() if isinstance(answer, BadToken):
                return (Disconnect(*INVALID_TOKEN),)
        if isinstance(answer, ChatError):
            is_rpc = isinstance(ref.command, rpc.Call)
            return (Send(reply(ref.id, error=errors.of(answer, is_rpc=is_rpc))),)
        match ref.command, answer:
            case History(), Page():
                return (Send(replies.history(ref.id, ref.command, answer, now)),)
            case Presence(is_stats=is_stats), PresenceResult():
                return (Send(replies.presence(ref.id, answer, is_stats)),)
            case RefreshRequest(), Authenticated():
                client.authenticated = answer
                return (Send(reply(ref.id, refresh=replies.client(answer))),)
            case rpc.Call(), _:
                me = None if client.authenticated is None else client.authenticated.person.id
                data = rpc.result(ref.command, answer, now=now, me=me)
                return (Send(reply(ref.id, rpc={"data": data})),)
            case _:
                return (Send(reply(ref.id, error=errors.INTERNAL)),)

    def pushed(self, client: ClientState, event: Personal, *, now: float) -> Intents:
        if client.is_connecting:
            client.early.append(event)
            return ()
        data = publications.personal(event, now=now)
        if data is None or client.authenticated is None:
            return ()
        return (Send(push(own_name(client), pub={"data": data})),)

    def unsubscribed(
        self, client: ClientState, conversation: ConversationId, *, recoverable: bool
    ) -> Intents:
        names = [name for name, known in client.subscriptions.items() if known == conversation]
        for name in names:
            self._ended(client, name)
        why = (
            {"code": 2500, "reason": "insufficient state"}
            if recoverable
            else {"code": 2000, "reason": "server unsubscribe"}
        )
        return tuple(Send(push(name, unsubscribe=why)) for name in names)

    # Commands

    def _line(self, client: ClientState, line: str) -> Intents:
        if line.strip() == "{}":
            return (Ponged(),)
        try:
            command = decoded(self._decoder, line)
        except NotUnderstood:
            return (RejectFrame(reply(_id_of(line), error=errors.BAD_REQUEST)),)
        asked = command.asked()
        if asked is None:
            return (RejectFrame(reply(command.id, error=errors.BAD_REQUEST)),)
        if command.id == 0 and command.send is None:
            return (RejectFrame(reply(0, error=errors.BAD_REQUEST)),)
        if isinstance(asked, Connect):
            if client.authenticated is not None or client.is_connecting:
                return (Disconnect(*BAD_REQUEST.because("already connected")),)
            client.is_connecting = True
            return (Authenticate(asked.token, _Ref(command.id, asked)),)
        if client.authenticated is None and not client.is_connecting:
            return (Disconnect(*BAD_REQUEST.because("connect first")),)
        if command.send is not None:  # there is nobody here to whom it means anything
            return ()
        return self._command(client, _Ref(command.id, asked))

    def _command(self, client: ClientState, ref: _Ref) -> Intents:
        match ref.command:
            case Publish():
                return self._publish(client, ref)
            case Subscribe() | Unsubscribe():  # they mean what stands once those before them are done
                return (Barrier(ref),)
            case Presence(channel=name):
                return (AskPresence(self._address(name), ref),)
            case History():
                return self._history(ref)
            case RefreshRequest(token=token):
                return (Refresh(token, ref),)
            case dict():
                return (Send(reply(ref.id, ping={})),)
            case SubRefresh():  # no subscription here has a token of its own
                return (Send(reply(ref.id, error=errors.NOT_AVAILABLE)),)
            case _:
                return self._rpc(client, ref)

    def _subscribe(self, client: ClientState, ref: _Ref) -> Intents:
        asked: Subscribe = ref.command
        name = asked.channel
        if name in client.subscriptions or name == own_name(client):
            return (Send(reply(ref.id, error=errors.ALREADY_SUBSCRIBED)),)
        if asked.delta or asked.type:
            return (Send(reply(ref.id, error=errors.NOT_AVAILABLE)),)
        address = self._address(name)
        if self._is_open and address.channel:
            for channel in client.ended:
                del client.names[channel]
            client.ended.clear()
            if address.channel in client.names:
                return (Send(reply(ref.id, error=errors.ALREADY_SUBSCRIBED)),)
            client.names[address.channel] = name
        since = Position(epoch=asked.epoch, seq=asked.offset) if asked.recover else None
        return (Follow(address, since, ref),)

    def _publish(self, client: ClientState, ref: _Ref) -> Intents:
        asked: Publish = ref.command
        known = client.subscriptions.get(asked.channel)
        try:
            post = _posting(asked)
        except NotUnderstood:
            return (RejectFrame(reply(ref.id, error=errors.BAD_REQUEST)),)
        if known is not None:
            return (Execute(post(known), ref),)
        address = self._address(asked.channel)
        if address.channel:
            return (ExecuteInChannel(address.channel, post, ref, may_make=address.may_make),)
        return (Execute(post(address.id), ref),)

    def _history(self, ref: _Ref) -> Intents:
        asked: History = ref.command
        since = asked.since.offset if asked.since is not None else 0
        limit = publications.PAGE_MAX if asked.limit < 0 else min(asked.limit, publications.PAGE_MAX)
        return (
            AskHistory(self._address(asked.channel), since, limit, is_newest_first=asked.reverse, ref=ref),
        )

    def _rpc(self, client: ClientState, ref: _Ref) -> Intents:
        try:
            call = rpc.understood(ref.command)
        except NotUnderstood as wrong:
            refusal = Refused("bad_request", f"The data of {ref.command.method} is wrong: {wrong}.")
            return (RejectFrame(reply(ref.id, error=errors.of(refusal, is_rpc=True))),)
        if call is None:
            return (Send(reply(ref.id, error=errors.NOT_AVAILABLE)),)
        if call.channel:
            return (ExecuteInChannel(call.channel, call.command_for, _Ref(ref.id, call)),)
        return (Execute(call.command_for(call.conversation), _Ref(ref.id, call)),)

    # Answers

    def _connected(self, client: ClientState, id: int, answer: IntentResult, now: float) -> Intents:
        match answer:
            case TokenExpired():
                client.is_connecting = False
                return (Send(reply(id, error=errors.TOKEN_EXPIRED)),)
            case BadToken():
                return (Disconnect(*INVALID_TOKEN),)
            case Authenticated():
                client.authenticated = answer
                return ShowNotifications(), AskInitialState(_Ref(id, Connect()))
            case InitialStateResult() if client.authenticated is not None:
                client.is_connecting = False
                data = publications.initial_state(client.authenticated.person, answer.initial_state, now=now)
                result = {
                    **replies.client(client.authenticated, self._ticket),
                    "ping": PING_S,
                    "pong": True,
                    "data": data,
                    "subs": {own_name(client): {}},
                }
                early = [pushed for event in client.early for pushed in self.pushed(client, event, now=now)]
                client.early.clear()
                return Send(reply(id, connect=result)), *early
            case Refused():
                client.is_connecting = False
                return (Send(reply(id, error=errors.of(answer, is_rpc=True))),)
            case _:
                return (Disconnect(*SERVER_ERROR),)

    def _subscribed(
        self, client: ClientState, id: int, asked: Subscribe, answer: IntentResult, now: float
    ) -> Intents:
        if not isinstance(answer, Recovery):
            self._ended(client, asked.channel)
            error = errors.of(answer) if isinstance(answer, ChatError) else errors.INTERNAL
            return (Send(reply(id, error=error)),)
        conversation = answer.conversation
        if client.name_of(conversation) != asked.channel:
            refusal = Send(reply(id, error=errors.UNKNOWN_CHANNEL))
            if conversation.id in client.subscriptions.values():  # under its right name
                return (refusal,)
            return Unfollow(conversation.id), refusal
        if asked.recover and not answer.recovered and asked.flag & REJECT_UNRECOVERED:
            self._ended(client, asked.channel)
            return Unfollow(conversation.id), Send(reply(id, error=errors.UNRECOVERABLE))
        client.subscriptions[asked.channel] = conversation.id
        return (Send(reply(id, subscribe=replies.subscribed(asked, answer, now))),)

    # Names

    def _address(self, name: str) -> Address:
        kind, _, rest = name.partition(":")
        may_make = self._is_open
        if kind == "channel" and rest:
            return Address(channel=rest, may_make=may_make)
        if not may_make or kind in ("room", "user") or not name:
            return Address(id=rest if kind == "room" else "")
        return Address(channel=name, may_make=True)

    def _ended(self, client: ClientState, name: str) -> ConversationId | None:
        """Forget a subscription; what it followed."""
        channel = self._address(name).channel
        if client.names.get(channel) == name:
            client.ended[channel] = None
        return client.subscriptions.pop(name, None)


def _posting(asked: Publish) -> Callable[[ConversationId], Post | PublishData]:
    """The command that a ``publish`` means, once it is known where. Raises ``NotUnderstood``."""
    if isinstance(asked, PublishJson):
        if not asked.channel.startswith("room:"):
            data = compact(bytes(asked.data))
            return lambda conversation: PublishData(conversation=conversation, data=data)
        body = decoded(_PUBLISHED, bytes(asked.data))
    else:
        body = asked.data
    return lambda conversation: Post(
        conversation=conversation, content=body.content, client_id=body.client_id
    )


def _id_of(line: str) -> int:
    """The id of a command that is not to be carried out, 0 where it has none."""
    numbered = glimpsed(_NUMBERED, line)
    return 0 if numbered is None else numbered.id
