"""Sessions: opening, refreshing, looking up and ending them.

Every token names its session, and every socket knows which one let it in. A session
that has ended ends its sockets: here at once, on other nodes when they look again.
Kept out: passwords and accounts (``engine.accounts``), and how a token is signed.
"""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final
from weakref import WeakValueDictionary

import attrs

from chat_core.engine.disconnects import REVOKED
from chat_core.engine.presence.people import People
from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.account import Account, Session, TokenPair
from chat_core.model.errors import ChatError, Refused, Unavailable
from chat_core.model.ids import PersonId
from chat_core.model.limits import (
    GUEST_PASS_S,
    SESSION_ENDS_S,
    SESSION_POLL_S,
    SESSION_STALE_S,
    SESSIONS_KNOWN_MAX,
    SESSIONS_SWEPT_S,
)
from chat_core.model.person import Person, PersonKind, guest
from chat_core.ports import Claims, Clock, TokenInvalid, Tokens
from chat_core.ports.accounts import Accounts
from chat_core.rules import refresh_tokens

TOKEN_BYTES: Final = 32
TOKEN_LENGTH_MAX: Final = 200
TRIES_MAX: Final = 8  # of writing a session that others write too
SIDS_AT_ONCE: Final = 500  # of one look


@attrs.frozen
class _Known:
    """A session as it was read. ``person`` is None once it is known to have ended, which it stays."""

    session: Session
    person: Person | None
    read_at: float


