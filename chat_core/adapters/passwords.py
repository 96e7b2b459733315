"""Password hashing by bcrypt, in two separate threads.

bcrypt reads only 72 bytes, so its input is 44: base64 of the SHA-256 of the password
in Unicode's form NFKC. So every byte of a long password counts, and different ways to
type the same password match (T-19). Calls wait while both threads work, up to a bound.
"""

import asyncio
import base64
import hashlib
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

from chat_core.model.errors import Unavailable
from chat_core.model.limits import HASHES_AT_ONCE_MAX, HASHES_WAITING_MAX

COST: Final = 12  # 2 ** 12 rounds: about a quarter of a second
_NOBODYS_SALT: Final = (
    "abcdefghijklmnopqrstuu"  # of the hash that an unknown user's password is checked against
)

T = TypeVar("T")


class BcryptPasswords:
    """``ports.Passwords`` by bcrypt. ``cost`` below 12 is for tests only."""

    def __init__(self, *, cost: int = COST) -> None:
        self._cost = cost
        self._threads = ThreadPoolExecutor(HASHES_AT_ONCE_MAX, thread_name_prefix="parley-passwords")
        self._lock = threading.Lock()
        self._asked = 0

    async def hash(self, password: str) -> str:
        return await self._run(lambda: _hash(password, self._cost))

    async def verify(self, password: str, hashed: str | None) -> bool:
        nobodys = f"$2b${self._cost:02}${_NOBODYS_SALT}"
        return await self._run(lambda: _verify(password, hashed, nobodys))

    def close(self) -> None:
        """Cancels the waiting calls; started ones run to their end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        with self._lock:
            if self._asked >= HASHES_AT_ONCE_MAX + HASHES_WAITING_MAX:
                raise Unavailable("Too many people are signing in right now. Try again.")
            self._asked += 1
        try:
            asked = self._threads.submit(work)
        except RuntimeError as error:  # closed
            self._done(None)
            raise Unavailable("The server is stopping.") from error
        asked.add_done_callback(self._done)
        return await asyncio.wrap_future(asked)

    def _done(self, _: "Future[T] | None") -> None:
        with self._lock:
            self._asked -= 1


# In a thread of the pool. The driver is imported only if it is used.


def _hash(password: str, cost: int) -> str:
    import bcrypt

    return bcrypt.hashpw(_digest(password), bcrypt.gensalt(cost)).decode("ascii")


def _verify(password: str, hashed: str | None, nobodys: str) -> bool:
    import bcrypt

    if hashed is None:
        bcrypt.hashpw(_digest(password), nobodys.encode("ascii"))
        return False
    return bcrypt.checkpw(_digest(password), hashed.encode("ascii"))


def _digest(password: str) -> bytes:
    text = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    return base64.b64encode(hashlib.sha256(text).digest())
