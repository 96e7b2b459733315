"""Sessions: refreshed, replayed, ended; sockets close at once and cannot come back."""

import asyncio
import hashlib
from collections.abc import Sequence

import pytest

from chat_core.adapters.memory.accounts import MemoryAccounts
from chat_core.compose import Config
from chat_core.model.account import Account, Session, TokenPair
from chat_core.model.errors import Disconnected, Unavailable
from chat_core.model.ids import PersonId
from chat_core.ports import Claims, TokenInvalid
from chat_core.testing import World
from tests.support.account_helpers import PASSWORD, Socket, claims, code_of, later, signed_in, tokens

DAY = 86400.0


async def refreshed(world: World, token_pair: TokenPair) -> TokenPair:
    assert token_pair.refresh_token is not None
    return await world.chat.accounts.refresh(token_pair.refresh_token)


async def is_out(world: World, token_pair: TokenPair) -> bool:
    """Whether neither of the grant's tokens opens anything."""
    assert token_pair.refresh_token is not None
    access = await code_of(world.chat.accounts.authenticate(claims(world, token_pair)))
    return (access, await code_of(world.chat.accounts.refresh(token_pair.refresh_token))) == (
        "unauthenticated",
        "bad_token",
    )


# Refreshing


async def test_a_refresh_gives_a_new_pair_of_the_same_session(world: World) -> None:
    first = await signed_in(world)
    second = await refreshed(world, first)
    assert second.sid == first.sid
    assert second.person == first.person
    assert {first.access_token, first.refresh_token}.isdisjoint({second.access_token, second.refresh_token})
    for token_pair in (first, second):
        assert await world.chat.accounts.authenticate(claims(world, token_pair)) == first.person


async def test_a_lost_answer_can_be_asked_for_again(world: World) -> None:
    first = await signed_in(world)
    await refreshed(world, first)
    second = await refreshed(world, first)
    third = await refreshed(world, second)
    assert await world.chat.accounts.authenticate(claims(world, third))


@pytest.mark.parametrize("used", ["refresh token", "access token", "access token after a minute"])
async def test_a_token_that_comes_again_after_its_successor_was_used_ends_all(
    world: World, used: str
) -> None:
    first = await signed_in(world)
    socket = await Socket.open(world, first)
    second = await refreshed(world, first)
    if used == "refresh token":
        second = await refreshed(world, second)
    else:
        await world.advance(60 if "minute" in used else 0)
        await world.chat.accounts.authenticate(claims(world, second))
    assert await code_of(refreshed(world, first)) == "bad_token"
    assert socket.ended == (3503, "revoked: sign in again")
    assert await is_out(world, second)
    assert await world.chat.accounts.log_in("ann", PASSWORD), "nobody is locked out"


async def test_an_access_token_of_before_does_not_spend_the_one_before(world: World) -> None:
    first = await signed_in(world)
    await world.chat.accounts.authenticate(claims(world, first))
    second = await refreshed(world, first)
    await world.advance(5)
    await world.chat.accounts.authenticate(claims(world, first))
    third = await refreshed(world, first)
    assert await world.chat.accounts.authenticate(claims(world, third))
    assert await code_of(refreshed(world, second)) == "bad_token", "it was void"


async def test_fifty_at_once_keep_the_client_in_with_one_chain(world: World) -> None:
    first = await signed_in(world)
    grants = await asyncio.gather(*(refreshed(world, first) for _ in range(50)))
    session = await world.accounts.session(first.sid)
    assert session is not None
    assert session.family is not None
    live = [token_pair for token_pair in grants if _hash(token_pair) == session.family.newest]
    assert live == [grants[-1]], "whoever asked last has the one that holds"
    after = await refreshed(world, grants[-1])
    assert await world.chat.accounts.authenticate(claims(world, after))


