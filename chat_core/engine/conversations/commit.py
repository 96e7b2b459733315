"""Commits: stored events, and their delivery.

A commit contains the outcome of a turn and the notifications for people: both were
computed once, in the turn's plan. It goes to the followers, to other nodes and to the
subscribers, in this order. Kept out: deciding, and what is loaded.
"""

from collections.abc import Callable, Sequence
from typing import Self

from chat_core.engine.delivery.hub import Hub, Listener
from chat_core.model.conversation import Channel, Conversation, Persistence
from chat_core.model.events import AnyNotification, ChannelDeleted, Logged, MemberLeft, Personal
from chat_core.model.ids import PersonId
from chat_core.model.values import value
from chat_core.ports import Backplane
from chat_core.rules import log as log_rules
from chat_core.rules import notifications as notification_rules


@value
class Commit:
    """The outcome of a turn: ``events`` lead from ``before`` to ``after``.

    ``personal`` are the events for single people, in the order of ``events``.
    """

    before: Conversation
    after: Conversation
    events: Sequence[Logged]
    personal: Sequence[Personal] = ()

    @classmethod
    def of(cls, before: Conversation, events: Sequence[Logged]) -> Self:
        """The commit of these events, which follow ``before``."""
        after = before
        personal: list[Personal] = []
        for event in events:
            after = log_rules.evolve(after, event)
            personal.extend(notification_rules.personal(after, event))
        return cls(before, after, events, personal)

    @property
    def notifications(self) -> tuple[AnyNotification, ...]:
        """The notifications that are stored with the events, until they are delivered."""
        if not self.personal or self.after.persistence is not Persistence.PERSISTENT:
            return ()
        return tuple(event for event in self.personal if isinstance(event, AnyNotification))


class Commits:
    """Delivers commits. Each is applied once per node, whichever node stored it."""

    def __init__(self, hub: Hub, backplane: Backplane) -> None:
        self._hub = hub
        self._backplane = backplane
        self._after: list[Callable[[Commit], None]] = []

    def subscribe(self, after: Callable[[Commit], None]) -> None:
        """Call it after each commit, in the order of the subscriptions."""
        self._after.append(after)

    def apply(self, commit: Commit, *, ours: bool) -> None:
        """Broadcasts a stored commit, to other nodes too if it is ``ours``, and calls the subscribers."""
        before, after = commit.before, commit.after
        if after.members is before.members and not (isinstance(after, Channel) and after.deleted):
            self._hub.broadcast(after, commit.events)  # nearly always
        else:
            self._broadcast(before, after, commit.events)
        if ours:
            self._backplane.publish(after, commit.events)
        self.entail(commit)

    def entail(self, commit: Commit) -> None:
        """Only calls the subscribers: for a new conversation, which has no followers yet."""
        for call in self._after:
            call(commit)

    def push(self, after: Conversation, events: Sequence[Logged]) -> None:
        """Broadcasts events of a conversation that is not loaded here."""
        self._hub.broadcast(after, events)
        self._hub.flush_soon(after.id)

    def _broadcast(self, before: Conversation, after: Conversation, events: Sequence[Logged]) -> None:
        """Broadcasts the events; a person who ceases to be a member gets none of the later ones."""
        for person in tuple(before.present()):
            if after.member(person) is None:
                last = _last_heard(events, person)
                self._hub.broadcast(after, events[:last])
                events = events[last:]
                self._drop(after, person)
        self._hub.broadcast(after, events)
        if isinstance(after, Channel) and after.deleted:
            for listener in self._hub.listeners(after.id):  # also who only read
                self._let_go(listener, after)

    def _drop(self, conversation: Conversation, person: PersonId) -> None:
        """Unsubscribes a person who is no longer a member (a public channel stays readable)."""
        if isinstance(conversation, Channel) and not conversation.private:
            return
        for listener in self._hub.listeners(conversation.id):
            if listener.person.id == person:
                self._let_go(listener, conversation)

    def _let_go(self, listener: Listener, conversation: Conversation) -> None:
        self._hub.detach(listener, conversation.id)
        listener.unsubscribed(conversation.id, recoverable=False)


def _last_heard(events: Sequence[Logged], person: PersonId) -> int:
    """The number of events that a person gets who ceases to be a member with one of them."""
    for index, event in enumerate(events):
        if isinstance(event, ChannelDeleted) or (isinstance(event, MemberLeft) and event.member == person):
            end = index + 1
            while end < len(events) and events[end].by == person:
                end += 1
            return end
    return 0