class Sessions:
    """All sessions. What is known of one is at most 30 s old."""

    def __init__(
        self,
        *,
        clock: Clock,
        alarms: Alarms,
        tasks: Tasks,
        people: People,
        accounts: Accounts,
        tokens: Callable[[], Tokens],
        new_id: Callable[[], str],
        refresh_s: float,
    ) -> None:
        self._clock = clock
        self._alarms = alarms
        self._tasks = tasks
        self._people = people
        self._accounts = accounts
        self._tokens = tokens
        self._new_id = new_id
        self._refresh_s = refresh_s
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._sids: dict[PersonId, dict[str, None]] = {}  # of those known
        self._endings = 0  # what was read before the latest may be no longer true
        self._refreshing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def start(self) -> None:
        """Look after the sessions of live connections, and forget old ones, again and again."""
        self._alarms.set(("logins", "poll"), self._clock.now() + SESSION_POLL_S, self._poll_soon)
        self._sweep_soon()

    @property
    def remembered(self) -> tuple[int, int]:
        """How many sessions are in memory, and of how many people."""
        return len(self._known), len(self._sids)

    # Opening and refreshing

    async def begin(
        self, person: Person, account: Account | None, *, password: str | None
    ) -> TokenPair | None:
        """A new session with its first tokens; None where ``password`` is not the account's hash any more."""
        now = self._clock.now()
        token, hashed = _new_token()
        ends_at = now + SESSION_ENDS_S
        endings = self._endings
        family = refresh_tokens.new_family(hashed, now=now, ends_at=ends_at, lifetime_s=self._refresh_s)
        session = attrs.evolve(self._new(person, now, ends_at), family=family)
        if not await self._accounts.open_session(session, password=password):
            return None
        self._keep(_Known(session, person, now), endings)
        return self._token_pair(session, person, account, token, now)

    async def open_pass(self, person: Person) -> TokenPair:
        """A session for a day that nothing refreshes, with its access token: a guest's cookie."""
        now = self._clock.now()
        session, endings = self._new(person, now, now + GUEST_PASS_S), self._endings
        await self._accounts.open_session(session)
        self._keep(_Known(session, person, now), endings)
        return self._token_pair(session, person, None, None, now)

    async def refresh(self, token: str) -> TokenPair:
        """A new pair for a refresh token. Refuses ``bad_token``; one that was spent ends its session."""
        if not token or len(token) > TOKEN_LENGTH_MAX:
            raise _bad_token()
        hashed = _hash(token)
        session = await self._accounts.session_by_token(hashed)
        if session is None:
            raise _bad_token()
        lock = self._refreshing.setdefault(session.sid, asyncio.Lock())
        async with lock:
            return await self._refresh(hashed)

    async def _refresh(self, hashed: str) -> TokenPair:
        for _ in range(TRIES_MAX):
            endings = self._endings
            session = await self._accounts.session_by_token(hashed)
            if session is None:
                raise _bad_token()
            now = self._clock.now()
            person, account = await self._whose(session)
            successor, successor_hash = _new_token()
            renewal = refresh_tokens.renewed(
                session,
                presented=hashed,
                successor=successor_hash,
                now=now,
                lifetime_s=self._refresh_s,
            )
            if renewal.session != session and not await self._accounts.replace_session(
                session, renewal.session
            ):
                continue
            if renewal.is_granted and person is not None:
                self._keep(_Known(renewal.session, person, now), endings)
                return self._token_pair(renewal.session, person, account, successor, now)
            if renewal.session.revoked_at is not None:
                self._ended(renewal.session)
            raise _bad_token()
        raise Unavailable("This session is busy. Try again.")

    # Looking up

    def peek(self, claims: Claims) -> Person | None:
        """The person of a session that is known to be live, from memory. None: call ``authenticate``."""
        known = self._known.get(claims.sid)
        if known is None or known.person is None or not self._is_fresh(known, claims):
            return None
        return known.person

    async def authenticate(self, claims: Claims) -> Person:
        """The person of good claims, named as it is now. Raises ``TokenInvalid`` or ``Unavailable``.

        That the token is used is remembered: from then on the refresh token before its own is spent.
        """
        person = self.peek(claims)
        return person if person is not None else await self._tasks.whole(self._authenticate(claims))

    async def _authenticate(self, claims: Claims) -> Person:
        for _ in range(TRIES_MAX):
            endings = self._endings
            session = await self._accounts.session(claims.sid)
            now = self._clock.now()
            if session is None or session.person != claims.person_id or not session.is_live(now):
                raise _over()
            used = refresh_tokens.seen(session, claims.jti)
            if used is not session and not await self._accounts.replace_session(session, used):
                continue
            person, _ = await self._whose(session)
            if person is None:
                raise _over()
            if self._keep(_Known(used, person, now), endings):
                return person
        raise Unavailable("This session is busy. Try again.")

    def _is_fresh(self, known: _Known, claims: Claims) -> bool:
        now, session = self._clock.now(), known.session
        if (
            now - known.read_at > SESSION_STALE_S
            or not session.is_live(now)
            or session.person != claims.person_id
        ):
            return False
        family = session.family
        if family is None:
            return True
        if claims.jti == refresh_tokens.jti_of(family.newest):
            return family.is_used
        return claims.issued_at + 1 < known.read_at  # else it may be of a pair that another node gave

    # Ending

    async def revoke(self, sid: str) -> None:
        """End a session; its sockets close at once (3503). Idempotent."""
        await self._accounts.revoke(sid, self._clock.now())
        session = await self._accounts.session(sid)
        if session is not None:
            self._ended(session)

    async def revoke_person(self, person: PersonId, *, except_sid: str | None = None) -> None:
        """End every session of the person; its sockets close at once, those of no session too."""
        await self._accounts.revoke_all(person, self._clock.now(), keep_sid=except_sid or "")
        self.ended(person, except_sid=except_sid)

    def ended(self, person: PersonId, *, except_sid: str | None = None) -> None:
        """It is written that the person's sessions have ended: so they have here."""
        self._endings += 1
        for sid in self._sids.get(person, ()):
            if sid != except_sid:
                self._known[sid] = attrs.evolve(self._known[sid], person=None)
        online = self._people.get(person)
        for connection in tuple(online.connections) if online is not None else ():
            if connection.sid != except_sid:
                connection.end(*REVOKED)

    def renamed(self, account: Account) -> None:
        """The account has changed: so has what its person is called."""
        for sid in self._sids.get(account.id, ()):
            if self._known[sid].person is not None:
                self._known[sid] = attrs.evolve(self._known[sid], person=account.person)
        self._people.renamed(account.person)

    def _ended(self, session: Session) -> None:
        """One session has ended."""
        self._endings += 1
        self._keep(_Known(session, None, self._clock.now()), self._endings)
        online = self._people.get(session.person)
        for connection in tuple(online.connections) if online is not None else ():
            if connection.sid == session.sid:
                connection.end(*REVOKED)

    # Again and again

    def _poll_soon(self) -> None:
        self._alarms.set(("logins", "poll"), self._clock.now() + SESSION_POLL_S, self._poll_soon)
        sids = {connection.sid: None for connection in self._people.connections() if connection.sid}
        if sids:
            self._tasks.spawn(self._poll(list(sids)))

    async def _poll(self, sids: Sequence[str]) -> None:
        """End the connections whose session has ended elsewhere."""
        over: set[str] = set()
        for start in range(0, len(sids), SIDS_AT_ONCE):
            some = sids[start : start + SIDS_AT_ONCE]
            try:
                over.update(set(some) - await self._accounts.live(some, self._clock.now()))
            except Unavailable:
                return  # at the next look
        for connection in self._people.connections() if over else ():
            if connection.sid in over:
                connection.end(*REVOKED)

    def _sweep_soon(self) -> None:
        self._alarms.set(("logins", "sweep"), self._clock.now() + SESSIONS_SWEPT_S, self._sweep_soon)
        self._tasks.spawn(self._sweep())

    async def _sweep(self) -> None:
        try:
            await self._accounts.forget_sessions(self._clock.now())
        except ChatError:
            return  # at the next time

    # What they are made of

    def _new(self, person: Person, now: float, ends_at: float) -> Session:
        sid, name = self._new_id(), person.display_name
        return Session(
            sid=sid, person=person.id, kind=person.kind, name=name, created_at=now, ends_at=ends_at
        )

    def _token_pair(
        self, session: Session, person: Person, account: Account | None, token: str | None, now: float
    ) -> TokenPair:
        tokens = self._tokens()
        jti = "" if session.family is None else refresh_tokens.jti_of(session.family.newest)
        name = person.display_name if person.kind is PersonKind.GUEST else person.username
        return TokenPair(
            person=person,
            account=account,
            sid=session.sid,
            access_token=tokens.issue_access(person.id, name, person.kind, session.sid, now, jti=jti),
            expires_in_s=min(tokens.lifetime_s(person.kind), session.ends_at - now),
            refresh_token=token,
        )

    async def _whose(self, session: Session) -> tuple[Person | None, Account | None]:
        """The owner of the session, with their current names; None if the account is gone."""
        account = await self._accounts.by_id(session.person)
        if account is not None:
            return account.person, account
        return (guest(session.person, session.name) if session.kind is PersonKind.GUEST else None), None

    def _keep(self, known: _Known, endings: int) -> bool:
        """Remember it, unless some session has ended since it was read: it may be this one."""
        sid, person = known.session.sid, known.session.person
        if endings != self._endings:
            return False
        self._known[sid] = known
        self._known.move_to_end(sid)
        self._sids.setdefault(person, {})[sid] = None
        while len(self._known) > SESSIONS_KNOWN_MAX:
            oldest, forgotten = self._known.popitem(last=False)
            mine = self._sids[forgotten.session.person]
            del mine[oldest]
            if not mine:
                del self._sids[forgotten.session.person]
        return True

    def has_ended(self, sid: str) -> bool:
        """Whether this session is known to have ended."""
        known = self._known.get(sid)
        return known is not None and known.person is None


def _new_token() -> tuple[str, str]:
    """A refresh token of 256 random bits, and its hash."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, _hash(token)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _bad_token() -> Refused:
    return Refused("bad_token", "This refresh token is invalid or has expired. Sign in again.")


def _over() -> TokenInvalid:
    return TokenInvalid("This session has ended. Sign in again.")
