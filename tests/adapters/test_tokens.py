"""Access tokens: a signed token is valid, and every forgery is refused."""

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chat_core.adapters.tokens import BadToken, Key, SignedTokens, TokenExpired, TokenInvalid
from chat_core.model.errors import Refused
from chat_core.model.person import PersonKind
from tests.support.forged_tokens import (
    BAD,
    ED,
    HS,
    NOW,
    OTHER,
    PEM,
    PRIVATE,
    RSA_KEY,
    SECRET,
    TOKENS,
    forged,
    private_pem,
    public_pem,
)


def issue(tokens: SignedTokens = TOKENS, *, now: float = NOW, kind: PersonKind = PersonKind.USER) -> str:
    return tokens.issue_access("person-1", "ann", kind, "session-1", now)


@pytest.mark.parametrize("key", [HS, ED], ids=["HS256", "EdDSA"])
@pytest.mark.parametrize("kind", list(PersonKind))
def test_what_was_issued_is_verified(key: Key, kind: PersonKind) -> None:
    tokens = SignedTokens([key])

    claims = tokens.verify(issue(tokens, kind=kind), NOW)

    assert (claims.person_id, claims.name, claims.kind, claims.sid) == ("person-1", "ann", kind, "session-1")
    assert claims.issued_at == NOW
    assert claims.expires_at == NOW + tokens.lifetime_s(kind)


def test_the_header_and_the_claims_are_those_of_the_contract() -> None:
    token = issue()

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "at+jwt", "kid": HS.kid}
    claims = jwt.decode(token, options={"verify_signature": False})
    assert set(claims) == {"sub", "name", "kind", "sid", "iat", "exp", "jti", "iss", "aud"}
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == ("parley", "parley", 1800)
    assert isinstance(claims["exp"], int)


def test_no_two_tokens_are_the_same() -> None:
    assert TOKENS.verify(issue(), NOW).jti != TOKENS.verify(issue(), NOW).jti


def test_users_and_guests_have_lifetimes_of_their_own() -> None:
    tokens = SignedTokens([HS], user_token_s=0.5, guest_token_s=3600)

    assert tokens.verify(issue(tokens), NOW).expires_at == NOW + 0.5
    assert tokens.verify(issue(tokens, kind=PersonKind.GUEST), NOW).expires_at == NOW + 3600


@pytest.mark.parametrize(
    ("later", "holds"), [(0, True), (1800, True), (1804.9, True), (1805, False), (90_000, False)]
)
def test_a_token_expires_five_seconds_late_and_says_so(later: float, holds: bool) -> None:
    token = issue()

    if holds:
        assert TOKENS.verify(token, NOW + later).expires_at == NOW + 1800
    else:
        with pytest.raises(TokenExpired):
            TOKENS.verify(token, NOW + later)


@pytest.mark.parametrize(("earlier", "holds"), [(5, True), (5.1, False), (3600, False)])
def test_a_clock_may_be_five_seconds_behind_and_no_more(earlier: float, holds: bool) -> None:
    token = issue()

    if holds:
        TOKENS.verify(token, NOW - earlier)
    else:
        with pytest.raises(TokenInvalid):
            TOKENS.verify(token, NOW - earlier)


def test_a_token_made_by_hand_like_ours_holds() -> None:
    assert TOKENS.verify(forged(), NOW).name == "ann"
    assert TOKENS.verify(forged(key=PRIVATE, algorithm="EdDSA", header={"kid": ED.kid}), NOW).name == "ann"
    assert TOKENS.verify(forged(iat=NOW + 0.5, exp=NOW + 9.5), NOW).expires_at == NOW + 9.5
    assert TOKENS.verify(forged(header={"jku": "https://evil.example", "x5u": "x", "jwk": {}}), NOW)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_invalid_and_the_message_tells_nothing(name: str) -> None:
    with pytest.raises(TokenInvalid) as caught:
        TOKENS.verify(BAD[name](), NOW)

    assert (caught.value.code, str(caught.value)) == ("unauthenticated", "The access token is invalid.")
    assert caught.value.__cause__ is None


