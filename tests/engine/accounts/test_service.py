"""Accounts: signing up and in, guessing, changing, finding others; a guest who becomes a user."""

import asyncio

import pytest

from chat_core.adapters.memory.accounts import MemoryAccounts
from chat_core.compose import Config
from chat_core.model.account import ProfileChange, Status
from chat_core.model.conversation import Channel
from chat_core.model.errors import Refused, Unavailable
from chat_core.model.events import MessagePosted, ReadMarked
from chat_core.model.person import PersonKind
from chat_core.testing import World
from chat_core.testing.passwords import PlainPasswords
from tests.support.account_helpers import (
    ELSEWHERE,
    HERE,
    PASSWORD,
    Socket,
    claims,
    code_of,
    signed_in,
    tokens,
)

CONFIG = Config(default_channels=("general", "random"))


@pytest.fixture
def config() -> Config:
    return CONFIG


# Signing up


async def test_who_registers_is_a_user_in_the_default_channels(world: World) -> None:
    account = await world.chat.accounts.register("Ann", " ann@example.org ", PASSWORD)
    assert (account.username, account.email, account.display_name) == ("Ann", "ann@example.org", "Ann")
    assert account.created_at == world.clock.now()
    channels = (await world.chat.initial_state(account.person)).channels
    assert [channel.name for channel in channels] == ["general", "random"]
    assert channels[0].members[account.id].card == account.person.card
    assert channels[0].owner is None


@pytest.mark.parametrize(
    ("username", "email", "code"),
    [
        ("ANN", "other@example.org", "username_taken"),
        ("other", "ANN@example.org", "email_taken"),
        ("ann", "ann@example.org", "username_taken"),
        ("x", "nowhere", "invalid"),
    ],
)
async def test_a_name_and_an_address_are_one_persons(
    world: World, username: str, email: str, code: str
) -> None:
    await signed_in(world)
    with pytest.raises(Refused) as refused:
        await world.chat.accounts.register(username, email, PASSWORD)
    assert refused.value.code == code
    assert refused.value.fields


