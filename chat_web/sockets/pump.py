"""The pump: one connection. What comes in goes through the dialect to the core, and back.

Commands of one connection are carried out in their order: posts may overtake
nothing, and everything else waits until what was begun is answered. Nothing
here awaits the socket; there is no task for a connection.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import attrs
import structlog

from chat_core import (
    SERVER_ERROR,
    TOKEN_EXPIRED,
    TOO_MANY_ERRORS,
    BadToken,
    Chat,
    ChatError,
    Connection,
    ConversationId,
    Disconnected,
    Done,
    Personal,
    Post,
    Rate,
    Refused,
    Sink,
)
from chat_web.dialects.intents import (
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
    FetchNotifications,
    Follow,
    Intent,
    IntentResult,
    Intents,
    Ponged,
    Refresh,
    RejectFrame,
    Send,
    ShowNotifications,
    Unfollow,
    WatchStatus,
)
from chat_web.http.auth import Identity
from chat_web.sockets.finishing_sink import FinishingSink
from chat_web.sockets.frame_limits import FRAMES, FrameLimits
from chat_web.sockets.heartbeat import Heartbeat
from chat_web.sockets.queries import Queries
from chat_web.transports.interfaces import Socket

INBOX_MAX: Final = 64  # intents that wait; above it the socket is not read
PING_S: Final = 25.0
PONG_S: Final = 10.0
FIRST_COMMAND_S: Final = 5.0

_AT_ONCE: Final = frozenset({Send, RejectFrame, Disconnect, Unfollow, WatchStatus, ShowNotifications, Ponged})

_log = structlog.get_logger("parley.sockets")


@attrs.frozen(kw_only=True)
class PumpLimits:
    """The limits and timeouts of one connection. Times in seconds."""

    frames: Rate | None = FRAMES
    ping_s: float = PING_S
    pong_s: float = PONG_S
    first_command_s: float = FIRST_COMMAND_S
    token_grace_s: float = 25.0


class Pump:
    """Receiver of a ``Socket`` and sink of a core ``Connection``."""

    def __init__(
        self,
        chat: Chat,
        dialect: Dialect,
        authenticate: Callable[[str], Awaitable[Identity]],
        *,
        identity: Identity | None,
        limits: PumpLimits,
        left: Callable[["Pump"], None],
    ) -> None:
        self._chat = chat
        self._dialect = dialect
        self._join = dialect.encoder.join
        self._client_state = dialect.client_state()
        self._queries = Queries(chat)
        self._authenticate = authenticate
        self._identity = identity
        self._limits = limits
        self._left = left
        self._id = chat.new_id()
        self._socket: Socket | None = None
        self._connection: Connection[Any] | None = None
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Intent] = deque()
        self._under_way = 0
        self._only_posts = True
        self._is_working = False
        self._is_paused = False
        self._has_ended = False
        self._unsent: list[bytes] = []
        self._sends_soon = False
        self._frames = FrameLimits(limits.frames)
        self._heartbeat = Heartbeat(self, self._loop, ping_s=limits.ping_s, pong_s=limits.pong_s)
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    @property
    def socket(self) -> Socket | None:
        """The connection that it writes to; None before ``opened`` and after ``closed``."""
        return self._socket

    @property
    def identity(self) -> Identity | None:
        """The person who is connected, and the session; None until it has authenticated."""
        return self._identity

    # The receiver of the socket

    def opened(self, socket: Socket) -> None:
        self._socket = socket
        try:
            authenticated = None if self._identity is None else self._authenticated(self._identity)
        except Disconnected:
            return
        if authenticated is None:
            self._heartbeat.expect_first_command(self._limits.first_command_s)
        self._do(self._dialect.opened(self._client_state, authenticated))

    def received(self, text: str) -> None:
        if self._heartbeat.awaits_pong and text == "{}":  # one for each ping, not counted by the rate
            self._heartbeat.ponged()
            return
        if wait := self._frames.wait_s(self._loop.time()):
            error = Refused("too_many", "Too fast. Wait a moment.", retry_after_s=wait)
            self._do(self._dialect.refused(text, error))
            self._count_bad()
            return
        self._do(self._dialect.received(self._client_state, text))

    def closed(self, code: int, reason: str) -> None:
        self._socket = None
        self._has_ended = True
        self._heartbeat.stop()
        if self._expiry is not None:
            self._expiry.cancel()
        self._inbox.clear()
        self._unsent.clear()
        if self._connection is not None:
            self._connection.close()
        self._left(self)
        _log.info("connection_closed", connection=self._id, dialect=self._dialect.name, code=code)

    # The sink of the connection

    def deliver(self, frames: bytes) -> None:
        if self._socket is None:
            return
        if self._unsent:
            frames = b"".join((*self._unsent, frames))
            self._unsent.clear()
        self._socket.write(frames)

    def push(self, event: Personal) -> None:
        try:
            self._do(self._dialect.pushed(self._client_state, event, now=self._chat.clock.now()))
        except Exception:
            self._fail()

    def unsubscribed(self, conversation: ConversationId, *, recoverable: bool) -> None:
        try:
            self._do(self._dialect.unsubscribed(self._client_state, conversation, recoverable=recoverable))
        except Exception:
            self._fail()

    def end(self, code: int, reason: str) -> None:
        """Send what waits, then close with a code that says whether to come back."""
        self._send()
        self._has_ended = True
        if self._socket is not None:
            self._socket.close(code, reason)

    def _fail(self) -> None:
        """A bug ends only this connection: others share the turn that caused it."""
        _log.exception("dialect_failed", connection=self._id, dialect=self._dialect.name)
        self.end(*SERVER_ERROR)

    # Intents

    def _do(self, intents: Intents) -> None:
        for intent in intents:
            if self._has_ended:
                return
            match intent:  # in the order of how often they come
                case Execute() if not self._inbox and self._may_begin(intent):
                    self._begin(intent)
                case Send():
                    self._say(intent.frame)
                case RejectFrame(frame):
                    if frame is not None:
                        self._say(frame)
                    self._count_bad()
                case Disconnect(code, reason):
                    self.end(code, reason)
                case Unfollow(conversation):
                    if self._connection is not None:
                        self._connection.unfollow(conversation)
                case WatchStatus() | ShowNotifications():
                    self._listen_for(intent)
                case Ponged():
                    if self._heartbeat.awaits_pong:
                        self._heartbeat.ponged()
                case _:
                    self._inbox.append(intent)
        if self._inbox:
            self._work()

    def _listen_for(self, intent: WatchStatus | ShowNotifications) -> None:
        if self._connection is None:
            return
        if isinstance(intent, WatchStatus):
            self._connection.watch_status()
        else:
            self._connection.shows_notifications = True

    def _work(self) -> None:
        """Begin what may begin now; posts follow one another without waiting."""
        if self._is_working:  # an answer that came at once: the loop below goes on by itself
            return
        self._is_working = True
        try:
            while self._inbox and not self._has_ended and self._may_begin(self._inbox[0]):
                self._begin(self._inbox.popleft())
        finally:
            self._is_working = False
        if len(self._inbox) > INBOX_MAX and not self._is_paused and self._socket is not None:
            self._is_paused = True
            self._socket.pause()

    def _may_begin(self, intent: Intent) -> bool:
        if not self._under_way:
            is_long = isinstance(intent, Follow) and intent.recent is not None
            return not (is_long and self._socket is not None and self._socket.waits_to_drain(self._work))
        return self._only_posts and isinstance(intent, Execute) and isinstance(intent.command, Post)

    def _finished(self, ref: Any, answer: IntentResult) -> None:
        self._under_way -= 1
        if self._has_ended:
            return
        try:
            self._answered(ref, answer)
        except Exception:
            self._fail()

    def _answered(self, ref: Any, answer: IntentResult) -> None:
        intents = self._dialect.answered(self._client_state, ref, answer, now=self._chat.clock.now())
        if intents:
            if not _AT_ONCE.issuperset(map(type, intents)):  # follow-ups go before what was asked meanwhile
                follow_ups = [intent for intent in intents if type(intent) not in _AT_ONCE]
                self._inbox.extendleft(reversed(follow_ups))
                intents = tuple(intent for intent in intents if type(intent) in _AT_ONCE)
            self._do(intents)
        if self._inbox:
            self._work()
        if self._is_paused and len(self._inbox) <= INBOX_MAX // 2 and self._socket is not None:
            self._is_paused = False
            self._socket.resume()

    def _begin(self, intent: Intent) -> None:
        self._under_way += 1
        self._only_posts = False
        match intent:
            case Execute() if self._connection is not None:
                self._only_posts = isinstance(intent.command, Post)
                self._connection.ask(intent.command, partial(self._finished, intent.ref))
            case Authenticate() | Refresh():
                self._chat.tasks.begin(self._identify(intent))
            case Barrier(ref):
                self._finished(ref, Done())
            case Execute():
                self._finished(intent.ref, _not_authenticated())
            case (
                ExecuteInChannel()
                | Follow()
                | FetchNotifications()
                | AskInitialState()
                | AskPresence()
                | AskHistory()
            ):
                if self._connection is None:
                    self._finished(intent.ref, _not_authenticated())
                else:
                    self._chat.spawn(self._queries.ask(intent, self._connection, self._finished))
            case _:
                raise TypeError(f"{type(intent).__name__} is carried out elsewhere")

    # Who this is

    async def _identify(self, intent: Authenticate | Refresh) -> None:
        """Find out who it is; at once, where its session is known."""
        answer: IntentResult
        try:
            identity = await self._authenticate(intent.token)
            if self._has_ended:  # the client left meanwhile
                return
            answer = (
                self._authenticated(identity)
                if isinstance(intent, Authenticate)
                else self._refreshed(identity)
            )
        except ChatError as error:
            answer = error
        self._finished(intent.ref, answer)

    def _authenticated(self, identity: Identity) -> Authenticated:
        """Opens the person's connection. Raises ``Disconnected`` with the socket closed if refused."""
        self._identity = identity
        try:
            self._connection = self._chat.attach(
                identity.person,
                self._dialect.encoder,
                self._sink(),
                may_return=identity.may_return,
                autofollow=self._dialect.follows_unasked,
                sid=identity.sid,
            )
        except Disconnected as refused:
            self.end(refused.code, refused.reason)
            raise
        self._expire_at(identity)
        if self._dialect.ping_frame is None:
            self._heartbeat.stop()
        else:
            self._heartbeat.start_pings()
        _log.info(
            "connection_authenticated",
            connection=self._id,
            dialect=self._dialect.name,
            kind=identity.person.kind,
        )
        return Authenticated(person=identity.person, connection=self._id, expires_in_s=identity.expires_in_s)

    def _sink(self) -> Sink[Any]:
        finish = self._dialect.finish
        return self if finish is None else FinishingSink(sink=self, finish=finish, client=self._client_state)

    def _refreshed(self, identity: Identity) -> Authenticated:
        if self._connection is None or identity.person.id != self._connection.person.id:
            raise BadToken("This token is another person's.")
        self._identity = identity
        self._connection.renew(identity.sid)
        self._expire_at(identity)
        return Authenticated(person=identity.person, connection=self._id, expires_in_s=identity.expires_in_s)

    def _expire_at(self, identity: Identity) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if identity.expires_in_s is not None:
            wait = identity.expires_in_s + self._limits.token_grace_s
            self._expiry = self._loop.call_later(wait, self.end, *TOKEN_EXPIRED)

    # Sending

    def _say(self, frame: bytes) -> None:
        if self._socket is None:
            return
        self._unsent.append(self._join((frame,)))
        if not self._sends_soon:
            self._sends_soon = True
            self._chat.flush_queue.at_end(self._send)

    def _send(self) -> None:
        self._sends_soon = False
        if self._unsent and self._socket is not None:
            self._socket.write(b"".join(self._unsent))
        self._unsent.clear()

    def _count_bad(self) -> None:
        if self._frames.has_too_many_bad(self._loop.time()):
            self.end(*TOO_MANY_ERRORS)

    # What the heartbeat asks for

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    def ping(self) -> None:
        frame = self._dialect.ping_frame
        if self._socket is not None and frame is not None:
            self._socket.write(self._join((frame,)))


def _not_authenticated() -> Refused:
    return Refused("unauthenticated", "Not authenticated.")
