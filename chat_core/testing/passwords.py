"""Passwords for tests: no slower than need be, and no secret either."""

import asyncio

import attrs

from chat_core.adapters.memory.accounts import MemoryAccounts
from chat_core.compose import open_tokens
from chat_core.engine.dependencies import AccountDependencies


@attrs.define
class PlainPasswords:
    """``ports.Passwords`` without bcrypt. ``asked`` counts what would have cost time."""

    asked: int = 0

    async def hash(self, password: str) -> str:
        await self._waits()
        return f"plain:{password}"

    async def verify(self, password: str, hashed: str | None) -> bool:
        await self._waits()
        return hashed == f"plain:{password}"

    async def _waits(self) -> None:
        """Others come in between, as they do while a real hash is made."""
        self.asked += 1
        await asyncio.sleep(0)

    def close(self) -> None:
        """Nothing is held."""


def no_accounts() -> AccountDependencies:
    """For a chat where nobody signs in."""
    return AccountDependencies(
        accounts=MemoryAccounts(), passwords=PlainPasswords(), tokens=open_tokens, refresh_s=1.0
    )
