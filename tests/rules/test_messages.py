"""Messages: valid content, permissions, editing, deleting and reacting."""

import unicodedata
from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chat_core.model.commands import Delete, Edit, MessageCommand, Post, React, Unreact
from chat_core.model.conversation import Conversation, Persistence, RoomOutcome, RoomState
from chat_core.model.errors import Code, InvariantBroken, Refused
from chat_core.model.events import (
    Logged,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionAdded,
    ReactionRemoved,
)
from chat_core.model.limits import (
    ATTACHMENTS_MAX,
    CLIENT_ID_LENGTH_MAX,
    CONTENT_LENGTH_MAX,
    EMOJI_LENGTH_MAX,
    REACTIONS_PER_MESSAGE_MAX,
    REACTORS_PER_EMOJI_MAX,
)
from chat_core.model.message import Message
from chat_core.model.person import Person
from chat_core.rules import log
from chat_core.rules import messages as rules
from tests.support.command_scripts import C, R, ann, bob, cat, eve, new_channel, new_room, only, refused, run

CHANNEL = new_channel(ann, bob, cat, owner=ann, moderator=bob)


def posted(
    conversation: Conversation = CHANNEL,
    by: Person = cat,
    content: str = "hello",
    client_id: str | None = None,
    reply_to: Message | None = None,
    attachments: tuple[str, ...] = (),
) -> Message:
    """The message that a post makes."""
    post = Post(
        conversation=conversation.id,
        content=content,
        client_id=client_id,
        reply_to=None if reply_to is None else reply_to.id,
        attachments=attachments,
    )
    fact = only(run(conversation, (5, by, post), target=reply_to).facts)
    assert isinstance(fact, MessagePosted)
    return fact.message


HELLO = posted()
AFTER_HELLO = attrs.evolve(CHANNEL, head=1)


def applied(message: Message, *facts: Logged) -> Message:
    for fact in facts:
        message = rules.apply(message, fact)
    return message


GONE = applied(HELLO, only(run(AFTER_HELLO, (6, cat, Delete(message=HELLO.id)), target=HELLO).facts))


# Content

RIGHT_TO_LEFT = "שלום \u200fעולם\u200e \u202bمرحبا\u202c \u2067أهلا\u2069"

ALLOWED_CONTENTS = {
    "one character": "x",
    "1000 letters": "x" * CONTENT_LENGTH_MAX,
    "1000 emoji beyond the basic plane": "😀" * CONTENT_LENGTH_MAX,
    "1000 combining marks": "e" + "\u0301" * (CONTENT_LENGTH_MAX - 1),
    "spaces around": "  x  ",
    "tab and newline": "\tone\n\ntwo\n",
    "right to left": RIGHT_TO_LEFT,
    "not normalised": "e\u0301 \u212b \ufb01",
    "a family, joined by ZWJ": "👩\u200d👩\u200d👧",
    "markup": "<b onclick='x'>&amp;</b>\\n",
    "a byte order mark": "\ufeffx",
    "line separators": "a\u2028b\u2029c",
    "private use, unassigned, noncharacter": "\ue000\u0378\ufffe\U0010ffff",
    "just below and above the surrogates": "\ud7ff\ue000",
    "no-break space between": "a\u00a0b",
}

REFUSED_CONTENTS = {
    "nothing": "",
    "1001 letters": "x" * (CONTENT_LENGTH_MAX + 1),
    "1001 emoji": "😀" * (CONTENT_LENGTH_MAX + 1),
    "1001 with spaces around": " " + "x" * (CONTENT_LENGTH_MAX - 1) + " ",
    "tabs and newlines only": "\t\n \n",
    "all spaces of Unicode": "".join(chr(n) for n in range(0x110000) if chr(n).isspace()),
    "a lone high surrogate": "x\ud83d",
    "a lone low surrogate": "\ude00x",
    "a pair of surrogates that were never joined": "\ud83d\ude00",
}

