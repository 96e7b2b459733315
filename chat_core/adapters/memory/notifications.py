"""What people are still to be told, in memory."""

from collections.abc import Callable, Iterable, Sequence

import attrs

from chat_core.model.conversation import Conversation
from chat_core.model.events import Notable, Notice, NoticeKey
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.limits import NOTICES_KEPT_MAX


class Notices:
    """Each person's notices by their key, oldest first."""

    def __init__(self) -> None:
        self._kept: dict[PersonId, dict[NoticeKey, Notable]] = {}

    def keep(self, notices: Iterable[Notable]) -> None:
        """Keep these too; the newest of each person stay."""
        for notice in notices:
            kept = self._kept.setdefault(notice.to, {})
            kept.setdefault(notice.key, notice)
            while len(kept) > NOTICES_KEPT_MAX:
                del kept[next(iter(kept))]

    def of(self, person: PersonId, state_of: Callable[[ConversationId], Conversation]) -> Sequence[Notable]:
        """The person's notices, with the members of now."""
        found: list[Notable] = []
        for (home, _, _), notice in self._kept.get(person, {}).items():
            members = state_of(home).members
            cards = {member.card.id: member.card for member in members.values()}
            card = None if notice.sender is None else cards.get(notice.sender.id)
            if isinstance(notice, Notice):
                room = attrs.evolve(notice.room, members=members)
                found.append(attrs.evolve(notice, room=room, sender=card))
            elif card is not None:
                found.append(attrs.evolve(notice, sender=card, by=card.id))
        return found

    def drop(self, person: PersonId, keys: Iterable[NoticeKey]) -> None:
        """The person was told these."""
        for key in keys:
            self._kept.get(person, {}).pop(key, None)

    def forget(self, person: PersonId) -> None:
        """Drop all of the person's."""
        self._kept.pop(person, None)

    def forget_conversation(self, conversation: ConversationId) -> None:
        """Drop what is about the conversation, whoever it is for."""
        for person, kept in self._kept.items():
            self.drop(person, [key for key in kept if key[0] == conversation])
