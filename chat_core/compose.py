"""Composition: builds a ``Chat`` from a ``Config``. The one place that knows both engine and adapters."""

import random
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from secrets import token_bytes
from typing import Final

import attrs

from chat_core.adapters.clock import Ids, SystemClock
from chat_core.adapters.memory import InProcessBackplane, MemoryStore
from chat_core.adapters.memory_accounts import MemoryAccounts
from chat_core.adapters.passwords import BcryptPasswords
from chat_core.engine.chat import Chat
from chat_core.engine.parts import AccountParts, Parts
from chat_core.ports import Backplane, Clock, Policy, Store, Tokens
from chat_core.ports.accounts import Accounts, Passwords
from chat_core.rules.guesses import Guesses
from chat_core.rules.lobby import LobbyRules, Matcher
from chat_core.rules.matching import MATCHERS, first_come
from chat_core.rules.rate import Rate
from chat_core.words.conversation import Retention, RoomRules

ANONYMOUS: Final = "anonymous"
TIMED: Final = "timed"


@attrs.frozen(kw_only=True)
class Config:
    """What an embedder may choose. Times in seconds.

    ``database``: None keeps everything in memory, a path is an SQLite file.
    ``matcher`` names the timed lobby's matcher, or is one. ``rate_limits=False``
    lifts the limits of rate, not those of size and memory.
    """

    database: Path | None = None
    is_durable: bool = True
    default_channels: tuple[str, ...] = ()
    countdown_s: float = 300.0
    notification_s: float = 30.0
    resume_s: float = 10.0
    rematch_after_s: float = 5.0
    matcher: str | Matcher = "first_come"
    guests_may_post: bool = False
    login_creates_account: bool = False
    refresh_s: float = 14 * 86400.0
    messages_per_second: float = 2.0
    messages_burst: float = 20.0
    searches_per_minute: float = 30.0
    searches_burst: float = 10.0
    rate_limits: bool = True
    flush_s: float = 0.003
    policy: Policy | None = None


async def open_chat(
    config: Config | None = None,
    *,
    clock: Clock | None = None,
    store: Store | None = None,
    backplane: Backplane | None = None,
    chance: random.Random | None = None,
    accounts: Accounts | None = None,
    passwords: Passwords | None = None,
    tokens: Tokens | None = None,
) -> Chat:
    """A running chat. Call ``await chat.stop()`` when it is no longer needed.

    Without arguments: in memory, with the system's clock, and with tokens that
    only this process knows. ``store`` and ``accounts`` go before
    ``config.database``. Raises ``Unavailable`` when the store does not answer.
    """
    config = config or Config()
    clock = clock or SystemClock()
    chance = chance or random.SystemRandom()
    if store is None and config.database is not None:
        store, kept = await _sqlite(config.database, config)
        accounts = accounts or kept
    messages, searches = _rates(config)
    parts = Parts(
        clock=clock,
        store=store or MemoryStore(),
        backplane=backplane or InProcessBackplane(clock),
        chance=chance,
        new_id=Ids(clock.now, chance),
        lobbies=lobbies(config),
        matchers=_matchers(config),
        rooms_by_hand=_timed(config),
        messages=messages,
        searches=searches,
        resume_s=config.resume_s,
        flush_s=config.flush_s,
        guests_may_post=config.guests_may_post,
        policy=config.policy,
        accounts=AccountParts(
            accounts=accounts or MemoryAccounts(),
            passwords=passwords or BcryptPasswords(),
            tokens=cache(_own_tokens) if tokens is None else lambda: tokens,
            default_channels=config.default_channels,
            login_creates_account=config.login_creates_account,
            refresh_s=config.refresh_s,
            guesses=Guesses() if config.rate_limits else None,
        ),
    )
    chat = Chat(parts)
    await chat.start()
    for name in config.default_channels:
        await chat.channels.ensure(name)
    return chat


def open_tokens(
    *,
    secrets: Sequence[bytes] = (),
    pems: Sequence[bytes] = (),
    previous: Sequence[bytes] = (),
    accepted_until: float | None = None,
    user_token_s: float = 1800.0,
) -> Tokens:
    """Access tokens by JWT: ``pems`` (Ed25519) or ``secrets`` (HS256), of which the first signs.

    ``previous`` (either kind) still verifies until ``accepted_until``. Raises
    ``ValueError`` for a key that is none.
    """
    from chat_core.adapters.tokens import Key, SignedTokens

    def key(text: bytes, until: float | None) -> Key:
        made = Key.from_pem if b"-----BEGIN" in text else Key.from_secret
        return made(text, accepted_until=until)

    ring = [
        *(key(text, None) for text in (*pems, *secrets)),
        *(key(text, accepted_until) for text in previous),
    ]
    return SignedTokens(ring, user_token_s=user_token_s)


def lobbies(config: Config) -> tuple[LobbyRules, LobbyRules]:
    """The two lobbies that come built in."""
    return (
        LobbyRules(
            name=ANONYMOUS,
            retention=Retention.NONE,
            room=RoomRules(countdown_s=None, notification_s=config.notification_s),
            rematch_after_s=config.rematch_after_s,
        ),
        LobbyRules(
            name=TIMED,
            retention=Retention.STORED,
            room=_timed(config),
            rematch_after_s=config.rematch_after_s,
        ),
    )


def _timed(config: Config) -> RoomRules:
    return RoomRules(countdown_s=config.countdown_s, notification_s=config.notification_s)


def _matchers(config: Config) -> Mapping[str, Matcher]:
    timed = MATCHERS[config.matcher] if isinstance(config.matcher, str) else config.matcher
    return {ANONYMOUS: first_come, TIMED: timed}


def _rates(config: Config) -> tuple[Rate | None, Rate | None]:
    """How fast one person may send messages, and search."""
    if not config.rate_limits:
        return None, None
    return (
        Rate(per_second=config.messages_per_second, burst=config.messages_burst),
        Rate(per_second=config.searches_per_minute / 60, burst=config.searches_burst),
    )


def _own_tokens() -> Tokens:
    """Tokens of this process alone, by a key that nobody else has."""
    return open_tokens(secrets=[token_bytes(48)])


async def _sqlite(path: Path, config: Config) -> tuple[Store, Accounts]:
    from chat_core.adapters.sql.accounts import SQLiteAccounts  # a driver comes in only where it is used
    from chat_core.adapters.sql.sqlite import open_sqlite

    store = await open_sqlite(path, durability="full" if config.is_durable else "relaxed")
    return store, SQLiteAccounts(store)
