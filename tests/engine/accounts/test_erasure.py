"""Leaving for good: everything is handed over on request, and gone on request."""

import asyncio
import json
from pathlib import Path

import pytest

from chat_core.adapters.memory.store import MemoryStore
from chat_core.adapters.sql.accounts import SQLAccounts
from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.compose import Config
from chat_core.engine.results import Committed
from chat_core.model.account import ProfileChange
from chat_core.model.commands import Block, CreateChannel, JoinChannel, MarkRead, Post, React, Search
from chat_core.model.conversation import Channel, Room, RoomState
from chat_core.model.errors import Refused, Unavailable
from chat_core.model.events import MessageDeleted, PartnerLeft
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.person import Card, Person, nobody
from chat_core.testing import Actor, World
from tests.support.account_helpers import PASSWORD, Socket, claims, code_of, signed_in, tokens

CANARY = "canary-7f3a"
CONFIG = Config(default_channels=("general",), guests_may_post=True, rate_limits=False)


@pytest.fixture
def config() -> Config:
    return CONFIG


async def channel_of(world: World, name: str) -> Channel:
    channel = await world.chat.channels.named(name)
    assert channel is not None
    return channel


async def says(world: World, person: Person, text: str, where: ConversationId) -> str:
    committed = await world.chat.do(person, Post(conversation=where, content=text, client_id=text[:40]))
    assert isinstance(committed, Committed)
    assert committed.message is not None
    return committed.message.id


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of the database, as it stands on the disk."""
    return {file.name: file.read_bytes() for file in folder.iterdir()}


async def comes(world: World, person: Person) -> Actor:
    return await world.connects(person)


async def test_texts_become_tombstones_and_who_follows_hears_it(world: World) -> None:
    ann, bob = (await signed_in(world)).person, await world.user("bob")
    general = (await channel_of(world, "general")).id
    await bob.does(JoinChannel(name="general"))
    await bob.follows(general)
    texts = [await says(world, ann, f"{CANARY} {n}", general) for n in range(3)]
    kept = await says(world, bob.person, "mine", general)
    await world.chat.do(ann, React(message=kept, emoji="👍"))
    bob.looks_away()
    await world.chat.accounts.erase(ann, password=PASSWORD)
    await world.settle()
    deleted = bob.sees_all(MessageDeleted)
    assert [event.message_id for event in deleted] == texts
    assert {event.person for event in deleted} == {nobody(ann.id)}
    messages = await world.chat.messages(bob.person, general)
    assert [(message.content, message.deleted) for message in messages] == [("", True)] * 3 + [
        ("mine", False)
    ]
    assert messages[0].author == nobody(ann.id)
    events = await world.chat.history(bob.person, general, after=0, limit=99)
    assert [event.seq for event in events] == list(range(1, (await channel_of(world, "general")).head + 1))
    assert CANARY not in repr(events)
    assert "'ann'" not in repr(events)
    assert ann.id not in (await channel_of(world, "general")).members


async def test_sessions_sockets_and_the_account_are_gone(world: World) -> None:
    token_pair = await signed_in(world)
    socket = await Socket.open(world, token_pair)
    await world.chat.accounts.erase(token_pair.person, password=PASSWORD)
    assert socket.ended is not None
    assert socket.ended[0] == 3503
    assert await code_of(world.chat.accounts.authenticate(claims(world, token_pair))) == "unauthenticated"
    assert await code_of(world.chat.accounts.refresh(token_pair.refresh_token or "")) == "bad_token"
    assert await code_of(world.chat.accounts.log_in("ann", PASSWORD)) == "bad_credentials"
    assert await code_of(world.chat.accounts.profile("ann")) == "unknown_user"
    assert await world.accounts.unfinished_erasures() == []
    again = await signed_in(world)
    assert again.person.id != token_pair.person.id, "the name is free again, the person is another"


async def test_without_the_password_nothing_is_erased(world: World) -> None:
    ann = (await signed_in(world)).person
    assert await code_of(world.chat.accounts.erase(ann)) == "wrong_password"
    assert await world.chat.accounts.account(ann.id)


async def test_rooms_end_and_lines_are_left(world: World) -> None:
    token_pair = await world.chat.accounts.guest("Ann")
    ann, bob, cat = await comes(world, token_pair.person), await world.comes("bob"), await world.comes("cat")
    await world.match(ann, bob, lobby="timed")
    timed = ann.room
    await world.match(ann, cat, lobby="anonymous")
    await says(world, ann.person, CANARY, timed)
    await world.chat.accounts.erase(token_pair.person)
    await world.settle()
    assert bob.sees(PartnerLeft).room == timed
    room = await world.chat.conversation(bob.person, timed)
    assert isinstance(room, Room)
    assert room.state is RoomState.ENDED
    assert CANARY not in repr(await world.chat.history(bob.person, timed, after=0, limit=99))
    assert cat.sees(PartnerLeft).lobby == "anonymous"
    dan = await world.comes("dan")
    await dan.searches("anonymous")
    eve = (await world.chat.accounts.guest("Eve")).person
    await world.chat.do(eve, Search(lobby="timed"))
    await world.chat.accounts.erase(eve)
    assert (await world.chat.initial_state(eve)).waiting is None


@pytest.mark.parametrize("others", [("bob", "cleo"), ()])
async def test_a_channel_goes_to_who_has_been_there_longest_or_with_its_owner(
    world: World, others: tuple[str, ...]
) -> None:
    ann = (await signed_in(world)).person
    await world.chat.do(ann, CreateChannel(name="mine"))
    joined = [await world.user(name) for name in others]
    for other in joined:
        await other.does(JoinChannel(name="mine"))
    await world.chat.accounts.erase(ann, password=PASSWORD)
    channel = await world.chat.channels.named("mine")
    if joined:
        assert channel is not None
        assert (channel.owner, ann.id in channel.members) == (joined[0].id, False)
    else:
        assert channel is None


async def test_an_erasure_that_is_interrupted_goes_on_later(world: World) -> None:
    store = Failing()
    async with World(CONFIG, tokens=tokens(), store=store) as shaky:
        ann = (await signed_in(shaky)).person
        general = (await channel_of(shaky, "general")).id
        await says(shaky, ann, CANARY, general)
        store.is_broken = True
        await shaky.chat.accounts.erase(ann, password=PASSWORD)
        assert await shaky.accounts.unfinished_erasures() == [ann.id]
        assert await code_of(shaky.chat.accounts.profile("ann")) == "unknown_user"
        await shaky.advance(10)
        assert await shaky.accounts.unfinished_erasures() == [ann.id]
        await shaky.restart()
        store.is_broken = False
        await shaky.restart()
        assert await shaky.accounts.unfinished_erasures() == []
        assert CANARY not in repr(await store.after(general, 0, 99))


async def test_an_heir_who_leaves_meanwhile_is_followed_by_the_next(world: World) -> None:
    ann = (await signed_in(world)).person
    await world.chat.do(ann, CreateChannel(name="mine"))
    bob, cleo = await world.user("bob"), await world.user("cleo")
    for other in (bob, cleo):
        await other.does(JoinChannel(name="mine"))
    conversations = world.chat.conversations
    ask = conversations.ask

    def slowly(conversation: ConversationId, command: object, by: Person | None, reply: object) -> None:
        conversations.ask = ask  # type: ignore[method-assign]
        reply(Refused("owner_must_stay", "The heir has left."))  # type: ignore[operator]

    conversations.ask = slowly  # type: ignore[method-assign]
    await world.chat.accounts.erase(ann, password=PASSWORD)
    assert ann.id not in (await channel_of(world, "mine")).members


async def test_no_byte_of_who_was_erased_is_left_in_the_file(tmp_path: Path) -> None:
    """S-16, as far as the database goes."""
    path = tmp_path / "parley.db"
    store = await open_sqlite(path)
    async with World(CONFIG, tokens=tokens(), store=store, accounts=SQLAccounts(store)) as world:
        name = CANARY.replace("-", "")
        await world.chat.accounts.register(name, f"{CANARY}@example.org", PASSWORD)
        token_pair = await world.chat.accounts.log_in(name, PASSWORD)
        told = ProfileChange(display_name=f"{CANARY} Lee", bio=CANARY, interests=(CANARY,))
        ann = (await world.chat.accounts.change(token_pair.person.id, told)).person
        bob = await world.user("bob")
        general = (await channel_of(world, "general")).id
        await bob.does(JoinChannel(name="general"))
        kept = await says(world, bob.person, "kept", general)
        await asyncio.gather(*(says(world, ann, f"{CANARY} {n} {'x' * 500}", general) for n in range(300)))
        await world.chat.do(ann, React(message=kept, emoji="👍"))
        await world.chat.do(ann, CreateChannel(name="mine", description="about chess"))
        await bob.does(JoinChannel(name="mine"))
        await world.chat.do(ann, MarkRead(conversation=general, seq=3))
        assert any(CANARY.encode() in found for found in files_of(tmp_path).values())
        await world.chat.accounts.erase(ann, password=PASSWORD)
        await world.settle()
        for file, found in files_of(tmp_path).items():
            assert CANARY.encode() not in found, file
            assert name.encode() not in found, file
        assert [m.content for m in await world.chat.messages(bob.person, general, limit=1)] == [""]
        assert (await channel_of(world, "mine")).owner == bob.id


async def test_everything_stored_about_a_person_is_in_the_export_and_nobody_else_is(world: World) -> None:
    token_pair = await signed_in(world)
    ann, bob = await comes(world, token_pair.person), await world.user("bob")
    general = (await channel_of(world, "general")).id
    await bob.does(JoinChannel(name="general"))
    mine = await says(world, ann.person, "hello", general)
    theirs = await says(world, bob.person, CANARY, general)
    await world.chat.do(ann.person, React(message=theirs, emoji="👍"))
    await world.chat.do(ann.person, MarkRead(conversation=general, seq=2))
    await world.match(ann, bob, lobby="anonymous")
    await world.chat.do(ann.person, Block(user=bob.id))
    await world.settle()
    export = await world.chat.accounts.export(ann.person)
    read = json.loads(json.dumps(export))
    assert read["account"]["email"] == "ann@example.org"
    assert read["person"]["username"] == "ann"
    assert [(one["id"], one["content"]) for one in read["messages"]] == [(mine, "hello")]
    assert read["reactions"] == [{"conversation": general, "message": theirs, "emoji": "👍"}]
    assert read["read_marks"] == {general: 2}
    assert [(one["name"], one["role"]) for one in read["conversations"]] == [("general", "member")]
    assert len(read["logins"]) == len(read["blocks"]) == len(read["pairings"]) == 1
    for secret in (CANARY, bob.id, "bob", "plain:", token_pair.sid, token_pair.refresh_token or "-"):
        assert secret not in json.dumps(export), secret


async def test_a_guests_export_has_no_account(world: World) -> None:
    token_pair = await world.chat.accounts.guest("Ann")
    ann, bob = await comes(world, token_pair.person), await world.comes("bob")
    await world.match(ann, bob, lobby="timed")
    await says(world, ann.person, "hello", ann.room)
    export = await world.chat.accounts.export(token_pair.person)
    assert export["account"] is None
    (room,) = json.loads(json.dumps(export["conversations"]))
    assert (room["kind"], room["name"], room["member"]) == ("room", None, True)


class Failing(MemoryStore):
    """Anonymises nobody while it is broken."""

    is_broken = False

    async def anonymise(self, conversation: ConversationId, person: PersonId, card: Card) -> None:
        if self.is_broken:
            raise Unavailable("broken")
        await super().anonymise(conversation, person, card)
