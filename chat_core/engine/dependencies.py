"""Parts: what a chat is put together from. ``chat_core.compose`` chooses them."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

import attrs

from chat_core.model.conversation import RoomRules
from chat_core.model.ids import LobbyName
from chat_core.ports import Backplane, Clock, Policy, Store, Tokens
from chat_core.ports.accounts import Accounts, Passwords
from chat_core.rules.lobby import LobbyRules, Matcher
from chat_core.rules.password_attempts import Guesses
from chat_core.rules.rate import Rate


@attrs.frozen(kw_only=True)
class AccountDependencies:
    """Dependencies of accounts. ``guesses`` is None if password attempts are not counted.

    ``tokens`` is called when the first is needed: its driver comes in only where it is used.
    """

    accounts: Accounts
    passwords: Passwords
    tokens: Callable[[], Tokens]
    default_channels: tuple[str, ...] = ()
    login_creates_account: bool = False
    refresh_s: float
    guesses: Guesses | None = None


@attrs.frozen(kw_only=True)
class Dependencies:
    """Adapters and rules of one node. A rate of None: as fast as wanted. Times in seconds."""

    clock: Clock
    store: Store
    backplane: Backplane
    rng: Random
    new_id: Callable[[], str]
    lobbies: Sequence[LobbyRules]
    matchers: Mapping[LobbyName, Matcher]
    rooms_by_hand: RoomRules
    messages: Rate | None = None
    searches: Rate | None = None
    resume_s: float
    flush_s: float
    guests_may_post: bool
    open_channels: bool = False
    texts_kept_s: float | None = None
    policy: Policy | None = None
    accounts: AccountDependencies
