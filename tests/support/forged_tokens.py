"""Access tokens that do not hold, each for one reason, and the keys of which one would.

``forged()`` holds; ``BAD`` is the table. It is driven against the ring of keys, and
over HTTP.
"""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chat_core.adapters.tokens import Key, SignedTokens

NOW = 1_700_000_000.0
SECRET = b"0123456789abcdef0123456789abcdef-A"
OTHER = b"0123456789abcdef0123456789abcdef-B"
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
PEM = serialization.Encoding.PEM


def private_pem(key: Any) -> bytes:
    pem: bytes = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem


def public_pem(key: Any) -> bytes:
    pem: bytes = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem


HS = Key.from_secret(SECRET)
ED = Key.from_pem(private_pem(PRIVATE))
TOKENS = SignedTokens([HS, ED])


def forged(
    *,
    key: Any = SECRET,
    algorithm: str = "HS256",
    header: Mapping[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A token like ours, signed with our own key, with some of it changed (``...`` leaves it out)."""
    claims: dict[str, Any] = {
        "sub": "person-1",
        "name": "ann",
        "kind": "user",
        "sid": "session-1",
        "iat": int(NOW),
        "exp": int(NOW) + 1800,
        "jti": "1",
        "iss": "parley",
        "aud": "parley",
    }
    headers: dict[str, Any] = {"typ": "at+jwt", "kid": HS.kid, "alg": algorithm}
    claims.update(changes)
    headers.update(header or {})
    return signed(
        {name: value for name, value in headers.items() if value is not ...},
        {name: value for name, value in claims.items() if value is not ...},
        key,
        algorithm,
    )


def signed(header: object, claims: object, key: Any, algorithm: str) -> str:
    """By hand, because the library would not write most of these."""
    first = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    signer = jwt.get_algorithm_by_name(algorithm)
    return f"{first}.{encoded(signer.sign(first.encode(), signer.prepare_key(key)))}"


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(algorithm: str) -> str:
    header, claims, _ = forged(header={"alg": algorithm}).split(".")
    return f"{header}.{claims}."


def tampered() -> str:
    header, _, signature = forged().split(".")
    return f"{header}.{forged(sub='person-2').split('.')[1]}.{signature}"


def flipped() -> str:
    token = forged()
    return token[:-5] + ("A" if token[-5] != "A" else "B") + token[-4:]


RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
JWK_HEADER = {"jwk": {"kty": "oct", "k": encoded(OTHER)}}

BAD: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "no token": lambda: "bearer",
    "two parts": lambda: forged().rpartition(".")[0],
    "four parts": lambda: forged() + ".x",
    "dots": lambda: "..",
    "not ascii": lambda: forged() + "ü",
    "a line feed": lambda: forged() + "\n",
    "a space in front": lambda: " " + forged(),
    "too big": lambda: forged(name="a" * 8192),
    "a megabyte": lambda: "a." * 500_000,
    "alg none": lambda: unsigned("none"),
    "alg None": lambda: unsigned("None"),
    "no signature": lambda: unsigned("HS256"),
    "a flipped signature": flipped,
    "other claims": tampered,
    "another key": lambda: forged(key=OTHER),
    "the public key as a secret": lambda: signed_with_public_key(),
    "HS256 with the kid of EdDSA": lambda: forged(header={"kid": ED.kid}),
    "EdDSA with the kid of HS256": lambda: forged(key=PRIVATE, algorithm="EdDSA"),
    "HS512": lambda: forged(key=SECRET * 2, algorithm="HS512"),
    "HS384 of the same key": lambda: forged(key=SECRET * 2, algorithm="HS384"),
    "RS256": lambda: forged(key=RSA_KEY, algorithm="RS256"),
    "no alg": lambda: forged(header={"alg": ...}),
    "alg a list": lambda: forged(header={"alg": ["HS256"]}),
    "typ JWT": lambda: forged(header={"typ": "JWT"}),
    "typ of a refresh token": lambda: forged(header={"typ": "rt+jwt"}),
    "typ in capitals": lambda: forged(header={"typ": "AT+JWT"}),
    "no typ": lambda: forged(header={"typ": ...}),
    "no kid": lambda: forged(header={"kid": ...}),
    "an unknown kid": lambda: forged(header={"kid": "0" * 16}),
    "an empty kid": lambda: forged(header={"kid": ""}),
    "kid a path": lambda: forged(header={"kid": "../../../../dev/null"}),
    "kid a number": lambda: forged(header={"kid": 1}),
    "kid a list": lambda: forged(header={"kid": [HS.kid]}),
    "its own jwk": lambda: forged(key=OTHER, header=JWK_HEADER),
    "its own jku": lambda: forged(key=OTHER, header={"jku": "http://127.0.0.1:9/keys"}),
    "its own x5u": lambda: forged(key=OTHER, header={"x5u": "http://127.0.0.1:9/cert"}),
    "critical and unknown": lambda: forged(header={"crit": ["moon"], "moon": "full"}),
    "a detached payload": lambda: forged(header={"b64": False, "crit": ["b64"]}),
    "another issuer": lambda: forged(iss="parleys"),
    "issuers": lambda: forged(iss=["parley"]),
    "no issuer": lambda: forged(iss=...),
    "another audience": lambda: forged(aud="other"),
    "audiences": lambda: forged(aud=["parley", "other"]),
    "no audience": lambda: forged(aud=...),
    "no sub": lambda: forged(sub=...),
    "sub null": lambda: forged(sub=None),
    "sub empty": lambda: forged(sub=""),
    "sub a number": lambda: forged(sub=1),
    "no name": lambda: forged(name=...),
    "name a list": lambda: forged(name=["ann"]),
    "no sid": lambda: forged(sid=...),
    "sid a number": lambda: forged(sid=7),
    "no jti": lambda: forged(jti=...),
    "jti a number": lambda: forged(jti=7),
    "no kind": lambda: forged(kind=...),
    "kind admin": lambda: forged(kind="admin"),
    "kind a list": lambda: forged(kind=["user"]),
    "no exp": lambda: forged(exp=...),
    "exp text": lambda: forged(exp=str(int(NOW) + 1800)),
    "exp true": lambda: forged(exp=True),
    "exp infinite": lambda: forged(exp=float("inf")),
    "exp not a number": lambda: forged(exp=float("nan")),
    "exp huge": lambda: forged(exp=10**400),
    "claims that are no JSON": lambda: forged().replace(".", "." + encoded(b'{"exp":1'), 1),
    "exp before iat": lambda: forged(iat=int(NOW), exp=int(NOW) - 1),
    "exp negative": lambda: forged(exp=-1),
    "no iat": lambda: forged(iat=...),
    "iat text": lambda: forged(iat=str(int(NOW))),
    "iat true": lambda: forged(iat=True),
    "iat in the future": lambda: forged(iat=int(NOW) + 6),
    "iat not a number": lambda: forged(iat=float("nan")),
    "nbf in the future": lambda: forged(nbf=int(NOW) + 6),
    "nbf text": lambda: forged(nbf="soon"),
    "claims a list": lambda: signed({"typ": "at+jwt", "kid": HS.kid, "alg": "HS256"}, [1], SECRET, "HS256"),
    "header a list": lambda: signed([1], {}, SECRET, "HS256"),
    "header deep": lambda: f"{encoded(b'[' * 5000)}.e30.e30",
}


def signed_with_public_key() -> str:
    """The public key is no secret: a verifier that lets the token choose takes it for one."""
    header = {"typ": "at+jwt", "kid": ED.kid, "alg": "HS256"}
    first = f"{encoded(json.dumps(header).encode())}.{forged().split('.')[1]}"
    return f"{first}.{encoded(hmac.digest(public_pem(PRIVATE), first.encode(), 'sha256'))}"