CONTROLS = [chr(n) for n in range(0x110000) if unicodedata.category(chr(n)) == "Cc" and chr(n) not in "\t\n"]
SPACES = [chr(n) for n in range(0x110000) if unicodedata.category(chr(n)) in ("Zs", "Zl", "Zp")]


@pytest.mark.parametrize("content", ALLOWED_CONTENTS.values(), ids=list(ALLOWED_CONTENTS))
def test_what_may_be_written_is_kept_as_it_was_written(content: str) -> None:
    message = posted(content=content)
    assert message.content == content
    assert message.content.encode() == content.encode()


@pytest.mark.parametrize("content", REFUSED_CONTENTS.values(), ids=list(REFUSED_CONTENTS))
def test_what_may_not_be_written(content: str) -> None:
    refusal = refused(CHANNEL, (5, ann, Post(conversation=C, content=content)), code="invalid")
    assert refusal.fields == {"content": refusal.message}
    edit = Edit(message=HELLO.id, content=content)
    assert refused(AFTER_HELLO, (5, cat, edit), code="invalid", target=HELLO).fields.keys() == {"content"}


def test_there_are_63_refused_control_characters_among_them_nul_cr_and_c1() -> None:
    assert len(CONTROLS) == 63
    assert {"\0", "\r", "\x0b", "\x0c", "\x1b", "\x7f", "\x80", "\x85", "\x9f"} <= set(CONTROLS)


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
def test_control_characters_are_refused(control: str) -> None:
    for content in (control, f"a{control}b", f"{control}a", f"a{control}", f"a\r{control}"):
        with pytest.raises(Refused) as refusal:
            rules.check_content(content)
        assert refusal.value.code == "invalid"


@pytest.mark.parametrize("space", SPACES, ids=ascii)
def test_a_message_of_spaces_of_any_kind_is_empty(space: str) -> None:
    for content in (space, space * 3, f"{space}\n\t {space}"):
        with pytest.raises(Refused, match="empty"):
            rules.check_content(content)
    rules.check_content(f"{space}x{space}")


def test_there_are_19_kinds_of_space() -> None:
    assert len(SPACES) == 19


@given(st.text(st.characters(codec="utf-8"), min_size=0, max_size=CONTENT_LENGTH_MAX + 5))
def test_any_text_is_refused_or_kept_to_the_byte(content: str) -> None:
    bad = any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n" for c in content)
    blank = not content.strip()
    if bad or blank or len(content) > CONTENT_LENGTH_MAX:
        refused(CHANNEL, (5, cat, Post(conversation=C, content=content)), code="invalid")
    else:
        assert posted(content=content).content.encode() == content.encode()


# Posting


def test_a_post_becomes_a_message_with_the_next_seq() -> None:
    message = posted(attrs.evolve(CHANNEL, head=41), client_id="c1", attachments=("file",))
    assert message == Message(
        id="m42",
        conversation=C,
        seq=42,
        by=cat.id,
        author=cat.card,
        content="hello",
        created_at=5,
        attachments=("file",),
        client_id="c1",
        digest=message.digest,
    )
    assert message.digest is not None
    assert HELLO.digest is None, "nothing is kept of a body that nobody can repeat"


def test_an_author_in_an_anonymous_room_is_the_rooms_pseudonym() -> None:
    message = posted(new_room(anonymous=True), by=ann)
    assert (message.by, message.author.id, message.author.username) == ("ann", "card-of-ann", "stranger")


def test_attachments_have_a_limit() -> None:
    assert posted(attachments=tuple("a" * ATTACHMENTS_MAX)).attachments
    post = Post(conversation=C, content="x", attachments=tuple("a" * (ATTACHMENTS_MAX + 1)))
    assert refused(CHANNEL, (5, ann, post), code="invalid").fields.keys() == {"attachments"}


@pytest.mark.parametrize("client_id", ["x", "ü", "a b", "x" * CLIENT_ID_LENGTH_MAX])
def test_a_client_id_that_may_be(client_id: str) -> None:
    assert posted(client_id=client_id).client_id == client_id


