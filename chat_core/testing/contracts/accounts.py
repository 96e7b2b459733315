"""The contract of ``ports.Accounts``."""

import abc
import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import attrs

from chat_core.model.account import Account, Family, Session, Status
from chat_core.model.person import PersonKind
from chat_core.ports.accounts import AccountExists, Accounts, EmailTaken, UsernameTaken
from chat_core.testing.contracts.expect import equal, raises, true

NOW: Final = 1_700_000_000.0
ONE, TWO, THREE = ("1" * 64, "2" * 64, "3" * 64)


class AccountsContract(abc.ABC):
    """Subclass it with ``accounts``."""

    @abc.abstractmethod
    def accounts(self) -> AbstractAsyncContextManager[Accounts]:
        """An empty book of accounts, closed at the end."""

    # Accounts

    async def test_an_account_is_found_by_id_by_name_and_by_address_whatever_their_case(self) -> None:
        async with self.accounts() as accounts:
            ann = _account("Ann", bio="x", interests=("chess", "go"), language="en", birth_year=1990)
            await accounts.add(ann, "hash")
            await accounts.add(_account("bob"), "hash")
            equal(await accounts.by_id(ann.id), ann)
            equal(await accounts.by_username("aNN"), ann)
            equal(await accounts.by_email("ANN@Example.org"), ann)
            equal(await accounts.password_of(ann.id), "hash")
            equal([one.id for one in await accounts.by_ids([ann.id, "nobody", ann.id])], [ann.id])
            for found in (accounts.by_id("x"), accounts.by_username("x"), accounts.by_email("x")):
                equal(await found, None)
            equal(await accounts.password_of("nobody"), None)

    async def test_a_name_and_an_address_are_one_persons_whatever_their_case(self) -> None:
        async with self.accounts() as accounts:
            ann = _account("ann")
            await accounts.add(ann, "hash")
            await raises(UsernameTaken, accounts.add(attrs.evolve(ann, id="2", username="ANN"), "h"))
            other = attrs.evolve(ann, id="2", username="ann2", email="ANN@example.ORG")
            await raises(EmailTaken, accounts.add(other, "h"))
            await raises(AccountExists, accounts.add(attrs.evolve(other, id=ann.id), "h"))
            equal(await accounts.by_id("2"), None)

    async def test_of_many_who_want_one_name_one_gets_it(self) -> None:
        async with self.accounts() as accounts:
            wanted = (
                accounts.add(attrs.evolve(_account("ann"), id=str(n), email=f"{n}@b.de"), "h")
                for n in range(20)
            )
            errors = await asyncio.gather(*wanted, return_exceptions=True)
            equal(sum(isinstance(error, UsernameTaken) for error in errors), 19)

    async def test_many_may_have_no_address_and_nobody_is_found_by_it(self) -> None:
        async with self.accounts() as accounts:
            for name in ("ann", "bob"):
                await accounts.add(_account(name, email=""), "h")
            equal(await accounts.by_email(""), None)

    async def test_an_update_writes_what_was_told_and_nothing_else(self) -> None:
        async with self.accounts() as accounts:
            ann, bob = _account("ann"), _account("bob")
            for one in (ann, bob):
                await accounts.add(one, "hash")
            await accounts.seen(ann.id, NOW + 5, Status.BUSY)
            await accounts.seen(ann.id, NOW + 6)
            told: dict[str, Any] = {
                "display_name": "Ann Lee",
                "bio": "b",
                "interests": ("go",),
                "language": "de",
                "birth_year": 1991,
                "avatar_url": "/uploads/1",
                "shows_read_marks": False,
                "email": "new@example.org",
            }
            true(await accounts.update(attrs.evolve(ann, **told, username="other", created_at=0.0)), "done")
            equal(
                await accounts.by_id(ann.id),
                attrs.evolve(ann, **told, status=Status.BUSY, last_seen=NOW + 6),
            )
            equal(await accounts.by_email(ann.email), None)
            await raises(EmailTaken, accounts.update(attrs.evolve(ann, email="BOB@example.org", bio="x")))
            true(await accounts.update(bob), "one's own address is free")
            equal(await accounts.update(_account("nobody")), False)
            await accounts.seen("nobody", NOW)

    async def test_pages_go_by_name_and_look_into_both_names(self) -> None:
        async with self.accounts() as accounts:
            for name in ("cleo", "Bob", "ann", "a_b", "dora"):
                await accounts.add(_account(name, display_name=f"Ms {name.upper()} 100%"), "h")
            names = [one.username for one in await accounts.page(after="", limit=3, q="")]
            equal(names, ["a_b", "ann", "Bob"])
            equal([one.username for one in await accounts.page(after="BOB", limit=3, q="")], ["cleo", "dora"])
            for q, found in (("_", ["a_b"]), ("OB", ["Bob"]), ("ms c", ["cleo"]), ("!", []), ("0%", names)):
                equal([one.username for one in await accounts.page(after="", limit=3, q=q)], found, q)

    # Sessions

    async def test_a_session_is_opened_found_and_ended_once(self) -> None:
        async with self.accounts() as accounts:
            session, guest = _session("s1"), attrs.evolve(_session("s2"), kind=PersonKind.GUEST, family=None)
            true(await accounts.open_session(session), "opened")
            true(await accounts.open_session(guest), "opened")
            equal(await accounts.session("s1"), session)
            equal(await accounts.session("s2"), guest)
            equal(await accounts.session("s3"), None)
            equal(await accounts.live(["s1", "s2", "s3"], NOW), frozenset({"s1", "s2"}))
            equal([await accounts.revoke(sid, NOW + 1) for sid in ("s1", "s1", "s3")], [True, False, False])
            equal(await accounts.live(["s1", "s2"], NOW + 1), frozenset({"s2"}))
            equal(await accounts.session("s1"), attrs.evolve(session, revoked_at=NOW + 1))
            equal(await accounts.live(["s2"], guest.ends_at), frozenset())
            equal(await accounts.revoke("s2", guest.ends_at), False, "it was over")

    async def test_a_session_opens_for_the_password_of_now_alone(self) -> None:
        async with self.accounts() as accounts:
            ann = _account("ann")
            await accounts.add(ann, "old")
            true(await accounts.open_session(_session("s1", ann.id), password="old"), "opened")  # noqa: S106
            true(await accounts.open_session(_session("s2", ann.id, TWO), password="old"), "opened")  # noqa: S106
            await accounts.set_password(ann.id, "new", keep_sid="s2", at=NOW + 1)
            equal(await accounts.password_of(ann.id), "new")
            equal(
                await accounts.live(["s1", "s2"], NOW + 1), frozenset({"s2"}), "every other session has ended"
            )
            equal(await accounts.open_session(_session("s3", ann.id, THREE), password="old"), False)  # noqa: S106
            equal(await accounts.session("s3"), None)
            equal(await accounts.session_by_token(THREE), None)
            await accounts.set_password("nobody", "new", keep_sid="", at=NOW)
            equal(await accounts.password_of("nobody"), None)

    async def test_a_family_is_replaced_by_whoever_knows_it_as_it_is(self) -> None:
        async with self.accounts() as accounts:
            session = _session("s1")
            await accounts.open_session(session)
            after = attrs.evolve(session, family=Family(newest=TWO, until=NOW + 9, is_used=False, before=ONE))
            true(await accounts.replace_session(session, after), "nobody was faster")
            equal(await accounts.replace_session(session, after), False)
            equal(await accounts.session("s1"), after)
            used = attrs.evolve(after, family=Family(newest=TWO, until=NOW + 9))
            true(await accounts.replace_session(after, used), "seen")
            equal(await accounts.replace_session(after, session), False)
            for token in (ONE, TWO):
                equal(await accounts.session_by_token(token), used)
            equal(await accounts.session_by_token(THREE), None)
            true(await accounts.replace_session(used, attrs.evolve(used, revoked_at=NOW)), "revoked")
            equal(await accounts.replace_session(used, used), False)
            equal(await accounts.live(["s1"], NOW), frozenset())

    async def test_the_sessions_of_a_person_are_told_oldest_first_and_ended_but_for_one(self) -> None:
        async with self.accounts() as accounts:
            for n, sid in enumerate(("s2", "s1", "s3")):
                await accounts.open_session(attrs.evolve(_session(sid, "ann", str(n)), created_at=NOW + n))
            await accounts.open_session(_session("s4", "bob", "4"))
            equal([session.sid for session in await accounts.sessions_of("ann")], ["s2", "s1", "s3"])
            await accounts.revoke_all("ann", NOW + 5, keep_sid="s1")
            equal(await accounts.live(["s1", "s2", "s3", "s4"], NOW), frozenset({"s1", "s4"}))
            await accounts.revoke_all("ann", NOW + 6)
            times = [session.revoked_at for session in await accounts.sessions_of("ann")]
            equal(times, [NOW + 5, NOW + 6, NOW + 5])

    async def test_sessions_that_are_over_are_forgotten_with_their_tokens(self) -> None:
        async with self.accounts() as accounts:
            await accounts.open_session(attrs.evolve(_session("s1"), ends_at=NOW + 1))
            await accounts.open_session(_session("s2", "ann", TWO))
            equal(await accounts.forget_sessions(NOW + 1), 0)
            equal(await accounts.forget_sessions(NOW + 2), 1)
            equal(await accounts.session("s1"), None)
            equal(await accounts.session_by_token(ONE), None)
            true(await accounts.session_by_token(TWO), "others stay")

    # Erasure

    async def test_who_is_erased_leaves_a_note_until_all_is_gone(self) -> None:
        async with self.accounts() as accounts:
            ann, bob = _account("ann"), _account("bob")
            for one in (ann, bob):
                await accounts.add(one, "hash")
            await accounts.open_session(_session("s1", ann.id))
            await accounts.open_session(_session("s2", bob.id, TWO))
            await accounts.erase(ann.id, NOW + 2)
            await accounts.erase("guest", NOW + 1)
            await accounts.erase(ann.id, NOW + 3)
            equal(await accounts.by_id(ann.id), None)
            equal(await accounts.password_of(ann.id), None)
            equal(list(await accounts.sessions_of(ann.id)), [])
            equal(await accounts.session_by_token(ONE), None)
            true(await accounts.session_by_token(TWO), "others stay")
            equal(list(await accounts.unfinished_erasures()), ["guest", ann.id])
            await accounts.erased("guest")
            await accounts.erased("guest")
            equal(list(await accounts.unfinished_erasures()), [ann.id])
            await accounts.add(attrs.evolve(ann, id="another"), "hash")


def _account(name: str, **told: Any) -> Account:
    email = f"{name}@example.org"
    return Account(
        **{
            "id": f"{name.lower()}-id",
            "username": name,
            "email": email,
            "created_at": NOW,
            "display_name": name,
            **told,
        }
    )


def _session(sid: str, person: str = "ann-id", token: str = ONE) -> Session:
    return Session(
        sid=sid,
        person=person,
        kind=PersonKind.USER,
        name="ann",
        created_at=NOW,
        ends_at=NOW + 100,
        family=Family(newest=token, until=NOW + 50),
    )
