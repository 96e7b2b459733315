"""P1, the channel chat: one connection receives all channels of its user, and posts to any of them.

It follows what the user is a member of, also when that changes elsewhere. Quirks
of the old client: bare text is a message; nothing tells of edits, deletions and
reactions, and what was deleted is left out of the history.
"""

import functools
from collections.abc import Mapping
from typing import Any, Final

import attrs
import msgspec

from chat_core import (
    SERVER_ERROR,
    Channel,
    ChannelChange,
    ChannelsChanged,
    ChatError,
    Committed,
    Conversation,
    ConversationId,
    Done,
    Event,
    Message,
    MessagePosted,
    Person,
    Personal,
    PersonTyped,
    Post,
    Recent,
    Recovery,
    Refused,
    StatusChanged,
    Type,
    Unavailable,
)
from chat_web.dialects import typed_frames
from chat_web.dialects.intents import (
    Address,
    AskInitialState,
    Authenticated,
    Barrier,
    Disconnect,
    Execute,
    ExecuteInChannel,
    FinishedFrames,
    Follow,
    InitialStateResult,
    IntentResult,
    Intents,
    Send,
    Unfollow,
    WatchStatus,
    person_of,
)
from chat_web.encoding import wire

_READY: Final = object()  # the ref of what comes when every history was sent


class ChannelChatFrame(msgspec.Struct):
    type: str = "message"
    channel: str | None = None
    content: str | None = None
    client_id: str | None = None


@attrs.frozen(eq=False)
class _Subscription:
    """One channel that is followed. Also the ref of the answer to that."""

    name: str
    conversation: ConversationId


@attrs.frozen
class _Ref:
    """The request of an answer: the frame's ``client_id``, and whether it was a message."""

    client_id: str | None
    is_message: bool = True


@attrs.define
class ClientState:
    """The person, their channels by name, and the channel they wrote to last."""

    person: Person | None = None
    channels: dict[str, _Subscription] = attrs.field(factory=dict)
    last: str | None = None
    is_ready: bool = False
    early: list[ChannelsChanged] = attrs.field(factory=list)  # heard before it was ready


def _frames(event: Event, conversation: Conversation) -> tuple[bytes | None, bytes | None]:
    """A message for everybody, its author's with ``client_id``; typing for the others."""
    match event, conversation:
        case MessagePosted(message=message), Channel(name=name):
            return typed_frames.both(message, _shown(message, name))
        case PersonTyped(is_typing=True, person=person), Channel(name=name):
            return None, typed_frames.frame("typing", channel=name, username=person.username)
        case _:
            return None, None


