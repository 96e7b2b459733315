"""Access tokens: only JWTs signed by this server are valid.

The keys are in a ring: the first signs, all verify, each with its one algorithm. A
token's own statements about its verification (``alg``, ``jku``, ``x5u``, ``jwk``) are
ignored: ``kid`` alone selects the key from the ring (T-21). Time is an argument, never
the library's clock. A signature is checked once: a valid one is remembered by the
token's hash, while the times of token and key are checked again at each use.

Not here: refresh tokens (opaque, in the store), whether the session is still live (the
caller checks its ``sid``), and the key files (the caller reads them).
"""

import hashlib
import hmac
import math
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

import attrs
import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chat_core.model.person import PersonKind
from chat_core.ports import BadToken, Claims, TokenExpired, TokenInvalid

__all__ = ["BadToken", "Claims", "Key", "SignedTokens", "TokenExpired", "TokenInvalid"]

Algorithm: TypeAlias = Literal["HS256", "EdDSA"]

ISSUER: Final = "parley"
AUDIENCE: Final = "parley"
TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - the type of a token, not a secret
TOKEN_BYTES_MAX: Final = 8 * 1024
VERIFIED_MAX: Final = 10_000  # remembered; the oldest is removed first
LEEWAY_S: Final = 5.0
SECRET_BYTES_MIN: Final = 32
USER_TOKEN_S: Final = 30 * 60.0
GUEST_TOKEN_S: Final = 24 * 3600.0

_TIME_MAX: Final = 2.0**53
_TEXTS: Final = ("sub", "name", "sid", "jti")
_REQUIRED: Final = ["sub", "name", "kind", "sid", "iat", "exp", "jti", "iss", "aud"]


@attrs.frozen(kw_only=True)
class Key:
    """One key of the ring, bound to its algorithm. ``signing`` is None if it only verifies."""

    kid: str
    algorithm: Algorithm
    verifying: bytes | Ed25519PublicKey = attrs.field(repr=False)
    signing: bytes | Ed25519PrivateKey | None = attrs.field(default=None, repr=False)
    accepted_until: float | None = None
    """When the key stops verifying; None: never. For previous keys."""

    @classmethod
    def from_secret(cls, secret: bytes, *, accepted_until: float | None = None) -> "Key":
        """A key for HS256. Raises ``ValueError`` below 32 bytes."""
        if len(secret) < SECRET_BYTES_MIN:
            raise ValueError(f"a secret needs at least {SECRET_BYTES_MIN} bytes")
        kid = hmac.digest(secret, b"parley kid", "sha256").hex()[:16]
        return cls(
            kid=kid, algorithm="HS256", verifying=secret, signing=secret, accepted_until=accepted_until
        )

    @classmethod
    def from_pem(cls, pem: bytes, *, accepted_until: float | None = None) -> "Key":
        """A key for EdDSA, from an unencrypted private or a public Ed25519 PEM. Raises ``ValueError``."""
        signing, verifying = _ed25519(pem)
        raw = verifying.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        kid = hashlib.sha256(raw).hexdigest()[:16]
        return cls(
            kid=kid, algorithm="EdDSA", verifying=verifying, signing=signing, accepted_until=accepted_until
        )