async def test_fifty_at_once_on_two_nodes_keep_one_chain(world: World) -> None:
    other = await world.node()
    first = await signed_in(world)
    token = first.refresh_token or ""
    asked = [node.accounts.refresh(token) for _ in range(25) for node in (world.chat, other)]
    grants = await asyncio.gather(*asked)
    session = await world.accounts.session(first.sid)
    assert session is not None
    assert session.family is not None
    (live,) = [token_pair for token_pair in grants if _hash(token_pair) == session.family.newest]
    assert await refreshed(world, live)


async def test_a_token_holds_for_fourteen_days_and_a_session_for_thirty(world: World) -> None:
    idle = await signed_in(world)
    await later(world, 14 * DAY)
    assert await code_of(refreshed(world, idle)) == "bad_token"
    token_pair = await world.chat.accounts.log_in("ann", PASSWORD)
    for _ in range(3):
        await later(world, 9 * DAY)
        token_pair = await refreshed(world, token_pair)
    await later(world, 3 * DAY - 60)
    token_pair = await refreshed(world, token_pair)
    assert token_pair.expires_in_s == 60.0
    await world.advance(60)
    assert await is_out(world, token_pair)


async def test_a_guest_is_refreshed_too(world: World) -> None:
    token_pair = await world.chat.accounts.guest("Ann")
    await later(world, 2 * DAY)
    again = await refreshed(world, token_pair)
    assert (again.person, again.account, again.expires_in_s) == (token_pair.person, None, DAY)


@pytest.mark.parametrize("token", ["", "x", "x" * 201, "\ud800", "a.b.c"])
async def test_what_never_was_a_token_is_bad(world: World, token: str) -> None:
    assert await code_of(world.chat.accounts.refresh(token)) == "bad_token"


async def test_an_access_token_refreshes_nothing_and_the_other_way_round(world: World) -> None:
    token_pair = await signed_in(world)
    assert await code_of(world.chat.accounts.refresh(token_pair.access_token)) == "bad_token"
    with pytest.raises(TokenInvalid):
        world.chat.accounts.tokens.verify(token_pair.refresh_token or "", world.clock.now())


async def test_only_hashes_are_kept(world: World) -> None:
    token_pair = await signed_in(world)
    kept = repr(vars(world.accounts)) + repr(await world.accounts.session(token_pair.sid))
    assert (token_pair.refresh_token or "-") not in kept
    assert token_pair.access_token not in kept
    assert _hash(token_pair) in kept
    assert token_pair.access_token not in repr(token_pair)
    assert (token_pair.refresh_token or "-") not in repr(token_pair)


class Losing(MemoryAccounts):
    """Has the sessions, and once ``has_lost`` no account of theirs."""

    has_lost = False

    async def by_id(self, person: PersonId) -> Account | None:
        return None if self.has_lost else await super().by_id(person)


async def test_an_account_that_is_gone_is_refreshed_no_more() -> None:
    accounts = Losing()
    async with World(Config(), tokens=tokens(), accounts=accounts) as world:
        token_pair = await signed_in(world)
        accounts.has_lost = True
        assert await code_of(refreshed(world, token_pair)) == "bad_token"
        await world.advance(60)
        assert await code_of(world.chat.accounts.authenticate(claims(world, token_pair))) == "unauthenticated"


# Ending


async def test_who_logs_out_is_out_at_once_with_this_session_alone(world: World) -> None:
    here, there = await signed_in(world), await world.chat.accounts.log_in("ann", PASSWORD)
    sockets = [await Socket.open(world, token_pair) for token_pair in (here, here, there)]
    await world.chat.accounts.log_out(here.sid)
    assert [socket.ended and socket.ended[0] for socket in sockets] == [3503, 3503, None]
    assert await is_out(world, here)
    assert await world.chat.accounts.authenticate(claims(world, there))
    await world.chat.accounts.log_out(here.sid)
    await world.chat.accounts.log_out("unknown")


async def test_a_guest_logs_out_too(world: World) -> None:
    token_pair = await world.chat.accounts.guest("Ann")
    socket = await Socket.open(world, token_pair)
    await world.chat.revoke(token_pair.sid)
    assert socket.ended is not None
    assert await is_out(world, token_pair)