@attrs.frozen(kw_only=True)
class ChannelChat(typed_frames.TypedFrames):
    """The dialect of P1. ``since``: the newest seq that the client has, by the names of channels."""

    since: Mapping[str, int] = attrs.field(factory=dict)

    name = "channel_chat"
    encoder = FinishedFrames(_frames)
    decoder = msgspec.json.Decoder(ChannelChatFrame)

    def client_state(self) -> ClientState:
        return ClientState()

    def opened(self, client: ClientState, authenticated: Authenticated | None) -> Intents:
        client.person = person_of(authenticated)
        return WatchStatus(), AskInitialState()

    def received(self, client: ClientState, text: str) -> Intents:
        if not client.is_ready:  # it is not known yet which channels there are
            return (Barrier(text),)
        if not text.lstrip(" \t\r\n").startswith("{"):
            return self._post(client, None, text, None)
        return super().received(client, text)

    def asked(self, client: ClientState, frame: ChannelChatFrame) -> Intents:
        match frame:
            case ChannelChatFrame(type="message", content=str(content)):
                return self._post(client, frame.channel, content, frame.client_id)
            case ChannelChatFrame(type="typing"):
                return self._type(client, frame.channel)
            case _:
                return (typed_frames.not_understood("Send a message with content, or typing."),)

    def answered(self, client: ClientState, ref: Any, answer: IntentResult, *, now: float) -> Intents:
        match ref, answer:
            case _Ref(), Committed(repeated=False) | Done():  # first: it comes most often
                return ()
            case _Ref(), Committed(message=Message() as message, conversation=Channel(name=name)):
                return (typed_frames.own_copy(message, _shown(message, name)),)
            case _Ref(is_message=False), Refused(code="unknown_room"):
                return (Send(typed_frames.error("not_member", "Join the channel first.")),)
            case _Ref(client_id=client_id), ChatError():
                return (typed_frames.refusal(answer, client_id),)
            case str(), _:
                return self.received(client, ref)
            case _Subscription(), Recovery() | ChatError():
                return self._subscribed(client, ref, answer)
            case _, InitialStateResult(initial_state=initial_state):
                subscriptions = [self._begin(client, channel) for channel in initial_state.channels]
                return *subscriptions, Barrier(_READY)
            case _, Done():
                return self._ready(client)
            case _:
                return (Disconnect(*SERVER_ERROR),)

    def pushed(self, client: ClientState, event: Personal, *, now: float) -> Intents:
        match event:
            case StatusChanged(person=person, status=status, last_seen=last_seen):
                return (Send(_presence(person.username, status, last_seen)),)
            case ChannelsChanged() if not client.is_ready:
                client.early.append(event)
                return ()
            case ChannelsChanged(channel=channel, change=ChannelChange.JOINED):
                if channel.name in client.channels:
                    return ()
                return _subscription(event), self._begin(client, channel)
            case ChannelsChanged(channel=channel):
                known = client.channels.get(channel.name)
                if known is None or known.conversation != channel.id:
                    return ()
                del client.channels[channel.name]
                return Unfollow(channel.id), _subscription(event)
            case _:
                return ()

    def unsubscribed(
        self, client: ClientState, conversation: ConversationId, *, recoverable: bool
    ) -> Intents:
        if not recoverable:  # left or deleted: ``heard`` tells
            return ()
        lost = [known for known in client.channels.values() if known.conversation == conversation]
        return tuple(_follow(known, Recent(after=0, most=0)) for known in lost)

    # Channels

    def _begin(self, client: ClientState, channel: Channel) -> Follow:
        known = client.channels[channel.name] = _Subscription(channel.name, channel.id)
        after = None if client.is_ready else self.since.get(channel.name)
        return _follow(known, Recent(after=after))

    def _subscribed(self, client: ClientState, known: _Subscription, answer: Recovery | ChatError) -> Intents:
        if client.channels.get(known.name) is not known:  # left meanwhile
            return ()
        match answer:
            case Recovery(messages=messages, has_gap=has_gap):
                shown = [
                    _own(message, known.name) if _is_by(client, message) else _shown(message, known.name)
                    for message in messages
                    if not message.deleted
                ]
                gap = {"gap": True} if has_gap else {}
                return (typed_frames.send("history", channel=known.name, messages=shown, **gap),)
            case Unavailable():
                return (Disconnect(*SERVER_ERROR),)
            case _:
                del client.channels[known.name]
                return () if _is_gone(answer) else (typed_frames.refusal(answer),)

    def _ready(self, client: ClientState) -> Intents:
        client.is_ready = True
        username = "" if client.person is None else client.person.username
        ready = typed_frames.send("ready", username=username, channels=list(client.channels))
        early, client.early = client.early, []
        return ready, *(intent for event in early for intent in self.pushed(client, event, now=event.at))

    # Commands

    def _post(self, client: ClientState, channel: str | None, content: str, client_id: str | None) -> Intents:
        name = _target(client, channel)
        if name is None:
            return (_channel_required(client_id),)

        def post(conversation: ConversationId) -> Post:
            return Post(conversation=conversation, content=content, client_id=client_id)

        ref = _Ref(client_id)
        known = client.channels.get(name)
        if known is None:
            return (ExecuteInChannel(name, post, ref),)
        client.last = name
        return (Execute(post(known.conversation), ref),)

    def _type(self, client: ClientState, channel: str | None) -> Intents:
        name = _target(client, channel)
        if name is None:
            return (_channel_required(None),)
        ref = _Ref(None, is_message=False)
        known = client.channels.get(name)
        if known is None:
            return (ExecuteInChannel(name, lambda conversation: Type(conversation=conversation), ref),)
        return (Execute(Type(conversation=known.conversation), ref),)


def _target(client: ClientState, named: str | None) -> str | None:
    """The channel that is meant: the named one, else the only one, else the one written to last."""
    if named:
        return named
    if len(client.channels) == 1:
        return next(iter(client.channels))
    return client.last if client.last in client.channels else None


def _channel_required(client_id: str | None) -> Send:
    return Send(typed_frames.error("channel_required", "Say which channel this is for.", client_id))


def _follow(known: _Subscription, recent: Recent) -> Follow:
    return Follow(Address(id=known.conversation), ref=known, recent=recent)


def _is_by(client: ClientState, message: Message) -> bool:
    return client.person is not None and message.by == client.person.id


def _is_gone(error: ChatError) -> bool:
    return isinstance(error, Refused) and error.code == "unknown_room"


def _shown(message: Message, channel: str) -> dict[str, Any]:
    return {
        "type": "message",
        "id": message.id,
        "seq": message.seq,
        "channel": channel,
        "user": {"id": message.author.id, "username": message.author.username},
        "content": message.content,
        "timestamp": wire.stamp(message.created_at),
    }


def _own(message: Message, channel: str) -> dict[str, Any]:
    return typed_frames.marked_own(message, _shown(message, channel))


@functools.lru_cache(maxsize=64)  # one change is told to many
def _presence(username: str, status: str, last_seen: float) -> bytes:
    return typed_frames.frame("presence", username=username, status=status, last_seen=wire.stamp(last_seen))


def _subscription(event: ChannelsChanged) -> Send:
    return typed_frames.send("subscription", action=event.change, channel=event.channel.name)