def _ed25519(pem: bytes) -> tuple[Ed25519PrivateKey | None, Ed25519PublicKey]:
    try:
        private = b"PRIVATE KEY" in pem
        loaded: object = (
            serialization.load_pem_private_key(pem, password=None)
            if private
            else serialization.load_pem_public_key(pem)
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("not a PEM file with an unencrypted Ed25519 key") from None
    match loaded:
        case Ed25519PrivateKey():
            return loaded, loaded.public_key()
        case Ed25519PublicKey():
            return None, loaded
        case _:
            raise ValueError("not an Ed25519 key")


@attrs.frozen
class _Signed:
    """A key that verifies signatures. ``starts_at``: the time from which it is valid."""

    claims: Claims
    starts_at: float
    key: Key


class SignedTokens:
    """``ports.Tokens`` as JWT. Its only state is its keys and the recently verified tokens."""

    def __init__(
        self,
        ring: Iterable[Key],
        *,
        user_token_s: float = USER_TOKEN_S,
        guest_token_s: float = GUEST_TOKEN_S,
    ) -> None:
        """The first key of ``ring`` signs. Raises ``ValueError`` if it cannot."""
        keys = tuple(ring)
        if not keys or keys[0].signing is None:
            raise ValueError("the first key must be a private (signing) key")
        self._signer = keys[0]
        self._ring: Mapping[str, Key] = {key.kid: key for key in reversed(keys)}
        self._lifetimes_s = {PersonKind.USER: user_token_s, PersonKind.GUEST: guest_token_s}
        self._verified: OrderedDict[bytes, _Signed] = OrderedDict()  # by the token's hash

    @property
    def remembered(self) -> int:
        """The number of tokens whose signatures need no second check."""
        return len(self._verified)

    def lifetime_s(self, kind: PersonKind) -> float:
        """The lifetime of a token for this kind of person, in seconds: the ``expires_in`` of a response."""
        return self._lifetimes_s[kind]

    def issue_access(
        self, person_id: str, name: str, kind: PersonKind, sid: str, now: float, *, jti: str = ""
    ) -> str:
        """A signed token, valid from ``now``. Its times are whole seconds if the lifetime is whole."""
        issued_at = math.floor(now)
        lifetime_s = self._lifetimes_s[kind]
        claims = {
            "sub": person_id,
            "name": name,
            "kind": kind.value,
            "sid": sid,
            "iat": issued_at,
            "exp": issued_at + int(lifetime_s) if lifetime_s == int(lifetime_s) else now + lifetime_s,
            "jti": jti or secrets.token_hex(16),
            "iss": ISSUER,
            "aud": AUDIENCE,
        }
        key = self._signer
        if key.signing is None:
            raise ValueError("the first key must be a private (signing) key")
        headers = {"typ": TOKEN_TYPE, "kid": key.kid}
        return jwt.encode(claims, key.signing, algorithm=key.algorithm, headers=headers)

    def verify(self, token: str, now: float) -> Claims:
        """The claims of a valid token. Raises ``TokenExpired`` or ``TokenInvalid``, nothing else."""
        if len(token) > TOKEN_BYTES_MAX or not token.isascii() or token.count(".") != 2:
            raise _invalid()
        digest = hashlib.sha256(token.encode()).digest()
        signed = self._verified.get(digest)
        if signed is None:
            signed = self._signed(token)
            self._verified[digest] = signed
            if len(self._verified) > VERIFIED_MAX:
                self._verified.popitem(last=False)
        return _held(signed, now)

    def _signed(self, token: str) -> _Signed:
        """The claims of a token that this server signed, expired or not."""
        try:
            key = self._key(jwt.get_unverified_header(token))
            claims: dict[str, Any] = jwt.decode(
                token,
                key.verifying,
                algorithms=[key.algorithm],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={
                    "require": _REQUIRED,
                    "strict_aud": True,
                    "verify_exp": False,  # the library uses its own clock
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _invalid() from None
        return _checked(claims, key)

    def _key(self, header: Mapping[str, Any]) -> Key:
        kid = header.get("kid")
        if header.get("typ") != TOKEN_TYPE or not isinstance(kid, str):
            raise _invalid()
        key = self._ring.get(kid)
        if key is None or header.get("alg") != key.algorithm:
            raise _invalid()
        return key


def _held(signed: _Signed, now: float) -> Claims:
    """The claims, if valid now. Expiry is checked last, so that only a once valid token is "expired"."""
    until = signed.key.accepted_until
    if (until is not None and now >= until) or signed.starts_at > now + LEEWAY_S:
        raise _invalid()
    if now >= signed.claims.expires_at + LEEWAY_S:
        raise TokenExpired("The access token has expired.")
    return signed.claims


def _checked(claims: Mapping[str, Any], key: Key) -> _Signed:
    """Checks the types of the claims, and that their times are consistent."""
    texts = [claims[name] for name in _TEXTS]
    if not all(isinstance(text, str) and text for text in texts):
        raise _invalid()
    if claims["kind"] not in ("user", "guest") or claims["iss"] != ISSUER:
        raise _invalid()
    issued_at, expires_at = _time(claims["iat"]), _time(claims["exp"])
    starts_at = max(issued_at, _time(claims.get("nbf", issued_at)))
    if expires_at <= issued_at:
        raise _invalid()
    told = Claims(
        person_id=claims["sub"],
        name=claims["name"],
        kind=PersonKind(claims["kind"]),
        sid=claims["sid"],
        jti=claims["jti"],
        issued_at=issued_at,
        expires_at=expires_at,
    )
    return _Signed(told, starts_at, key)


def _time(value: object) -> float:
    """A finite number of seconds since 1970; not a bool or a text, and no overflow."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _TIME_MAX:
        raise _invalid()
    return float(value)


def _invalid() -> TokenInvalid:
    return TokenInvalid("The access token is invalid.")