@pytest.mark.parametrize("client_id", ["", "x" * (CLIENT_ID_LENGTH_MAX + 1), "a\0", "a\r", "\x85", "\udc00"])
def test_a_client_id_that_may_not_be(client_id: str) -> None:
    post = Post(conversation=C, content="x", client_id=client_id)
    assert refused(CHANNEL, (5, ann, post), code="invalid").fields.keys() == {"client_id"}


# The same client_id again

ORIGINAL = posted(client_id="c1", content="hello", reply_to=HELLO, attachments=("f", "g"))
AGAIN = Post(conversation=C, content="hello", client_id="c1", reply_to=HELLO.id, attachments=("f", "g"))


def test_a_repeated_post_is_the_same_message_even_when_its_target_is_not_found_any_more() -> None:
    for target in (HELLO, None):
        assert rules.decide(CHANNEL, AGAIN, by=cat, now=9.0, target=target, repeated=ORIGINAL) == ()


@pytest.mark.parametrize(
    "other",
    [
        attrs.evolve(AGAIN, content="hello "),
        attrs.evolve(AGAIN, content="Hello"),
        attrs.evolve(AGAIN, reply_to=None),
        attrs.evolve(AGAIN, reply_to="m2"),
        attrs.evolve(AGAIN, attachments=("f",)),
        attrs.evolve(AGAIN, attachments=("g", "f")),
        attrs.evolve(AGAIN, attachments=("fg",)),
        attrs.evolve(AGAIN, attachments=()),
    ],
)
def test_a_client_id_with_another_body_is_refused(other: Post) -> None:
    refused(CHANNEL, (9, cat, other), code="client_id_reused", target=HELLO, repeated=ORIGINAL)


def test_a_repeated_post_is_still_the_same_after_an_edit() -> None:
    edit = Edit(message=ORIGINAL.id, content="changed")
    edited = applied(ORIGINAL, *run(AFTER_HELLO, (6, cat, edit), target=ORIGINAL).facts)
    assert rules.decide(CHANNEL, AGAIN, by=cat, now=9.0, repeated=edited) == ()
    as_edited = attrs.evolve(AGAIN, content="changed")
    refused(CHANNEL, (9, cat, as_edited), code="client_id_reused", repeated=edited)


def test_a_repeated_post_is_the_tombstone_once_the_message_was_deleted() -> None:
    gone = applied(ORIGINAL, *run(AFTER_HELLO, (6, cat, Delete(message=ORIGINAL.id)), target=ORIGINAL).facts)
    assert gone.client_id == "c1"
    assert gone.digest is None, "a fingerprint would tell what the text was"
    for post in (AGAIN, attrs.evolve(AGAIN, content="other")):
        assert rules.decide(CHANNEL, post, by=cat, now=9.0, repeated=gone) == ()


def test_a_repeated_post_is_answered_after_its_room_has_ended() -> None:
    """Promise 4: equal acks while the message exists, even if the first was lost as the room ended."""
    room = new_room()
    message = posted(room, by=ann, client_id="c1")
    ended = attrs.evolve(room, state=RoomState.ENDED, outcome=RoomOutcome.ENDED)
    again = Post(conversation=R, content="hello", client_id="c1")
    assert rules.decide(ended, again, by=ann, now=9.0, repeated=message) == ()
    refused(ended, (9, ann, attrs.evolve(again, content="x")), code="client_id_reused", repeated=message)
    refused(ended, (9, ann, attrs.evolve(again, client_id="c2")), code="wrong_state")
    refused(ended, (9, eve, again), code="unknown_room", repeated=message)


@given(st.data())
def test_two_posts_have_one_digest_only_if_they_have_one_body(data: st.DataObject) -> None:
    text = st.text(st.sampled_from("ab "), max_size=3)
    post = st.builds(
        Post,
        conversation=st.just(C),
        content=text,
        reply_to=st.none() | text.filter(bool),
        attachments=st.lists(text, max_size=3).map(tuple),
    )
    one, other = data.draw(post), data.draw(post)
    assert (rules.digest(one) == rules.digest(other)) == (one == other)
    assert rules.digest(one) == rules.digest(attrs.evolve(one, client_id="c"))


