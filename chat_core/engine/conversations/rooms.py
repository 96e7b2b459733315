"""Rooms that people open with a named person, without a lobby."""

import asyncio
from collections.abc import Callable

from chat_core.engine.conversations.commit import Commit
from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.delivery.notifications import Notifications
from chat_core.engine.results import Committed, Reply
from chat_core.model.commands import OpenRoom
from chat_core.model.conversation import Member, Persistence, Room, RoomRules
from chat_core.model.errors import ChatError, Refused
from chat_core.model.events import Notification, NotificationKind
from chat_core.model.ids import PersonId
from chat_core.model.person import Person, PersonKind
from chat_core.ports import Clock, Store
from chat_core.rules import accounts


class Rooms:
    """Opens rooms. Two people have at most one that has not ended: asked again, it is the answer."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: Store,
        notifications: Notifications,
        conversations: Conversations,
        new_id: Callable[[], str],
        rules: RoomRules,
    ) -> None:
        self._clock = clock
        self._store = store
        self._notifications = notifications
        self._conversations = conversations
        self._new_id = new_id
        self._rules = rules
        self._opening: dict[frozenset[PersonId], asyncio.Future[None]] = {}

    async def open(self, command: OpenRoom, by: Person, reply: Reply) -> None:
        """The room of the two; created if they have none, and the other is invited."""
        other = command.other
        pair = frozenset((by.id, other.id))
        try:
            if by.kind is PersonKind.GUEST:
                raise Refused("guests_may_not", "Guests can meet people in lobbies only. Sign in first.")
            if len(pair) == 1:
                words = "A room is made with somebody else."
                raise Refused("invalid", words, fields={"with": words})
            while (under_way := self._opening.get(pair)) is not None:
                await asyncio.wait([under_way])
            opened = self._opening[pair] = asyncio.get_running_loop().create_future()
            try:
                committed = await self._opened(by, other)
            finally:
                del self._opening[pair]
                opened.set_result(None)
        except ChatError as error:
            reply(error)
        else:
            reply(committed)

    async def _opened(self, by: Person, other: Person) -> Committed:
        if other.id in await self._store.blocked_with(by.id):
            raise accounts.unknown_user()  # who blocked the caller is not told of
        for room in await self._store.open_rooms_of_two(by.id, other.id):
            return Committed(conversation=room, repeated=True, durable=self._store.durable)
        now = self._clock.now()
        room = Room(
            id=self._new_id(),
            epoch=self._new_id(),
            persistence=Persistence.PERSISTENT,
            created_at=now,
            members={one.id: Member(card=one.card, joined_at=now) for one in (by, other)},
            rules=self._rules,
        )
        invited = Notification(at=now, to=other.id, kind=NotificationKind.INVITED, room=room, sender=by.card)
        await self._conversations.open(Commit.of(room, ()), (invited,))
        self._notifications.notify(invited)
        return Committed(conversation=room, durable=self._store.durable)