async def test_a_person_is_thrown_out_everywhere_or_everywhere_else(world: World) -> None:
    first, second = await signed_in(world), await world.chat.accounts.log_in("ann", PASSWORD)
    sockets = [await Socket.open(world, token_pair) for token_pair in (first, second)]
    without = Socket(world.chat, first.person, "")
    await world.chat.revoke_person(first.person.id, except_sid=second.sid)
    assert [socket.ended is None for socket in (*sockets, without)] == [False, True, False]
    await world.chat.revoke_person(first.person.id)
    assert sockets[1].ended is not None
    assert await is_out(world, second)


async def test_a_session_that_has_ended_lets_nobody_in_however_the_two_meet(world: World) -> None:
    token_pair = await signed_in(world)
    said = claims(world, token_pair)
    person = await world.chat.accounts.authenticate(said)
    await world.chat.revoke(token_pair.sid)
    with pytest.raises(Disconnected) as refused:
        Socket(world.chat, person, token_pair.sid)
    assert refused.value.code == 3503


async def test_who_is_being_let_in_while_it_ends_stays_out(world: World) -> None:
    accounts = Slow()
    async with World(Config(), tokens=tokens(), accounts=accounts) as slow:
        token_pair = await signed_in(slow)
        await slow.advance(60)
        accounts.gate.clear()
        introduced = asyncio.ensure_future(slow.chat.accounts.authenticate(claims(slow, token_pair)))
        await accounts.reached.wait()
        await slow.chat.revoke_person(token_pair.person.id)
        accounts.gate.set()
        assert await code_of(introduced) == "unauthenticated"


async def test_another_nodes_sockets_end_when_it_looks_again(world: World) -> None:
    other = await world.node()
    token_pair = await signed_in(world)
    said = claims(world, token_pair)
    person = await other.accounts.authenticate(said)
    socket = Socket(other, person, token_pair.sid)
    staying = await Socket.open(world, await world.chat.accounts.guest("Bob"))
    await world.chat.revoke(token_pair.sid)
    assert socket.ended is None
    await world.advance(20)
    assert list(socket.ended or ()) == [3503, "revoked: sign in again"]
    assert staying.ended is None
    await world.advance(10.1)
    assert await code_of(other.accounts.authenticate(said)) == "unauthenticated"


async def test_a_look_that_fails_is_taken_again(world: World) -> None:
    accounts = Slow()
    async with World(Config(), tokens=tokens(), accounts=accounts) as shaky:
        token_pair = await signed_in(shaky)
        socket = await Socket.open(shaky, token_pair)
        await accounts.revoke(token_pair.sid, shaky.clock.now())  # as another node does
        accounts.is_broken = True
        await later(shaky, 3700)
        assert socket.ended is None
        accounts.is_broken = False
        await shaky.advance(20)
        assert list(socket.ended or ()) == [3503, "revoked: sign in again"]


async def test_a_connection_goes_on_with_another_session_and_ends_with_that_one(world: World) -> None:
    first, second = await signed_in(world), await world.chat.accounts.log_in("ann", PASSWORD)
    socket = await Socket.open(world, first)
    socket.connection.renew(second.sid)
    await world.chat.revoke(first.sid)
    assert socket.ended is None
    third = await world.chat.accounts.log_in("ann", PASSWORD)
    await world.chat.revoke(third.sid)
    socket.connection.renew(third.sid)
    assert socket.ended is not None


# Looking up


async def test_a_session_is_asked_for_once_in_half_a_minute(world: World) -> None:
    accounts = Counting()
    async with World(Config(), tokens=tokens(), accounts=accounts) as counted:
        token_pair = await signed_in(counted)
        said = claims(counted, token_pair)
        for _ in range(10):
            assert await counted.chat.accounts.authenticate(said)
        assert accounts.asked == 0
        assert counted.chat.accounts.peek(said) == token_pair.person
        await counted.advance(30.1)
        assert counted.chat.accounts.peek(said) is None
        for _ in range(10):
            assert await counted.chat.accounts.authenticate(said)
        assert accounts.asked == 1