# Replying


def test_a_reply_names_a_message_of_the_same_conversation() -> None:
    assert posted(reply_to=HELLO).reply_to == HELLO.id
    assert posted(reply_to=GONE).reply_to == GONE.id, "a tombstone is a message too"
    post = Post(conversation=C, content="x", reply_to=HELLO.id)
    elsewhere = attrs.evolve(HELLO, conversation="elsewhere")
    hidden = refused(CHANNEL, (5, ann, post), code="unknown_message", target=elsewhere)
    missing = refused(CHANNEL, (5, ann, post), code="unknown_message")
    assert hidden.message == missing.message


# Permission to write


EVERY_COMMAND: Sequence[MessageCommand] = (
    Post(conversation=C, content="x"),
    Edit(message=HELLO.id, content="x"),
    Delete(message=HELLO.id),
    React(message=HELLO.id, emoji="👍"),
    Unreact(message=HELLO.id, emoji="👍"),
)
every_command = pytest.mark.parametrize("command", EVERY_COMMAND, ids=lambda c: type(c).__name__)


@every_command
def test_who_has_not_joined_a_public_channel_may_not_write(command: MessageCommand) -> None:
    refused(CHANNEL, (5, eve, command), code="not_member", target=HELLO)


@every_command
def test_outsiders_of_rooms_are_told_that_there_is_none(command: MessageCommand) -> None:
    room = new_room()
    refused(room, (5, eve, command), code="unknown_room", target=attrs.evolve(HELLO, conversation=R))


@every_command
def test_nobody_writes_in_a_room_that_has_ended(command: MessageCommand) -> None:
    ended = attrs.evolve(new_room(), state=RoomState.ENDED, outcome=RoomOutcome.ENDED)
    refused(
        ended, (5, ann, command), code="wrong_state", target=attrs.evolve(HELLO, conversation=R, by="ann")
    )


@every_command
def test_a_conversation_that_is_neither_room_nor_channel_has_members_as_well(command: MessageCommand) -> None:
    bare = Conversation(
        id=C, epoch="e", persistence=Persistence.EPHEMERAL, created_at=0.0, members=dict(CHANNEL.members)
    )
    with pytest.raises(Refused) as refusal:
        rules.decide(bare, command, by=eve, now=5.0, target=HELLO)
    assert refusal.value.code == "not_member"
    rules.decide(bare, command, by=cat, now=5.0, target=HELLO)


@every_command
def test_a_message_of_another_conversation_is_as_unknown_as_one_that_is_missing(
    command: MessageCommand,
) -> None:
    if isinstance(command, Post):
        return
    elsewhere = attrs.evolve(HELLO, conversation="elsewhere")
    hidden = refused(CHANNEL, (5, cat, command), code="unknown_message", target=elsewhere)
    missing = refused(CHANNEL, (5, cat, command), code="unknown_message", target=None)
    assert (hidden.message, hidden.fields) == (missing.message, missing.fields)


@every_command
def test_parley_itself_writes_nothing(command: MessageCommand) -> None:
    with pytest.raises(InvariantBroken):
        log.decide(CHANNEL, command, by=None, now=5.0, target=HELLO)


# Editing and deleting

DONE = tuple[str, ...]


@pytest.mark.parametrize(
    ("who", "edit", "delete"),
    [
        (cat, ("MessageEdited",), ("MessageDeleted",)),
        (ann, "not_yours", ("MessageDeleted",)),
        (bob, "not_yours", ("MessageDeleted",)),
    ],
    ids=["author", "owner", "moderator"],
)
def test_who_edits_and_deletes(who: Person, edit: Code | DONE, delete: Code | DONE) -> None:
    commands: dict[MessageCommand, Code | DONE] = {
        Edit(message=HELLO.id, content="new"): edit,
        Delete(message=HELLO.id): delete,
    }
    for command, expected in commands.items():
        if isinstance(expected, tuple):
            assert tuple(run(AFTER_HELLO, (6, who, command), target=HELLO).names) == expected
        else:
            refused(AFTER_HELLO, (6, who, command), code=expected, target=HELLO)


