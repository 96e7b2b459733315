"""Accounts: registration, sign-in and sign-out, profiles, and finding others.

Every change runs to its end once started, even if its caller is gone.
Kept out: sessions (``sessions``), leaving permanently
(``erasure``), what is handed over (``export``), and where a request comes from: ``source`` is opaque.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from weakref import WeakValueDictionary

from chat_core.engine.accounts.erasure import Erasure
from chat_core.engine.accounts.export import Export
from chat_core.engine.accounts.sessions import Sessions
from chat_core.engine.dependencies import AccountDependencies
from chat_core.engine.dispatch import Dispatch
from chat_core.engine.presence.people import People
from chat_core.engine.presence.status import StatusFeed
from chat_core.engine.results import result_of
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.account import Account, Profile, ProfileChange, ProfilePage, Status, TokenPair
from chat_core.model.commands import JoinChannel
from chat_core.model.errors import ChatError, Refused
from chat_core.model.ids import PersonId
from chat_core.model.limits import ACCOUNTS_PAGE_MAX, EMAIL_LENGTH_MAX, PASSWORD_LENGTH_MAX
from chat_core.model.person import Person, PersonKind, guest
from chat_core.ports import Claims, Clock, Tokens
from chat_core.ports.accounts import AccountExists, Accounts, EmailTaken, Passwords, UsernameTaken
from chat_core.rules import accounts as rules

_log = logging.getLogger(__name__)


class AccountService:
    """Operations on accounts and sessions; available as ``chat.accounts``."""

    def __init__(
        self,
        *,
        dependencies: AccountDependencies,
        clock: Clock,
        tasks: Tasks,
        new_id: Callable[[], str],
        people: People,
        status_feed: StatusFeed,
        dispatch: Dispatch,
        sessions: Sessions,
        erasure: Erasure,
        export: Export,
    ) -> None:
        self._dependencies = dependencies
        self._accounts = dependencies.accounts
        self._passwords = dependencies.passwords
        self._clock = clock
        self._tasks = tasks
        self._new_id = new_id
        self._people = people
        self._status_feed = status_feed
        self._dispatch = dispatch
        self.sessions = sessions
        self._erasure = erasure
        self._export = export
        self._changing: WeakValueDictionary[PersonId, asyncio.Lock] = WeakValueDictionary()

    async def start(self) -> None:
        """Go on with what was interrupted; look after sessions from now on."""
        self.sessions.start()
        await self._erasure.resume()

    def stop(self) -> None:
        self._passwords.close()

    @property
    def tokens(self) -> Tokens:
        """The signer of access tokens."""
        return self._dependencies.tokens()

    # Signing up and in

    async def register(
        self,
        username: str,
        email: str,
        password: str,
        *,
        guest: Person | None = None,
        creating: Callable[[], None] | None = None,
    ) -> Account:
        """A new account, in the default channels. A ``guest`` stays the same person, with all its rooms.

        Refuses ``invalid`` with fields, ``username_taken``, ``email_taken``, and
        ``wrong_state`` for a ``guest`` who has an account. ``creating`` is called
        before anybody is looked for; it may refuse.
        """
        rules.check_new(username, email, password)
        if creating is not None:
            creating()
        return await self._tasks.whole(self._register(username, email.strip(), password, guest))

    async def log_in(
        self,
        name: str,
        password: str,
        *,
        source: str = "",
        creating: Callable[[], None] | None = None,
    ) -> TokenPair:
        """A new session for who knows a user name, or an e-mail address, and its password.

        Refuses ``bad_credentials``, the same after the same time for a name that
        nobody has, and ``too_many`` for who guesses. ``creating`` is called before
        an account is made of an unknown name, where that is so; it may refuse.
        """
        return await self._tasks.whole(self._log_in(name, password, source, creating))

    async def guest(self, display_name: str = "") -> TokenPair:
        """A new person without an account, and a session that can be refreshed."""
        if display_name:
            rules.refuse(display_name=rules.wrong_display_name(display_name))
        person = guest(self._new_id(), display_name.strip() or "Guest")
        token_pair = await self._tasks.whole(self.sessions.begin(person, None, password=None))
        return _there(token_pair)

    async def guest_pass(self, person: Person) -> TokenPair:
        """An access token for a guest who is there already: for a day, with nothing to refresh it by."""
        return await self._tasks.whole(self.sessions.open_pass(person))

    async def refresh(self, refresh_token: str) -> TokenPair:
        """Another pair of tokens for one that was not used yet. Refuses ``bad_token``."""
        return await self._tasks.whole(self.sessions.refresh(refresh_token))

    async def log_out(self, sid: str) -> None:
        """End a session: its tokens are invalid, its sockets close at once. Idempotent."""
        await self._tasks.whole(self.sessions.revoke(sid))

    # Oneself

    async def account(self, person: PersonId) -> Account:
        """The user's own account. Refuses ``unknown_user`` if they have none."""
        if (account := await self._accounts.by_id(person)) is None:
            raise rules.unknown_user()
        return account

    async def change(
        self, person: PersonId, change: ProfileChange, *, sid: str = "", source: str = ""
    ) -> Account:
        """The account as it is afterwards. Another password ends every session but ``sid``.

        Refuses ``invalid`` with fields, ``wrong_password``, ``email_taken``, and
        ``too_many`` for who guesses the current password.
        """
        lock = self._changing.setdefault(person, asyncio.Lock())
        async with lock:  # two changes at once both hold
            return await self._tasks.whole(self._change(person, change, sid, source))

    async def set_status(self, person: PersonId, status: Status) -> Account:
        """Sets the status that others see while the user is online."""
        await self._tasks.whole(self._accounts.seen(person, self._clock.now(), status))
        account = await self.account(person)
        online = self._people.get(person)
        if online is not None:
            self._status_feed.look(online)
        return account

    async def erase(self, person: Person, *, password: str = "", source: str = "") -> None:
        """The person leaves for good: sessions end at once, then texts, names and account are gone.

        A user needs the password (``wrong_password``); a guest has none.
        """
        account = await self._accounts.by_id(person.id)
        if account is not None:
            await self._check_password(account, password, source)
        await self._tasks.whole(self._erasure.erase(person.id))

    async def export(self, person: Person) -> dict[str, object]:
        """Everything stored about the person, as JSON can say it; times are seconds since 1970."""
        return await self._export.of(person, await self._accounts.by_id(person.id))

    # Others

    async def profile(self, username: str) -> Profile:
        """The public profile of the user with this name. Refuses ``unknown_user``."""
        account = await self._accounts.by_username(username)
        if account is None:
            raise rules.unknown_user()
        return self.shown(account)

    async def named(self, username: str) -> Person | None:
        """The user of this name, in whatever case it is written; None where there is none."""
        account = await self._accounts.by_username(username)
        return None if account is None else account.person

    async def profile_of(self, person: PersonId) -> Profile:
        """The same by id."""
        return self.shown(await self.account(person))

    async def page(self, *, after: str = "", limit: int = 50, q: str = "") -> ProfilePage:
        """Users by name. ``q`` is a part of the user name or the display name."""
        limit = _limit(limit)
        found = await self._accounts.page(after=after, limit=limit + 1, q=q)
        return self._page(found, limit)

    async def online(self, *, after: str = "", limit: int = 50, q: str = "") -> ProfilePage:
        """Users who are online, by name, except those who are invisible."""
        limit = _limit(limit)
        key, part = rules.username_key(after), q.lower()
        here = sorted(
            (rules.username_key(online.person.username), online.person.id)
            for online in self._people
            if online.person.kind is PersonKind.USER and self._people.is_here(online.person.id)
        )
        rest = [person for name, person in here if name > key]
        found: list[Account] = []
        while rest and len(found) <= limit:
            some, rest = rest[:ACCOUNTS_PAGE_MAX], rest[ACCOUNTS_PAGE_MAX:]
            found += [
                account
                for account in await self._accounts.by_ids(some)
                if account.status is not Status.OFFLINE
                and (part in account.username.lower() or part in account.display_name.lower())
            ]
        found.sort(key=lambda account: rules.username_key(account.username))
        return self._page(found, limit)

    def shown(self, account: Account) -> Profile:
        """The account as others see it now."""
        return account.profile(is_here=self._people.is_here(account.id), now=self._clock.now())

    # Whose token it is

    def peek(self, claims: Claims) -> Person | None:
        """The person of a session that is known to live, at once; None: ask ``authenticate``."""
        return self.sessions.peek(claims)

    async def authenticate(self, claims: Claims) -> Person:
        """The person of verified claims, named as now. Raises ``TokenInvalid`` if the session ended."""
        return await self.sessions.authenticate(claims)

    def left(self, person: Person) -> None:
        """The person is gone: when it was here last is written down, some time."""
        if person.kind is PersonKind.USER:
            self._tasks.spawn(self._write_last_seen(person.id, self._clock.now()))

    # How it is done

    async def _register(self, username: str, email: str, password: str, guest: Person | None) -> Account:
        if guest is not None and await self._accounts.by_id(guest.id) is not None:
            raise _has_account()
        account = Account(
            id=self._new_id() if guest is None else guest.id,
            username=username,
            email=email,
            created_at=self._clock.now(),
            display_name=username,
        )
        await enrol(self._accounts, self._passwords, account, password)
        self.sessions.renamed(account)
        await self._welcome(account)
        return account

    async def _welcome(self, account: Account) -> None:
        """Into the default channels. What fails is tried again at the first login."""
        for name in self._dependencies.default_channels:
            try:
                await result_of(partial(self._dispatch.ask, account.person, JoinChannel(name=name)))
            except ChatError:
                _log.warning("default_channel_join_failed: %s", name)

    async def _log_in(
        self, name: str, password: str, source: str, creating: Callable[[], None] | None
    ) -> TokenPair:
        account = await self._named(name)
        if account is None and self._dependencies.login_creates_account and "@" not in name:
            rules.refuse(username=rules.wrong_username(name), password=rules.wrong_password(password))
            if creating is not None:
                creating()
            try:
                account = await self._register(name, "", password, None)
            except Refused as refusal:
                if refusal.code != "username_taken":
                    raise
                account = await self._named(name)  # made meanwhile: by the same person, perhaps
        hashed = await self._checked(account, name, password, source)
        if account is None or hashed is None:
            raise _bad_credentials()
        is_new = account.last_seen is None and not await self._accounts.sessions_of(account.id)
        token_pair = await self.sessions.begin(account.person, account, password=hashed)
        if token_pair is None:  # the password was changed just now
            raise _bad_credentials()
        if is_new:  # made by the operator, perhaps, who joins nobody to anything
            await self._welcome(account)
        return token_pair

    async def _named(self, name: str) -> Account | None:
        if "@" in name:
            return await self._accounts.by_email(name)
        return await self._accounts.by_username(name)

    async def _checked(self, account: Account | None, name: str, password: str, source: str) -> str | None:
        """The hash that the password was right for, None where it was wrong. Counts guesses."""
        guesses, now = self._dependencies.guesses, self._clock.now()
        key = rules.username_key(name)[:EMAIL_LENGTH_MAX] if account is None else account.id
        if guesses is not None:
            guesses.take(key, source, now)
        try:
            hashed = None if account is None else await self._accounts.password_of(account.id)
            possible = len(password) <= PASSWORD_LENGTH_MAX
            is_right = await self._passwords.verify(
                password if possible else "", hashed if possible else None
            )
        except BaseException:
            if guesses is not None:
                guesses.take_back(key, source, now)
            raise
        if is_right and guesses is not None:
            guesses.right(key, source, now)
        return hashed if is_right else None

    async def _check_password(self, account: Account, password: str, source: str) -> None:
        if await self._checked(account, account.username, password, source) is None:
            words = "This is not your current password."
            raise Refused("wrong_password", words, fields={"current_password": words})

    async def _change(self, person: PersonId, change: ProfileChange, sid: str, source: str) -> Account:
        account = await self.account(person)
        year = datetime.fromtimestamp(self._clock.now(), UTC).year
        after = rules.changed(account, change, year=year)
        hashed = None
        if change.password is not None:
            await self._check_password(account, change.current_password or "", source)
            hashed = await self._passwords.hash(change.password)
        try:
            if after != account and not await self._accounts.update(after):
                raise rules.unknown_user()
        except EmailTaken:
            raise _email_taken() from None
        if hashed is not None:
            await self._accounts.set_password(person, hashed, keep_sid=sid, at=self._clock.now())
            self.sessions.ended(person, except_sid=sid)
        if after != account:
            self.sessions.renamed(after)
        return await self.account(person)

    async def _write_last_seen(self, person: PersonId, at: float) -> None:
        try:
            await self._accounts.seen(person, at)
        except ChatError:
            _log.warning("last_seen_update_failed")

    def _page(self, found: Sequence[Account], limit: int) -> ProfilePage:
        items = tuple(self.shown(account) for account in found[:limit])
        return ProfilePage(items=items, next=items[-1].username if len(found) > limit else None)