def test_an_expired_token_that_was_never_good_is_invalid() -> None:
    with pytest.raises(TokenInvalid):
        TOKENS.verify(forged(key=OTHER, exp=int(NOW) - 100, iat=int(NOW) - 200), NOW)


def test_both_kinds_of_bad_token_are_refusals_that_middleware_knows() -> None:
    assert issubclass(TokenExpired, BadToken)
    assert issubclass(TokenInvalid, BadToken)
    assert issubclass(BadToken, Refused)


def test_a_key_of_before_verifies_until_its_time_is_over_and_signs_nothing() -> None:
    before = SignedTokens([HS])
    token = issue(before)
    after = SignedTokens([Key.from_secret(OTHER), Key.from_secret(SECRET, accepted_until=NOW + 60)])

    assert after.verify(token, NOW + 59.9).name == "ann"
    with pytest.raises(TokenInvalid):
        after.verify(token, NOW + 60)
    with pytest.raises(TokenInvalid):
        before.verify(issue(after), NOW)


@pytest.mark.parametrize("key", [HS, ED], ids=["HS256", "EdDSA"])
def test_a_token_that_was_good_before_is_looked_at_anew(key: Key) -> None:
    tokens = SignedTokens([key])
    token = issue(tokens)
    tokens.verify(token, NOW)

    assert tokens.verify(token, NOW + 1).person_id == "person-1"
    with pytest.raises(TokenInvalid):  # the clock went back
        tokens.verify(token, NOW - 6)
    with pytest.raises(TokenExpired):
        tokens.verify(token, NOW + 1805)
    other = "A" if token[-10] == "B" else "B"
    for spoiled in (f"{token[:-10]}{other}{token[-9:]}", f"{token}A", token.swapcase()):
        with pytest.raises(TokenInvalid):
            tokens.verify(spoiled, NOW)


def test_a_key_of_before_ends_for_tokens_that_were_good_too() -> None:
    token = issue(SignedTokens([HS]))
    tokens = SignedTokens([ED, Key.from_secret(SECRET, accepted_until=NOW + 60)])
    tokens.verify(token, NOW)

    with pytest.raises(TokenInvalid):
        tokens.verify(token, NOW + 60)


def test_tokens_that_were_good_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat_core.adapters.tokens.VERIFIED_MAX", 3)
    tokens = SignedTokens([HS])
    issued = [issue(tokens) for _ in range(10)]

    for token in (*issued, *issued):
        tokens.verify(token, NOW)

    assert tokens.remembered == 3


def test_a_public_key_verifies_what_its_private_one_signed() -> None:
    public = Key.from_pem(public_pem(PRIVATE))

    assert public.kid == ED.kid
    assert SignedTokens([HS, public]).verify(issue(SignedTokens([ED])), NOW).name == "ann"
    with pytest.raises(ValueError, match="private"):
        SignedTokens([public])


def test_a_ring_without_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="private"):
        SignedTokens([])


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Key.from_secret(b"x" * 31)


@pytest.mark.parametrize(
    ("pem", "wrong"),
    [
        (b"", "not a PEM file"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a PEM file"),
        (private_pem(RSA_KEY), "not an Ed25519 key"),
        (public_pem(ec.generate_private_key(ec.SECP256R1())), "not an Ed25519 key"),
        (
            PRIVATE.private_bytes(
                PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pw")
            ),
            "not a PEM file",
        ),
    ],
)
def test_only_an_ed25519_pem_is_a_key(pem: bytes, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Key.from_pem(pem)


def test_a_key_in_a_log_tells_no_secret() -> None:
    assert "abcdef" not in repr(HS)
    assert "Ed25519" not in repr(ED)
