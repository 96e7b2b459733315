"""Refresh tokens: the tokens of a session are a family with one live token (T-22).

    presented                                  result
    ---------                                  ------
    the newest token                           a successor; the newest is now the previous one
    the previous one, successor not seen       another successor; the unseen one is void
    any other, used or void                    two clients have tokens of one session: it is revoked

A successor counts as seen once it, or the access token issued with it, is used. So a
client that lost a response may ask again at any time, and a stolen token is detected
the first time a token is reused. There is no leeway and no time window.

Tokens are compared by their hashes; the ``jti`` of an access token is the beginning
of its refresh token's hash. Pure; the engine makes the hashes.
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


def new_family(token: str, *, now: float, ends_at: float, lifetime_s: float) -> Family:
    """The family of a new session, from the hash of its first token."""
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
    """The session after an access token with this ``jti`` was used."""
    family = session.family
    if family is None or family.is_used or jti != jti_of(family.newest):
        return session
    return attrs.evolve(session, family=Family(newest=family.newest, until=family.until))


def jti_of(token: str) -> str:
    """The ``jti`` of the access token issued with a refresh token of this hash."""
    return token[:JTI_LENGTH]
