"""Results of commands."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, TypeVar

from chat_core.model.conversation import Channel, Conversation, Room
from chat_core.model.errors import ChatError
from chat_core.model.events import Logged
from chat_core.model.ids import ConversationId, LobbyName
from chat_core.model.limits import BACKLOG_MESSAGES_MAX, RECENT_MESSAGES_MAX
from chat_core.model.message import Message
from chat_core.model.values import value

T = TypeVar("T")


@value(kw_only=True)
class Committed:
    """The result of a committed command; ``conversation`` is the state after it.

    ``events`` is empty where nothing changed. ``message`` is the one that the
    command made or changed; ``repeated`` says that an earlier post with the same
    client_id made it. ``durable`` says whether it survives a power cut.
    """

    conversation: Conversation
    events: tuple[Logged, ...] = ()
    message: Message | None = None
    repeated: bool = False
    durable: bool = False


@value(kw_only=True)
class Placed:
    """Where a search has led: into ``room``, or to a position in the line (from 1).

    ``repeated``: the person was in that room before.
    """

    lobby: LobbyName
    room: Room | None = None
    position: int | None = None
    since: float | None = None
    repeated: bool = False


@value(kw_only=True)
class Done:
    """It was done, and there is nothing to say about it."""


@value(kw_only=True)
class Recent:
    """Messages to have before the live events: the last few, or all after a seq if they are not too many."""

    after: int | None = None
    most: int = BACKLOG_MESSAGES_MAX
    last: int = RECENT_MESSAGES_MAX


@value(kw_only=True)
class Recovery:
    """The answer to "I follow this from here on".

    ``recovered``: ``events`` is everything after the position that was named, in
    order. Otherwise it is empty. ``offset`` is where the live events go on.
    ``messages`` are those of ``Recent``, oldest first and as they are now;
    ``has_gap``: too many came after the seq that it named, so they are the last few.
    """

    conversation: Conversation
    offset: int
    events: tuple[Logged, ...] = ()
    recovered: bool = False
    messages: tuple[Message, ...] = ()
    has_gap: bool = False


@value(kw_only=True)
class Position:
    """A position in a conversation: everything up to ``seq`` was delivered."""

    epoch: str
    seq: int


START: Final = Position(epoch="", seq=0)
"""Before the first event of whichever history there is."""


@value(kw_only=True)
class InitialState:
    """The initial state of a person: live and kept rooms, channels, and their queue."""

    rooms: tuple[Room, ...] = ()
    channels: tuple[Channel, ...] = ()
    waiting: Placed | None = None


@value(kw_only=True)
class MessagePage:
    """Messages of several conversations, and those conversations as they are now."""

    messages: tuple[Message, ...]
    conversations: Mapping[ConversationId, Conversation]


Result: TypeAlias = Committed | Placed | Done
Reply: TypeAlias = Callable[[Result | ChatError], None]
"""Called exactly once with the result or with what went wrong. It must not wait or raise."""


async def result_of(ask: Callable[[Callable[[T | ChatError], None]], object]) -> T:
    """Call ``ask`` with a reply, and wait for what the reply is given; raises it where it is a ``ChatError``.

    Cancelling the wait does not stop what was asked for: its reply then goes nowhere.
    """
    answered: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def reply(result: T | ChatError) -> None:
        if answered.done():
            return
        if isinstance(result, ChatError):
            answered.set_exception(result)
        else:
            answered.set_result(result)

    ask(reply)
    return await answered
