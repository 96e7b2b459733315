"""Sessions and sockets: who is let in, by which name, and what happens when the session ends."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat_core import Config, ProfileChange, TokenPair, Unavailable, open_tokens
from chat_core.adapters.memory.accounts import MemoryAccounts
from chat_core.model.account import Session
from chat_core.testing import World
from chat_web.dialects.anonymous import AnonymousPair
from chat_web.dialects.centrifuge import Centrifuge
from chat_web.http.auth import Authenticator
from chat_web.sockets.pump import PumpLimits
from tests.support.memory_wire import Closed, Wire

PASSWORD = "correct horse of the tests"
TOKENS = open_tokens(secrets=[b"a secret of the tests, long enough for HS256"])
REVOKED = Closed(3503, "revoked: sign in again")


class Accounts(MemoryAccounts):
    """Answers about sessions unless it is broken."""

    is_broken = False

    async def session(self, sid: str) -> Session | None:
        if self.is_broken:
            raise Unavailable("broken")
        return await super().session(sid)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    config = Config(default_channels=("general",), rate_limits=False)
    async with World(config, tokens=TOKENS, accounts=Accounts()) as world:
        yield world


async def signed_in(world: World, name: str = "ann") -> TokenPair:
    await world.chat.accounts.register(name, f"{name}@example.org", PASSWORD)
    return await world.chat.accounts.log_in(name, PASSWORD)


def p5(world: World) -> Wire:
    authenticator = Authenticator(world.chat)
    return Wire(world.chat, Centrifuge(), authenticator, limits=PumpLimits(frames=None))


async def told(world: World, wire: Wire) -> list[Any]:
    for _ in range(3):
        await world.settle()
    lines: list[Any] = []
    for seen in wire.seen():
        lines += [seen] if isinstance(seen, Closed) else [json.loads(line) for line in seen.split("\n")]
    return lines


async def connected(world: World, token_pair: TokenPair) -> Wire:
    wire = p5(world)
    wire.say(json.dumps({"id": 1, "connect": {"token": token_pair.access_token}}))
    (answer,) = await told(world, wire)
    assert answer["connect"]["data"]["person"]["id"] == token_pair.person.id
    return wire


async def test_a_socket_ends_with_its_session_and_cannot_come_back(world: World) -> None:
    token_pair = await signed_in(world)
    wire, other = await connected(world, token_pair), await connected(world, await signed_in(world, "bob"))
    await world.chat.accounts.log_out(token_pair.sid)
    assert (await told(world, wire))[-1] == REVOKED
    assert await told(world, other) == []
    again = p5(world)
    again.say(json.dumps({"id": 1, "connect": {"token": token_pair.access_token}}))
    assert await told(world, again) == [Closed(3500, "invalid token")]


async def test_another_password_ends_the_other_sockets_alone(world: World) -> None:
    mine = await signed_in(world)
    other = await world.chat.accounts.log_in("ann", PASSWORD)
    wires = [await connected(world, token_pair) for token_pair in (mine, other)]
    change = ProfileChange(password="another horse of the tests", current_password=PASSWORD)
    await world.chat.accounts.change(mine.person.id, change, sid=mine.sid)
    assert [await told(world, wire) for wire in wires] == [[], [REVOKED]]


async def test_a_socket_of_p0_ends_too(world: World) -> None:
    token_pair = await world.chat.accounts.guest("Ann")
    authenticator = Authenticator(world.chat)
    identity = await authenticator.authenticated(token_pair.access_token)
    assert (identity.person, identity.sid, identity.may_return) == (token_pair.person, token_pair.sid, True)
    wire = Wire(world.chat, AnonymousPair(), authenticator, identity=identity)
    await told(world, wire)
    await world.chat.accounts.erase(token_pair.person)
    assert (await told(world, wire))[-1] == REVOKED
    late = Wire(world.chat, AnonymousPair(), authenticator, identity=identity)
    assert await told(world, late) == [REVOKED]


async def test_a_socket_that_is_renewed_goes_on_with_the_newer_session(world: World) -> None:
    first = await signed_in(world)
    wire = await connected(world, first)
    second = await world.chat.accounts.log_in("ann", PASSWORD)
    wire.say(json.dumps({"id": 2, "refresh": {"token": second.access_token}}))
    assert (await told(world, wire))[0]["id"] == 2
    await world.chat.accounts.log_out(first.sid)
    assert await told(world, wire) == []
    await world.chat.accounts.log_out(second.sid)
    assert await told(world, wire) == [REVOKED]


async def test_who_is_let_in_is_called_as_the_account_says(world: World) -> None:
    token_pair = await signed_in(world)
    await world.chat.accounts.change(token_pair.person.id, ProfileChange(display_name="Ann Lee"))
    wire = p5(world)
    wire.say(json.dumps({"id": 1, "connect": {"token": token_pair.access_token}}))
    (answer,) = await told(world, wire)
    assert answer["connect"]["data"]["person"]["display_name"] == "Ann Lee"


async def test_while_sessions_cannot_be_asked_for_a_client_is_told_to_come_again(world: World) -> None:
    token_pair = await signed_in(world)
    await world.advance(60)
    accounts = world.accounts
    assert isinstance(accounts, Accounts)
    accounts.is_broken = True
    wire = p5(world)
    wire.say(json.dumps({"id": 1, "connect": {"token": token_pair.access_token}}))
    assert await told(world, wire) == [Closed(3004, "server error: come back")]
    accounts.is_broken = False
    await connected(world, token_pair)


async def test_who_hangs_up_while_being_let_in_leaves_nothing_behind(world: World) -> None:
    token_pair = await signed_in(world)
    await world.advance(60)
    wire = p5(world)
    wire.say(json.dumps({"id": 1, "connect": {"token": token_pair.access_token}}))
    wire.drop()
    await world.settle()
    assert world.chat.people.connections() == []