async def test_a_session_is_its_own_persons_alone(world: World) -> None:
    ann, bob = await signed_in(world), await signed_in(world, "bob")
    said = claims(world, ann)
    swapped = Claims(
        person_id=bob.person.id,
        name=said.name,
        kind=said.kind,
        sid=said.sid,
        jti=said.jti,
        issued_at=said.issued_at,
        expires_at=said.expires_at,
    )
    assert await code_of(world.chat.accounts.authenticate(swapped)) == "unauthenticated"


async def test_a_pass_is_for_a_day_and_refreshes_nothing(world: World) -> None:
    guest = world.chat.guest("Ann")
    token_pair = await world.chat.accounts.guest_pass(guest)
    assert (token_pair.person, token_pair.account, token_pair.refresh_token) == (guest, None, None)
    session = await world.accounts.session(token_pair.sid)
    assert session is not None
    assert (session.person, session.family, session.ends_at) == (guest.id, None, world.clock.now() + DAY + 60)
    said = world.chat.accounts.tokens.verify(token_pair.access_token, world.clock.now())
    assert (said.sid, said.name, said.kind) == (token_pair.sid, "Ann", guest.kind)
    assert await world.chat.accounts.authenticate(said) == guest
    await world.advance(60)
    assert await world.chat.accounts.authenticate(said) == guest


async def test_sessions_that_are_over_are_forgotten(world: World) -> None:
    token_pair = await world.chat.accounts.guest("Ann")
    await later(world, 30 * DAY + 3601)
    assert await world.accounts.session(token_pair.sid) is None


async def test_a_busy_session_is_unavailable_rather_than_wrong(world: World) -> None:
    accounts = Slow()
    async with World(Config(), tokens=tokens(), accounts=accounts) as busy:
        token_pair = await signed_in(busy)
        second = await refreshed(busy, token_pair)
        accounts.loses_races = True
        with pytest.raises(Unavailable):
            await refreshed(busy, second)
        with pytest.raises(Unavailable):
            await busy.chat.accounts.authenticate(claims(busy, second))


async def test_a_chat_of_its_own_signs_its_own_tokens() -> None:
    async with World(Config()) as world:
        token_pair = await world.chat.accounts.guest("Ann")
        assert await world.chat.accounts.authenticate(claims(world, token_pair)) == token_pair.person


async def test_what_is_known_of_sessions_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat_core.engine.accounts.sessions.SESSIONS_KNOWN_MAX", 3)
    grants = [await world.chat.accounts.guest(f"G{n}") for n in range(5)]
    sessions = world.chat.accounts.sessions
    assert sessions.remembered == (3, 3)
    assert await world.chat.accounts.authenticate(claims(world, grants[0])) == grants[0].person


def _hash(token_pair: TokenPair) -> str:
    return hashlib.sha256((token_pair.refresh_token or "").encode()).hexdigest()


class Counting(MemoryAccounts):
    """Counts the sessions that are read."""

    asked = 0

    async def session(self, sid: str) -> Session | None:
        self.asked += 1
        return await super().session(sid)


class Slow(MemoryAccounts):
    """Answers about sessions when the gate is open, and fails when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.reached = asyncio.Event()
        self.is_broken = False
        self.loses_races = False

    async def session(self, sid: str) -> Session | None:
        found = await super().session(sid)
        if not self.gate.is_set():
            self.reached.set()
            await self.gate.wait()
        return found

    async def replace_session(self, before: Session, after: Session) -> bool:
        return not self.loses_races and await super().replace_session(before, after)

    async def live(self, sids: Sequence[str], now: float) -> frozenset[str]:
        if self.is_broken:
            raise Unavailable("broken")
        return await super().live(sids, now)

    async def forget_sessions(self, before: float) -> int:
        if self.is_broken:
            raise Unavailable("broken")
        return await super().forget_sessions(before)