def test_a_member_deletes_nothing_of_others() -> None:
    theirs = posted(by=ann)
    refused(AFTER_HELLO, (6, cat, Delete(message=theirs.id)), code="not_yours", target=theirs)
    room_message = posted(new_room(), by=ann)
    refused(new_room(), (6, bob, Delete(message=room_message.id)), code="not_yours", target=room_message)


def test_an_edited_message_says_when_and_keeps_its_place() -> None:
    fact = only(run(AFTER_HELLO, (6, cat, Edit(message=HELLO.id, content="new")), target=HELLO).facts)
    assert fact == MessageEdited(conversation=C, seq=2, at=6, by="cat", message_id=HELLO.id, content="new")
    assert rules.apply(HELLO, fact) == attrs.evolve(HELLO, content="new", edited_at=6)


def test_an_edit_that_changes_nothing_is_no_event() -> None:
    assert run(AFTER_HELLO, (6, cat, Edit(message=HELLO.id, content="hello")), target=HELLO).facts == ()


def test_of_a_deleted_message_nothing_is_left_but_its_place() -> None:
    full = attrs.evolve(ORIGINAL, reactions={"👍": ("ann",)}, edited_at=3.0)
    gone = applied(full, *run(AFTER_HELLO, (6, cat, Delete(message=full.id)), target=full).facts)
    assert gone == attrs.evolve(full, content="", attachments=(), reactions={}, digest=None, deleted=True)
    assert (gone.id, gone.seq, gone.author, gone.created_at) == (full.id, 1, full.author, full.created_at)


def test_what_is_asked_about_a_deleted_message() -> None:
    refused(AFTER_HELLO, (7, cat, Edit(message=GONE.id, content="x")), code="wrong_state", target=GONE)
    refused(AFTER_HELLO, (7, ann, Edit(message=GONE.id, content="x")), code="not_yours", target=GONE)
    refused(AFTER_HELLO, (7, ann, React(message=GONE.id, emoji="👍")), code="wrong_state", target=GONE)
    assert run(AFTER_HELLO, (7, cat, Delete(message=GONE.id)), target=GONE).facts == ()
    assert run(AFTER_HELLO, (7, cat, Unreact(message=GONE.id, emoji="👍")), target=GONE).facts == ()


# Reacting


def test_a_reaction_is_added_once_and_removed_once() -> None:
    thumb, none = React(message=HELLO.id, emoji="👍"), Unreact(message=HELLO.id, emoji="👍")
    assert run(AFTER_HELLO, (6, bob, none), target=HELLO).facts == ()
    liked = applied(HELLO, *run(AFTER_HELLO, (6, bob, thumb), target=HELLO).facts)
    assert liked.reactions == {"👍": ("bob",)}
    assert run(AFTER_HELLO, (7, bob, thumb), target=liked).facts == ()
    both = applied(liked, *run(AFTER_HELLO, (7, ann, thumb), target=liked).facts)
    assert both.reactions == {"👍": ("bob", "ann")}
    one = applied(both, *run(AFTER_HELLO, (8, bob, none), target=both).facts)
    assert one.reactions == {"👍": ("ann",)}
    assert applied(one, *run(AFTER_HELLO, (9, ann, none), target=one).facts) == HELLO


def test_reactions_show_the_pseudonyms_of_an_anonymous_room() -> None:
    room = new_room(anonymous=True)
    message = posted(room, by=ann)
    room = attrs.evolve(room, head=1)
    fact = only(run(room, (6, bob, React(message=message.id, emoji="👍")), target=message).facts)
    liked = rules.apply(message, fact)
    assert liked.reactions == {"👍": ("card-of-bob",)}
    undone = only(run(room, (7, bob, Unreact(message=message.id, emoji="👍")), target=liked).facts)
    assert rules.apply(liked, undone) == message


