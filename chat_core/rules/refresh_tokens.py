"""Refreshing: a login's refresh tokens are a family in which one is live (T-22).

    presented                              then
    ---------                              ----
    the newest one                         a successor; the newest becomes the one before
    the one before, successor not seen     another successor; the one not seen is void
    any other, spent or void               two hold tokens of one login: it is revoked

A successor has been seen once it, or the access token that came with it, is used.
So whoever lost an answer may ask again at any time, and a thief is found out with
the first token that is used twice. No leeway, no window of time.

Tokens are compared by their hashes; ``jti`` of an access token is the beginning of
its refresh token's hash. Pure; how hashes are made is the engine's matter.
"""

from typing import Final

import attrs

from chat_core.model.account import Family, Session

JTI_LENGTH: Final = 32  # hexadecimal digits of a hash


@attrs.frozen(kw_only=True)
class Renewal:
    """The outcome of presenting a token: the session afterwards, and whether a new pair is granted."""

    session: Session
    is_granted: bool


def begun(token: str, *, now: float, ends_at: float, lifetime_s: float) -> Family:
    """The family of a new login, by the hash of its first token."""
    return Family(newest=token, until=min(now + lifetime_s, ends_at))


def renewed(session: Session, *, presented: str, successor: str, now: float, lifetime_s: float) -> Renewal:
    """Decides the outcome when this token of the session is presented at ``now``."""
    family = session.family
    if family is None or not session.is_live(now):
        return Renewal(session=session, is_granted=False)
    if presented == family.newest:
        before, before_until = family.newest, family.until
    elif presented == family.before and not family.is_used:
        before, before_until = family.before, family.before_until
    else:
        return Renewal(session=attrs.evolve(session, revoked_at=now), is_granted=False)
    if now >= before_until:
        return Renewal(session=session, is_granted=False)
    after = Family(
        newest=successor,
        until=min(now + lifetime_s, session.ends_at),
        is_used=False,
        before=before,
        before_until=before_until,
    )
    return Renewal(session=attrs.evolve(session, family=after), is_granted=True)


def seen(session: Session, jti: str) -> Session:
    """The login once an access token of this ``jti`` was used."""
    family = session.family
    if family is None or family.is_used or jti != jti_of(family.newest):
        return session
    return attrs.evolve(session, family=Family(newest=family.newest, until=family.until))


def jti_of(token: str) -> str:
    """The ``jti`` of the access token that comes with a refresh token of this hash."""
    return token[:JTI_LENGTH]