async def enrol(accounts: Accounts, passwords: Passwords, account: Account, password: str) -> None:
    """Write down a new account. Refuses ``wrong_state``, ``username_taken`` or ``email_taken``."""
    if await accounts.by_username(account.username) is not None:
        raise _username_taken()
    if account.email and await accounts.by_email(account.email) is not None:
        raise _email_taken()
    try:
        await accounts.add(account, await passwords.hash(password))
    except AccountExists:
        raise _has_account() from None
    except UsernameTaken:
        raise _username_taken() from None
    except EmailTaken:
        raise _email_taken() from None


def _there(token_pair: TokenPair | None) -> TokenPair:
    if token_pair is None:
        raise _bad_credentials()
    return token_pair


def _limit(limit: int) -> int:
    return math.floor(min(max(limit, 1), ACCOUNTS_PAGE_MAX))


def _has_account() -> Refused:
    return Refused("wrong_state", "You already have an account.")


def _bad_credentials() -> Refused:
    return Refused("bad_credentials", "Wrong user name or password.")


def _username_taken() -> Refused:
    words = "This user name is taken."
    return Refused("username_taken", words, fields={"username": words})


def _email_taken() -> Refused:
    words = "There is an account with this e-mail address."
    return Refused("email_taken", words, fields={"email": words})