@pytest.mark.parametrize(
    "emoji",
    ["👍", "👩\u200d👩\u200d👧", ":+1:", "x" * EMOJI_LENGTH_MAX],
)
def test_an_emoji_that_may_be(emoji: str) -> None:
    told = run(AFTER_HELLO, (6, bob, React(message=HELLO.id, emoji=emoji)), target=HELLO)
    assert told.names == ["ReactionAdded"]


@pytest.mark.parametrize("emoji", ["", " ", "\u3000", "x" * (EMOJI_LENGTH_MAX + 1), "a\0", "\ud83d"])
def test_an_emoji_that_may_not_be(emoji: str) -> None:
    react = React(message=HELLO.id, emoji=emoji)
    refusal = refused(AFTER_HELLO, (6, bob, react), code="invalid", target=HELLO)
    assert refusal.fields.keys() == {"emoji"}


def test_a_message_has_a_limit_of_different_reactions() -> None:
    full = attrs.evolve(HELLO, reactions={f"e{n}": ("ann",) for n in range(REACTIONS_PER_MESSAGE_MAX)})
    refused(AFTER_HELLO, (6, bob, React(message=HELLO.id, emoji="new")), code="invalid", target=full)
    again = run(AFTER_HELLO, (6, bob, React(message=HELLO.id, emoji="e0")), target=full)
    assert again.names == ["ReactionAdded"]
    almost = attrs.evolve(HELLO, reactions={f"e{n}": ("ann",) for n in range(REACTIONS_PER_MESSAGE_MAX - 1)})
    assert run(AFTER_HELLO, (6, bob, React(message=HELLO.id, emoji="new")), target=almost).facts


def test_a_reaction_has_a_limit_of_people() -> None:
    crowd = tuple(f"p{n}" for n in range(REACTORS_PER_EMOJI_MAX))
    full = attrs.evolve(HELLO, reactions={"👍": crowd})
    refused(AFTER_HELLO, (6, bob, React(message=HELLO.id, emoji="👍")), code="invalid", target=full)
    almost = attrs.evolve(HELLO, reactions={"👍": crowd[1:]})
    assert run(AFTER_HELLO, (6, bob, React(message=HELLO.id, emoji="👍")), target=almost).facts
    assert run(AFTER_HELLO, (6, bob, React(message=HELLO.id, emoji="❤")), target=full).facts


# Everything together, against a naive model


PEOPLE = (ann, bob, cat, eve)
CONTENTS = ("one", "two", " ", "x" * (CONTENT_LENGTH_MAX + 1), "bad\0")
EMOJI = ("👍", "❤", "")