async def test_of_many_who_register_one_name_at_once_one_gets_it(world: World) -> None:
    register = world.chat.accounts.register
    asked = [register("ann", f"ann{n}@example.org", PASSWORD) for n in range(10)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    codes = [getattr(one, "code", "made") for one in found]
    assert sorted(codes) == ["made"] + ["username_taken"] * 9


async def test_a_channel_that_cannot_be_joined_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat_core.rules.channel.MEMBERS_PER_CHANNEL_MAX", 0)
    async with World(Config(default_channels=("general",)), tokens=tokens()) as world:
        channel = await world.chat.channels.named("general")
        assert isinstance(channel, Channel)
        account = await world.chat.accounts.register("ann", "ann@example.org", PASSWORD)
        assert (await world.chat.initial_state(account.person)).channels == ()


# Signing in


@pytest.mark.parametrize("name", ["ann", "ANN", "ann@example.org", "Ann@EXAMPLE.org"])
async def test_a_name_or_an_address_signs_in(world: World, name: str) -> None:
    account = await world.chat.accounts.register("ann", "ann@example.org", PASSWORD)
    token_pair = await world.chat.accounts.log_in(name, PASSWORD)
    said = claims(world, token_pair)
    assert (said.person_id, said.name, said.kind, said.sid) == (
        account.id,
        "ann",
        PersonKind.USER,
        token_pair.sid,
    )
    assert (token_pair.account, token_pair.expires_in_s) == (account, 1800.0)
    assert token_pair.refresh_token is not None
    assert len(token_pair.refresh_token) >= 43
    assert await world.chat.accounts.authenticate(said) == account.person


async def test_an_unknown_user_and_a_wrong_password_are_the_same(world: World) -> None:
    await signed_in(world)
    said = []
    for name in ("ann", "nobody", "nobody@example.org"):
        with pytest.raises(Refused) as refused:
            await world.chat.accounts.log_in(name, "wrong horse")
        said.append((refused.value.code, refused.value.message, refused.value.fields))
    assert said == [("bad_credentials", "Wrong user name or password.", {})] * 3


async def test_an_unknown_user_costs_a_hash_too() -> None:
    passwords = PlainPasswords()
    async with World(CONFIG, tokens=tokens(), passwords=passwords) as world:
        await signed_in(world)
        for name, password in (("ann", "wrong"), ("nobody", "wrong"), ("ann", "x" * 129)):
            before = passwords.asked
            assert await code_of(world.chat.accounts.log_in(name, password)) == "bad_credentials"
            assert passwords.asked == before + 1


async def test_the_sixth_wrong_password_has_to_wait_and_nobody_elsewhere_has(world: World) -> None:
    await signed_in(world)
    log_in = world.chat.accounts.log_in
    for name in ("ann", "ann@example.org", "ANN", "ann", "ann"):
        assert await code_of(log_in(name, "wrong horse", source=ELSEWHERE)) == "bad_credentials"
    with pytest.raises(Refused) as refused:
        await log_in("ann", PASSWORD, source=ELSEWHERE)
    assert (refused.value.code, refused.value.retry_after_s) == ("too_many", 900.0)
    assert (await log_in("ann", PASSWORD, source=HERE)).person.username == "ann"
    await world.advance(900)
    assert await log_in("ann", PASSWORD, source=ELSEWHERE)


async def test_guesses_at_once_are_no_more_than_one_after_the_other(world: World) -> None:
    await signed_in(world)
    asked = [world.chat.accounts.log_in("ann", f"wrong {n}", source=HERE) for n in range(50)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    codes = [getattr(one, "code", "") for one in found]
    assert (codes.count("bad_credentials"), codes.count("too_many")) == (5, 45)


async def test_a_source_that_tries_many_names_has_to_wait(world: World) -> None:
    for n in range(20):
        assert await code_of(world.chat.accounts.log_in(f"name{n}", "x", source=HERE)) == "bad_credentials"
    assert await code_of(world.chat.accounts.log_in("another", "x", source=HERE)) == "too_many"


async def test_what_was_not_looked_at_is_no_guess() -> None:
    passwords = Busy()
    async with World(CONFIG, tokens=tokens(), passwords=passwords) as world:
        await signed_in(world)
        passwords.is_busy = True
        for _ in range(10):
            assert await code_of(world.chat.accounts.log_in("ann", PASSWORD)) == "Unavailable"
        passwords.is_busy = False
        assert await world.chat.accounts.log_in("ann", PASSWORD)


async def test_without_limits_nobody_counts_guesses() -> None:
    async with World(Config(rate_limits=False), tokens=tokens()) as world:
        await signed_in(world)
        for _ in range(30):
            assert await code_of(world.chat.accounts.log_in("ann", "wrong horse")) == "bad_credentials"


async def test_a_login_makes_an_account_where_that_is_so() -> None:
    counted: list[str] = []
    config = Config(login_creates_account=True, default_channels=("general",))
    async with World(config, tokens=tokens()) as world:
        log_in = world.chat.accounts.log_in
        token_pair = await log_in("ann", PASSWORD, creating=lambda: counted.append("ann"))
        assert token_pair.account is not None
        assert token_pair.account.email == ""
        again = await log_in("ANN", PASSWORD, creating=lambda: counted.append("again"))
        assert (again.person, counted) == (token_pair.person, ["ann"])
        assert await code_of(log_in("ann", "wrong horse")) == "bad_credentials"
        assert await code_of(log_in("ann2@example.org", PASSWORD)) == "bad_credentials"
        assert await code_of(log_in("bob", "password")) == "invalid"
        both = await asyncio.gather(log_in("cleo", PASSWORD), log_in("Cleo", PASSWORD))
        assert both[0].person == both[1].person


async def test_a_refusal_to_make_an_account_makes_none() -> None:
    def refuse() -> None:
        raise Refused("too_many", "Too many accounts from your network.")

    async with World(Config(login_creates_account=True), tokens=tokens()) as world:
        assert await code_of(world.chat.accounts.log_in("ann", PASSWORD, creating=refuse)) == "too_many"
        assert await code_of(world.chat.accounts.profile("ann")) == "unknown_user"


async def test_who_goes_away_while_registering_is_registered(world: World) -> None:
    asked = asyncio.ensure_future(world.chat.accounts.register("ann", "ann@example.org", PASSWORD))
    await asyncio.sleep(0)
    asked.cancel()
    await world.settle()
    account = await world.chat.accounts.account((await world.chat.accounts.profile("ann")).id)
    assert len((await world.chat.initial_state(account.person)).channels) == 2


async def test_a_password_that_was_changed_meanwhile_opens_nothing(world: World) -> None:
    ann = (await signed_in(world)).person.id
    logging_in = asyncio.ensure_future(world.chat.accounts.log_in("ann", PASSWORD))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await world.accounts.set_password(ann, "plain:another horse", keep_sid="", at=world.clock.now())
    assert await code_of(logging_in) == "bad_credentials"


async def test_a_name_or_an_address_that_goes_to_another_meanwhile_is_taken(world: World) -> None:
    register = world.chat.accounts.register
    for one, other, code in (
        (("ann", "a@example.org"), ("Ann", "b@example.org"), "username_taken"),
        (("bob", "c@example.org"), ("bob2", "C@example.org"), "email_taken"),
    ):
        found = await asyncio.gather(
            register(*one, PASSWORD), register(*other, PASSWORD), return_exceptions=True
        )
        assert sorted(getattr(outcome, "code", "made") for outcome in found) == sorted(["made", code])


# Guests


async def test_a_guest_signs_in_without_an_account_and_is_called_something(world: World) -> None:
    token_pair = await world.chat.accounts.guest("Ann ✨")
    assert (token_pair.account, token_pair.person.display_name, token_pair.person.kind) == (
        None,
        "Ann ✨",
        PersonKind.GUEST,
    )
    assert token_pair.expires_in_s == 86400.0
    assert await world.chat.accounts.authenticate(claims(world, token_pair)) == token_pair.person
    assert (await world.chat.accounts.guest()).person.display_name == "Guest"
    assert await code_of(world.chat.accounts.guest("x" * 41)) == "invalid"
    assert await code_of(world.chat.accounts.account(token_pair.person.id)) == "unknown_user"


async def test_a_guest_who_registers_stays_the_same_person_with_its_rooms(world: World) -> None:
    token_pair = await world.chat.accounts.guest("Ann")
    socket = await Socket.open(world, token_pair)
    ann, bob = await world.pair("x", "bob", lobby="timed")
    account = await world.chat.accounts.register("ann", "ann@example.org", PASSWORD, guest=ann.person)
    assert account.id == ann.id
    room = await world.chat.conversation(account.person, ann.room)
    assert room.members[ann.id].card.display_name == "x"
    assert ann.connection.person == account.person
    await ann.says("still here")
    assert bob.sees(MessagePosted).message.content == "still here"
    again = await world.chat.accounts.log_in("ann", PASSWORD)
    assert [room.id for room in (await world.chat.initial_state(again.person)).rooms] == [ann.room]
    assert socket.ended is None


async def test_a_guests_token_is_a_users_from_then_on(world: World) -> None:
    token_pair = await world.chat.accounts.guest("Ann")
    account = await world.chat.accounts.register("ann", "ann@example.org", PASSWORD, guest=token_pair.person)
    assert await world.chat.accounts.authenticate(claims(world, token_pair)) == account.person
    await world.advance(60)
    assert await world.chat.accounts.authenticate(claims(world, token_pair)) == account.person
    assert token_pair.refresh_token is not None
    refreshed = await world.chat.accounts.refresh(token_pair.refresh_token)
    assert (refreshed.account, refreshed.expires_in_s) == (account, 1800.0)
    code = await code_of(
        world.chat.accounts.register("ann2", "ann2@example.org", PASSWORD, guest=token_pair.person)
    )
    assert code == "wrong_state"


async def test_a_guest_who_registers_twice_at_once_gets_one_account(world: World) -> None:
    guest = (await world.chat.accounts.guest("Ann")).person
    asked = [
        world.chat.accounts.register(f"ann{n}", f"ann{n}@example.org", PASSWORD, guest=guest)
        for n in range(5)
    ]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(getattr(one, "code", "made") for one in found) == ["made"] + ["wrong_state"] * 4


# Oneself


async def test_what_is_changed_is_what_others_see(world: World) -> None:
    token_pair = await signed_in(world)
    socket = await Socket.open(world, token_pair)
    change = ProfileChange(display_name="Ann Lee", bio="Hi.", email="new@example.org", birth_year=1990)
    account = await world.chat.accounts.change(token_pair.person.id, change, sid=token_pair.sid)
    assert (account.display_name, account.email, account.birth_year) == ("Ann Lee", "new@example.org", 1990)
    assert socket.connection.person.display_name == "Ann Lee"
    assert (await world.chat.accounts.authenticate(claims(world, token_pair))).display_name == "Ann Lee"
    assert (await world.chat.accounts.profile("ANN")).bio == "Hi."
    assert (await world.chat.accounts.log_in("new@example.org", PASSWORD)).person.display_name == "Ann Lee"
    assert await code_of(world.chat.accounts.log_in("ann@example.org", PASSWORD)) == "bad_credentials"


async def test_what_cannot_be_changed_changes_nothing(world: World) -> None:
    await signed_in(world, "bob")
    ann = (await signed_in(world)).person.id
    change = world.chat.accounts.change
    before = await world.chat.accounts.account(ann)
    for wrong, code in (
        (ProfileChange(bio="x", birth_year=3000), "invalid"),
        (ProfileChange(bio="x", email="BOB@example.org"), "email_taken"),
        (ProfileChange(bio="x", password="another horse"), "wrong_password"),
        (ProfileChange(bio="x", password="another horse", current_password="wrong"), "wrong_password"),
        (ProfileChange(bio="x", password="password", current_password=PASSWORD), "invalid"),
    ):
        assert await code_of(change(ann, wrong)) == code
        assert await world.chat.accounts.account(ann) == before
    assert await code_of(change("nobody", ProfileChange(bio="x"))) == "unknown_user"


async def test_who_switched_it_off_shows_nobody_how_far_it_has_read(world: World) -> None:
    ann, bob = await world.pair("ann", "bob", lobby="timed")
    await world.chat.accounts.register("bob", "bob@example.org", PASSWORD, guest=bob.person)
    await ann.says("hi")
    await world.chat.accounts.change(bob.id, ProfileChange(shows_read_marks=False))
    await bob.reads(1)
    ann.sees_no(ReadMarked)
    assert await world.store.read_marks(ann.room) == {bob.id: 1}
    await world.chat.accounts.change(bob.id, ProfileChange(shows_read_marks=True))
    await bob.reads(2)
    assert ann.sees(ReadMarked).seq == 2


async def test_another_password_ends_every_other_session_and_not_this_one(world: World) -> None:
    mine = await signed_in(world)
    other = await world.chat.accounts.log_in("ann", PASSWORD)
    sockets = [await Socket.open(world, token_pair) for token_pair in (mine, other)]
    change = ProfileChange(password="another horse", current_password=PASSWORD)
    await world.chat.accounts.change(mine.person.id, change, sid=mine.sid, source=HERE)
    assert [socket.ended and socket.ended[0] for socket in sockets] == [None, 3503]
    assert await code_of(world.chat.accounts.authenticate(claims(world, other))) == "unauthenticated"
    assert await world.chat.accounts.authenticate(claims(world, mine)) == mine.person
    assert other.refresh_token is not None
    assert await code_of(world.chat.accounts.refresh(other.refresh_token)) == "bad_token"
    assert await code_of(world.chat.accounts.log_in("ann", PASSWORD)) == "bad_credentials"
    assert await world.chat.accounts.log_in("ann", "another horse")


async def test_who_guesses_the_current_password_has_to_wait(world: World) -> None:
    ann = (await signed_in(world)).person
    change = ProfileChange(password="another horse", current_password="wrong")
    asked = [world.chat.accounts.change(ann.id, change, source=HERE) for _ in range(4)]
    assert [await code_of(one) for one in asked] == ["wrong_password"] * 4
    assert await code_of(world.chat.accounts.erase(ann, password="wrong", source=HERE)) == "wrong_password"
    assert await code_of(world.chat.accounts.erase(ann, password=PASSWORD, source=HERE)) == "too_many"


async def test_two_changes_at_once_both_hold(world: World) -> None:
    ann = (await signed_in(world)).person.id
    changes = (ProfileChange(bio="b"), ProfileChange(language="de"), ProfileChange(interests=("go",)))
    await asyncio.gather(*(world.chat.accounts.change(ann, change) for change in changes))
    account = await world.chat.accounts.account(ann)
    assert (account.bio, account.language, account.interests) == ("b", "de", ("go",))


# Others


async def test_a_status_is_shown_while_the_user_is_here(world: World) -> None:
    token_pair = await signed_in(world)
    profile = world.chat.accounts.profile
    assert ((await profile("ann")).status, (await profile("ann")).last_seen) == (Status.OFFLINE, None)
    socket = await Socket.open(world, token_pair)
    assert (await profile("ann")).status is Status.ONLINE
    account = await world.chat.accounts.set_status(token_pair.person.id, Status.BUSY)
    assert (account.status, account.last_seen) == (Status.BUSY, world.clock.now())
    assert (await world.chat.accounts.profile_of(token_pair.person.id)).status is Status.BUSY
    await world.chat.accounts.set_status(token_pair.person.id, Status.OFFLINE)
    assert (await profile("ann")).status is Status.OFFLINE
    await world.advance(60)
    socket.connection.close()
    await world.advance(30)
    assert (await profile("ann")).last_seen == world.clock.now() - 20  # the grace is over
    assert await code_of(world.chat.accounts.set_status("guest", Status.AWAY)) == "unknown_user"


async def test_users_come_in_pages_and_are_found_by_a_part_of_a_name(world: World) -> None:
    for name in ("dora", "Bob", "ann", "cleo"):
        await world.chat.accounts.register(name, f"{name}@example.org", PASSWORD)
    page = await world.chat.accounts.page(limit=3)
    assert [one.username for one in page.items] == ["ann", "Bob", "cleo"]
    assert page.next is not None
    rest = await world.chat.accounts.page(after=page.next, limit=3)
    assert ([one.username for one in rest.items], rest.next) == (["dora"], None)
    assert [one.username for one in (await world.chat.accounts.page(q="O")).items] == ["Bob", "cleo", "dora"]
    assert len((await world.chat.accounts.page(limit=0)).items) == 1
    assert await code_of(world.chat.accounts.profile("nobody")) == "unknown_user"
    assert await code_of(world.chat.accounts.profile_of("nobody")) == "unknown_user"


async def test_who_is_online_is_told_but_not_who_hides_or_is_a_guest(world: World) -> None:
    for name in ("cleo", "ann", "Bob", "dora"):
        await Socket.open(world, await signed_in(world, name))
    await signed_in(world, "gone")
    await Socket.open(world, await world.chat.accounts.guest("Guest"))
    await world.chat.accounts.set_status((await world.chat.accounts.profile("cleo")).id, Status.OFFLINE)
    page = await world.chat.accounts.online(limit=2)
    assert [one.username for one in page.items] == ["ann", "Bob"]
    assert page.next == "Bob"
    rest = await world.chat.accounts.online(after=page.next)
    assert ([one.username for one in rest.items], rest.next) == (["dora"], None)
    assert [one.username for one in (await world.chat.accounts.online(q="b")).items] == ["Bob"]


async def test_a_last_visit_that_cannot_be_written_harms_nobody() -> None:
    accounts = Broken()
    async with World(CONFIG, tokens=tokens(), accounts=accounts) as world:
        token_pair = await signed_in(world)
        socket = await Socket.open(world, token_pair)
        accounts.is_broken = True
        socket.connection.close()
        await world.advance(60)
        assert accounts.refused


class Busy(PlainPasswords):
    """Passwords whose queue is full while ``is_busy``."""

    is_busy = False

    async def verify(self, password: str, hashed: str | None) -> bool:
        if self.is_busy:
            raise Unavailable("Too many are signing in at this moment.")
        return await super().verify(password, hashed)


class Broken(MemoryAccounts):
    """Accounts that do not take down visits while ``is_broken``; ``refused`` counts those."""

    is_broken = False
    refused = 0

    async def seen(self, person: str, at: float, status: Status | None = None) -> None:
        if self.is_broken:
            self.refused += 1
            raise Unavailable("broken")
        await super().seen(person, at, status)
