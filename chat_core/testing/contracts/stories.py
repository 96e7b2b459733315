"""Stories: conversations that real commands change, and what a log has to say of each.

A story writes nothing. It hands out a ``Change`` for each turn, and remembers by
``rules`` alone what ``load``, ``after`` and ``messages`` must then answer.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from random import Random
from typing import Final

import attrs

from chat_core.model.commands import (
    AddMember,
    ConversationCommand,
    Decline,
    Delete,
    DeleteChannel,
    Edit,
    End,
    JoinChannel,
    Keep,
    Leave,
    LeaveChannel,
    Post,
    React,
    RemoveMember,
    SetRole,
    Start,
    Tick,
    Unreact,
)
from chat_core.model.conversation import Channel, Conversation, Member, Persistence, Role, Room, RoomRules
from chat_core.model.errors import Refused
from chat_core.model.events import Logged, MessageEdited, MessagePosted
from chat_core.model.ids import CHANCE_BITS, MessageId, PersonId, uuid7
from chat_core.model.message import Message
from chat_core.model.person import Person, PersonKind, pseudonym
from chat_core.ports import Change
from chat_core.rules import channel as channel_rules
from chat_core.rules import log
from chat_core.rules import messages as message_rules

TRIES_MAX: Final = 100  # commands that may be refused or change nothing
STARTS_AT: Final = 1_700_000_000.25
TIMED: Final = RoomRules(countdown_s=300.0, notification_s=30.0)
EMOJI: Final = ("👍", "🎉", "x")
TEXTS: Final = (
    "hello",
    "  two\nlines\t",
    "שלום 👩‍👩‍👧",
    "'; drop table messages; --",
    "\\u0000 %s $1 ?1",
    "é" * 1000,
)


@attrs.define
class Author:
    """Makes ids, people and conversations, each another one, the same for the same seed."""

    rng: Random
    _numbers: Iterator[int] = attrs.field(init=False, factory=count)

    def id(self, *, at: float = STARTS_AT) -> str:
        """A fresh id."""
        return uuid7(at=at + next(self._numbers) / 1000, rng=self.rng.getrandbits(CHANCE_BITS))

    def person(self, name: str) -> Person:
        """Somebody with an account."""
        return Person(id=self.id(), username=name, display_name=name.title(), kind=PersonKind.USER)

    def room(
        self,
        *people: Person,
        persistence: Persistence = Persistence.PERSISTENT,
        rules: RoomRules = TIMED,
        lobby: str = "timed",
        at: float = STARTS_AT,
    ) -> "Story":
        """A room of these people, each seen under a pseudonym; nothing has happened in it yet."""
        members = {one.id: Member(card=pseudonym(self.id()), joined_at=at) for one in people}
        room = Room(
            id=self.id(),
            epoch=self.id(),
            persistence=persistence,
            created_at=at,
            members=members,
            rules=rules,
            lobby=lobby,
        )
        return Story(author=self, people=people, opened=room, now=at)

    def channel(
        self,
        name: str,
        *people: Person,
        persistence: Persistence = Persistence.PERSISTENT,
        private: bool = False,
        at: float = STARTS_AT,
    ) -> "Story":
        """A channel that the first of these people makes; the others are those who may come."""
        channel = Channel(
            id=self.id(),
            epoch=self.id(),
            persistence=persistence,
            created_at=at,
            name=name,
            description=f"About {name}",
            private=private,
            owner=people[0].id,
        )
        return Story(author=self, people=people, opened=channel, now=at)


@attrs.define(kw_only=True)
class Story:
    """One conversation as the rules tell it. ``state`` is after all that was handed out."""

    author: Author
    people: Sequence[Person]
    opened: Conversation
    now: float
    state: Conversation = attrs.field(init=False)
    told: list[Logged] = attrs.field(init=False, factory=list)
    posts: dict[MessageId, Message] = attrs.field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.state = self.opened

    @property
    def id(self) -> str:
        return self.opened.id

    # Turns

    def opening(self) -> Change:
        """The change that makes the conversation."""
        facts: Sequence[Logged] = ()
        if isinstance(self.opened, Channel):
            facts = channel_rules.opening(self.opened, by=self.people[0], now=self.now)
        return self._turn(facts, expected=None)

    def turn(self, *asked: tuple[Person, ConversationCommand]) -> Change:
        """Decide these commands together; a refusal is the test's own mistake and is raised."""
        expected = self.state.head
        facts = [fact for by, command in asked for fact in self._decide(by, command)]
        return Change(after=self.state, expected=expected, events=facts)

    def post(self, by: Person, text: str, *, client_id: str | None = None) -> Change:
        """One post, in a turn of its own."""
        return self.turn((by, Post(conversation=self.id, content=text, client_id=client_id)))

    def random_turn(self, rng: Random) -> Change:
        """A turn of one to four commands that chance picks; no events once nobody can do anything."""
        expected = self.state.head
        facts: list[Logged] = []
        wanted = rng.randint(1, 4)
        for _ in range(TRIES_MAX):
            self.now += rng.choice((0.001, 1.5, 40.0))
            try:
                new = self._decide(rng.choice(self.people), self._command(rng))
            except Refused:
                continue
            facts += new
            wanted -= bool(new)
            if wanted == 0:
                break
        return Change(after=self.state, expected=expected, events=facts)

    # What a log must say

    def events(self) -> Sequence[Logged]:
        """All events, with the texts of now."""
        return [self._as_now(event) for event in self.told]

    def messages(self) -> Sequence[Message]:
        """All messages as they are now, oldest first."""
        return list(self.posts.values())

    def newest(self) -> Message:
        """The message that was posted last, as it is now."""
        return self.messages()[-1]

    def _decide(self, by: Person, command: ConversationCommand) -> Sequence[Logged]:
        about = getattr(command, "message", None) or getattr(command, "reply_to", None)
        facts = log.decide(
            self.state,
            command,
            by=by,
            now=self.now,
            new_id=self.author.id(at=self.now),
            target=None if about is None else self.posts.get(about),
        )
        self._turn(facts, expected=self.state.head)
        return facts

    def _turn(self, facts: Sequence[Logged], *, expected: int | None) -> Change:
        self.state = log.fold(self.state, facts)
        for fact in facts:
            self.told.append(fact)
            if isinstance(fact, MessagePosted):
                self.posts[fact.message.id] = fact.message
            about = getattr(fact, "message_id", None)
            if about is not None:
                self.posts[about] = message_rules.apply(self.posts[about], fact)
        return Change(after=self.state, expected=expected, events=facts)

    def _as_now(self, event: Logged) -> Logged:
        if isinstance(event, MessagePosted):
            return attrs.evolve(event, message=self.posts[event.message.id])
        if isinstance(event, MessageEdited):
            return attrs.evolve(event, content=self.posts[event.message_id].content)
        return event

    def _command(self, rng: Random) -> ConversationCommand:
        makers: list[Callable[[Random], ConversationCommand]] = [self._random_post] * 6
        if self.posts:
            makers += [self._about_a_message] * 8
        makers += [self._about_members if isinstance(self.state, Channel) else self._about_the_room] * 3
        return rng.choice(makers)(rng)

    def _random_post(self, rng: Random) -> ConversationCommand:
        return Post(
            conversation=self.id,
            content=rng.choice(TEXTS),
            client_id=rng.choice((None, self.author.id())),
            reply_to=rng.choice((None, *self.posts)),
            attachments=rng.choice(((), ("a.png", "b c.pdf"))),
        )

    def _about_a_message(self, rng: Random) -> ConversationCommand:
        message = rng.choice(list(self.posts))
        emoji = rng.choice(EMOJI)
        return rng.choice(
            (
                Edit(message=message, content=rng.choice(TEXTS)),
                Delete(message=message),
                React(message=message, emoji=emoji),
                React(message=message, emoji=emoji),
                Unreact(message=message, emoji=emoji),
            )
        )

    def _about_the_room(self, rng: Random) -> ConversationCommand:
        room = self.id
        often = (Start(room=room), Keep(room=room), Decline(room=room), Tick(room=room)) * 5
        return rng.choice((*often, End(room=room), Leave(room=room, disconnected=rng.random() < 0.5)))

    def _about_members(self, rng: Random) -> ConversationCommand:
        name = self.opened.name if isinstance(self.opened, Channel) else ""
        heir: PersonId = rng.choice(self.people).id
        often = (JoinChannel(name=name), LeaveChannel(name=name), LeaveChannel(name=name, new_owner=heir)) * 5
        by_owner = (
            AddMember(name=name, person=rng.choice(self.people)),
            RemoveMember(name=name, member=heir),
            SetRole(name=name, member=heir, role=rng.choice((Role.MEMBER, Role.MODERATOR))),
        ) * 3
        return rng.choice((*often, *by_owner, DeleteChannel(name=name)))