class Conversing(RuleBasedStateMachine):
    """People write, change and delete; old snapshot + events = new snapshot (R-24)."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.log: list[Logged] = []
        self.messages: dict[str, Message] = {}
        self.texts: dict[str, str] = {}  # the model: the text of each message, empty for a tombstone
        self.likes: set[tuple[str, str, str]] = set()  # (message, emoji, person)
        self.posted: dict[tuple[str, str], str] = {}

    @initialize(moderated=st.booleans())
    def start(self, moderated: bool) -> None:
        self.channel = self.first = new_channel(
            ann, bob, cat, owner=ann, moderator=bob if moderated else None
        )

    def ask(self, by: Person, command: MessageCommand, target: Message | None) -> tuple[Logged, ...] | None:
        """The events, applied; None if the command was refused."""
        self.now += 1
        repeated = None
        if isinstance(command, Post) and command.client_id is not None:
            repeated = self.messages.get(self.posted.get((by.id, command.client_id), ""))
        before = (self.channel, dict(self.messages))
        try:
            facts = log.decide(
                self.channel,
                command,
                by=by,
                now=self.now,
                new_id=f"m{len(self.messages)}",
                target=target,
                repeated=repeated,
            )
        except Refused:
            assert (self.channel, self.messages) == before
            return None
        for fact in facts:
            self.channel = attrs.evolve(self.channel, head=log.evolve(self.channel, fact).head)
            self.log.append(fact)
            match fact:
                case MessagePosted(message=message):
                    self.messages[message.id] = message
                    if message.client_id is not None:
                        self.posted[message.by, message.client_id] = message.id
                case MessageEdited() | MessageDeleted() | ReactionAdded() | ReactionRemoved():
                    self.messages[fact.message_id] = rules.apply(self.messages[fact.message_id], fact)
        return facts

    def pick(self, which: int) -> Message | None:
        return list(self.messages.values())[which % len(self.messages)] if self.messages else None

    @rule(
        by=st.sampled_from(PEOPLE),
        content=st.sampled_from(CONTENTS),
        client_id=st.sampled_from((None, "c1", "c2")),
    )
    def post(self, by: Person, content: str, client_id: str | None) -> None:
        known = None if client_id is None else self.posted.get((by.id, client_id))
        facts = self.ask(by, Post(conversation=C, content=content, client_id=client_id), None)
        if by is eve or content not in ("one", "two"):
            assert facts is None
        elif known is None:
            assert facts is not None
            self.texts[self.log[-1].message.id] = content  # type: ignore[attr-defined]
        else:
            assert not facts, "one client_id is one message"

    @rule(by=st.sampled_from(PEOPLE), which=st.integers(0, 9), content=st.sampled_from(CONTENTS))
    def edit(self, by: Person, which: int, content: str) -> None:
        target = self.pick(which)
        facts = self.ask(by, Edit(message="m" if target is None else target.id, content=content), target)
        if facts is not None:
            assert target is not None
            assert target.by == by.id
            assert self.texts[target.id]
            assert bool(facts) == (self.texts[target.id] != content)
            self.texts[target.id] = content

    @rule(by=st.sampled_from(PEOPLE), which=st.integers(0, 9))
    def delete(self, by: Person, which: int) -> None:
        target = self.pick(which)
        facts = self.ask(by, Delete(message="m" if target is None else target.id), target)
        if facts is not None:
            assert target is not None
            assert bool(facts) == bool(self.texts[target.id])
            self.texts[target.id] = ""
            self.likes = {like for like in self.likes if like[0] != target.id}

    @rule(
        by=st.sampled_from(PEOPLE),
        which=st.integers(0, 9),
        emoji=st.sampled_from(EMOJI),
        add=st.booleans(),
    )
    def react(self, by: Person, which: int, emoji: str, add: bool) -> None:
        target = self.pick(which)
        kind = React if add else Unreact
        facts = self.ask(by, kind(message="m" if target is None else target.id, emoji=emoji), target)
        if facts is not None:
            assert target is not None
            like = (target.id, emoji, by.id)
            assert bool(facts) == ((like not in self.likes) == add)
            if add:
                self.likes.add(like)
            else:
                self.likes.discard(like)

    @invariant()
    def the_messages_are_what_the_model_says(self) -> None:
        assert {m.id: m.content for m in self.messages.values()} == self.texts
        assert {
            (m.id, emoji, who)
            for m in self.messages.values()
            for emoji, people in m.reactions.items()
            for who in people
        } == self.likes
        for message in self.messages.values():
            assert message.deleted == (message.content == "")
            assert all(people and len(set(people)) == len(people) for people in message.reactions.values())

    @invariant()
    def the_log_has_no_hole_and_folds_to_the_state(self) -> None:
        assert [fact.seq for fact in self.log] == list(range(1, len(self.log) + 1))
        if self.log:
            assert log.fold(self.first, self.log) == self.channel


TestConversing = Conversing.TestCase


def test_events_that_are_not_about_messages_leave_a_message_alone() -> None:
    for fact in (
        MessagePosted(conversation=C, seq=1, at=0.0, message=HELLO),
        Logged(conversation=C, seq=1, at=0.0),
    ):
        assert rules.apply(HELLO, fact) is HELLO
