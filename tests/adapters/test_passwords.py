"""Passwords: every byte counts, few are hashed at once, an unknown user takes as long as a known one."""

import asyncio
import statistics
import threading
import time
from collections.abc import Iterator

import pytest

from chat_core.adapters import passwords
from chat_core.adapters.passwords import BcryptPasswords
from chat_core.model.errors import Unavailable
from chat_core.model.limits import HASHES_AT_ONCE_MAX, HASHES_WAITING_MAX


@pytest.fixture
def quick() -> Iterator[BcryptPasswords]:
    made = BcryptPasswords(cost=4)
    yield made
    made.close()


async def test_a_password_is_the_one_of_its_hash_and_no_other(quick: BcryptPasswords) -> None:
    hashed = await quick.hash("correct horse")
    assert hashed.startswith("$2b$04$")
    assert "correct" not in hashed
    assert await quick.verify("correct horse", hashed)
    assert not await quick.verify("Correct horse", hashed)
    assert hashed != await quick.hash("correct horse")


async def test_byte_ninety_nine_matters(quick: BcryptPasswords) -> None:
    hashed = await quick.hash("x" * 98 + "a" + "x" * 29)
    assert await quick.verify("x" * 98 + "a" + "x" * 29, hashed)
    assert not await quick.verify("x" * 98 + "b" + "x" * 29, hashed)


async def test_a_password_is_one_however_it_was_typed(quick: BcryptPasswords) -> None:
    hashed = await quick.hash("Ångström\0ﬁne")
    assert await quick.verify("A\u030angstro\u0308m\0fine", hashed)
    assert not await quick.verify("Ångström", hashed)
    assert not await quick.verify("\ud800 lone", hashed)


async def test_unless_told_otherwise_a_hash_costs_two_to_the_twelfth() -> None:
    made = BcryptPasswords()
    assert (await made.hash("correct horse")).startswith("$2b$12$")
    made.close()


async def test_the_loop_goes_on_while_passwords_are_hashed() -> None:
    made = BcryptPasswords(cost=10)
    ran_in: list[str] = []
    asked = asyncio.ensure_future(made.hash("correct horse"))
    rounds = 0
    while not asked.done():
        rounds += 1
        ran_in += [t.name for t in threading.enumerate() if t.name.startswith("parley-passwords")]
        await asyncio.sleep(0)
    made.close()
    assert rounds > 10
    assert ran_in


async def test_one_too_many_is_turned_away_and_the_others_are_answered() -> None:
    slow = BcryptPasswords(cost=9)
    places = HASHES_AT_ONCE_MAX + HASHES_WAITING_MAX
    asked = [asyncio.ensure_future(slow.hash(str(n))) for n in range(places + 1)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await asked.pop()
    assert len(set(await asyncio.gather(*asked))) == places
    assert await slow.hash("free again")
    slow.close()


async def test_who_goes_away_while_waiting_gives_the_place_back() -> None:
    made = BcryptPasswords(cost=8)
    places = HASHES_AT_ONCE_MAX + HASHES_WAITING_MAX
    asked = [asyncio.ensure_future(made.hash(str(n))) for n in range(places)]
    await asyncio.sleep(0)
    for one in asked:
        one.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    assert await made.hash("free again")
    made.close()


async def test_a_closed_one_is_unavailable() -> None:
    made = BcryptPasswords(cost=4)
    made.close()
    made.close()
    for _ in range(HASHES_AT_ONCE_MAX + HASHES_WAITING_MAX + 1):
        with pytest.raises(Unavailable, match="stopping"):
            await made.hash("correct horse")


async def test_nobodys_password_is_wrong_and_takes_as_long_as_a_wrong_one() -> None:
    made = BcryptPasswords(cost=8)
    hashed = await made.hash("correct horse")
    times: dict[str | None, list[float]] = {hashed: [], None: []}
    for _ in range(40):
        for known, taken in times.items():
            begun = time.perf_counter()
            assert not await made.verify("wrong horse", known)
            taken.append(time.perf_counter() - begun)
    made.close()
    ratio = statistics.median(times[None]) / statistics.median(times[hashed])
    assert 0.8 < ratio < 1.25, ratio
    assert passwords.COST == 12
