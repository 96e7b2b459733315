"""One conversation in memory: its state, its log, and its messages in their current state."""

from typing import Any

import attrs

from chat_core.model.conversation import Conversation
from chat_core.model.events import Logged, MessageEdited, MessagePosted
from chat_core.model.ids import MessageId, PersonId
from chat_core.model.message import Message
from chat_core.model.person import Card
from chat_core.rules import messages as message_rules


@attrs.define
class Book:
    """One conversation: its state, its events, and its messages in their current state."""

    state: Conversation
    events: list[Logged] = attrs.field(factory=list)
    messages: dict[MessageId, Message] = attrs.field(factory=dict)  # in seq order
    seqs: list[int] = attrs.field(factory=list)  # of the messages, in the same order
    posted: dict[tuple[PersonId, str], MessageId] = attrs.field(factory=dict)

    def write(self, event: Logged) -> MessageId | None:
        """Adds the event; returns the id of a new message."""
        self.events.append(event)
        if isinstance(event, MessagePosted):
            message = event.message
            self.messages[message.id] = message
            self.seqs.append(message.seq)
            if message.client_id is not None:
                self.posted[message.by, message.client_id] = message.id
            return message.id
        about = getattr(event, "message_id", None)
        if about in self.messages:
            self.messages[about] = message_rules.apply(self.messages[about], event)
        return None

    def as_now(self, event: Logged) -> Logged:
        """The event with the current text: a deleted message is a tombstone in its history too."""
        if isinstance(event, MessagePosted):
            return attrs.evolve(event, message=self.messages[event.message.id])
        if isinstance(event, MessageEdited) and event.message_id in self.messages:
            return attrs.evolve(event, content=self.messages[event.message_id].content)
        return event

    def anonymise(self, person: PersonId, card: Card) -> None:
        """Anonymises the person as ``card``, and turns their texts into tombstones."""
        members = {
            who: attrs.evolve(member, card=_renamed(member.card, person, card))
            for who, member in self.state.members.items()
        }
        self.state = attrs.evolve(self.state, members=members)
        for id_, message in self.messages.items():
            if message.by == person:
                self.messages[id_] = attrs.evolve(
                    message_rules.blank(message),
                    author=_renamed(message.author, person, card),
                    client_id=None,
                )
        self.posted = {pair: id_ for pair, id_ in self.posted.items() if pair[0] != person}
        for at, event in enumerate(self.events):
            shown = getattr(event, "person", None)
            cards: dict[str, Any] = (
                {"person": _renamed(shown, person, card)} if isinstance(shown, Card) else {}
            )
            self.events[at] = self.as_now(attrs.evolve(event, **cards))

    def blank_before(self, before: float) -> int:
        """Turns older messages into tombstones; returns how many."""
        old = [one for one in self.messages.values() if one.created_at < before and not one.deleted]
        for message in old:
            self.messages[message.id] = message_rules.blank(message)
        if old:
            self.events[:] = map(self.as_now, self.events)
        return len(old)

    def forget_oldest(self) -> MessageId | None:
        """Deletes the oldest event; returns the id of a message deleted with it."""
        event = self.events.pop(0)
        if not isinstance(event, MessagePosted):
            return None
        message = self.messages.pop(event.message.id)
        self.seqs.pop(0)
        if message.client_id is not None:
            del self.posted[message.by, message.client_id]
        return message.id


def _renamed(card: Card, person: PersonId, named: Card) -> Card:
    """The card with other names, if it shows the person's own id: a pseudonym reveals nothing."""
    if card.id != person:
        return card
    return attrs.evolve(card, username=named.username, display_name=named.display_name)
