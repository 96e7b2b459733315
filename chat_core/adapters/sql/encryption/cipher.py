"""Encryption at rest: texts sealed by AES-256-GCM, e-mail addresses found by a keyed hash.

A sealed text is U+0001, the id of its key, a colon, and nonce and ciphertext in
base64url. No message, address or JSON begins with U+0001, so a database may contain
texts stored before there was a key. ``about`` is the id of the owner of the text: a
text sealed for one owner cannot be opened for another. A key seals at most 2³² texts.
Not here: which texts are sealed, and the source of the keys.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from typing import Final

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chat_core.model.errors import WrongKeys

KEY_BYTES_MIN: Final = 32
SEALED: Final = "\x01"
_NONCE_BYTES: Final = 12
_PARTS: Final = re.compile(r"\x01([0-9a-f]{16}):([A-Za-z0-9_-]+={0,2})")


@attrs.frozen(repr=False)
class _Key:
    id: str
    text: AESGCM
    hash: bytes

    @classmethod
    def of(cls, secret: bytes) -> "_Key":
        if len(secret) < KEY_BYTES_MIN:
            raise ValueError(f"a key has at least {KEY_BYTES_MIN} bytes")
        return cls(
            _derived(secret, b"id", 8).hex(),
            AESGCM(_derived(secret, b"text", 32)),
            _derived(secret, b"e-mail", 32),
        )


class Cipher:
    """A ring of keys: the first seals, all open. Without keys, texts pass unchanged.

    Raises ``ValueError`` for a key that is too short.
    """

    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        self._keys = {key.id: key for key in map(_Key.of, secrets)}
        self._first = next(iter(self._keys.values()), None)

    @property
    def key_id(self) -> str | None:
        """The id of the key that seals; None if there is none. It reveals nothing about the key."""
        return None if self._first is None else self._first.id

    def knows(self, key_id: str) -> bool:
        return key_id in self._keys

    def seal(self, text: str, about: str) -> str:
        """The stored form of the text. An empty text stays empty."""
        if self._first is None or not text:
            return text
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._first.text.encrypt(nonce, text.encode("utf-8", "surrogatepass"), about.encode())
        return f"{SEALED}{self._first.id}:{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, text: str, about: str) -> str:
        """The text of the stored form. Raises ``WrongKeys`` if none of the keys opens it."""
        if not text.startswith(SEALED):
            return text
        parts = _PARTS.fullmatch(text)
        key = None if parts is None else self._keys.get(parts[1])
        if parts is None or key is None:
            raise WrongKeys("A text is sealed with a key that is not among MESSAGE_KEYS.")
        try:
            raw = base64.urlsafe_b64decode(parts[2])
            opened = key.text.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], about.encode())
        except (InvalidTag, ValueError, binascii.Error):
            raise WrongKeys(f"A text of {about} was sealed for another owner, or is damaged.") from None
        return opened.decode("utf-8", "surrogatepass")

    def is_plain(self, text: str) -> bool:
        return not text.startswith(SEALED)

    def is_current(self, text: str) -> bool:
        """Whether the stored form is the one that ``seal`` would use now."""
        if not text or self._first is None:
            return not text.startswith(SEALED)
        return text.startswith(f"{SEALED}{self._first.id}:")

    def hashes(self, text: str) -> Sequence[str]:
        """The keys an address may be found under: the first key first, and plain text last."""
        hashed = (
            hmac.new(key.hash, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
            for key in self._keys.values()
        )
        return (*hashed, text)


def _derived(secret: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=b"parley " + purpose).derive(secret)
