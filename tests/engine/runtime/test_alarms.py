"""Alarms and tasks: one timer for all, nothing lost by another's failure."""

import asyncio

import pytest

from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.tasks import Tasks
from chat_core.testing import FakeClock


async def test_alarms_ring_in_order_once(parley_clock: FakeClock) -> None:
    alarms, rung = Alarms(parley_clock), []
    now = parley_clock.now()
    for name, when in (("late", 9.0), ("early", 1.0), ("middle", 5.0)):
        alarms.set((name, ""), now + when, lambda name=name: rung.append(name))  # type: ignore[misc]
    await parley_clock.advance(5)
    assert rung == ["early", "middle"]
    await parley_clock.advance(50)
    assert rung == ["early", "middle", "late"]
    assert len(alarms) == 0


async def test_setting_an_alarm_again_moves_it_and_cancelling_forgets_it(parley_clock: FakeClock) -> None:
    alarms, rung = Alarms(parley_clock), []
    now = parley_clock.now()
    for number in range(200):
        alarms.set(("one", ""), now + 1 + number / 100, lambda: rung.append("one"))
        alarms.set(("two", ""), now + 2, lambda: rung.append("two"))
    alarms.cancel(("two", ""))
    alarms.cancel(("nothing", ""))
    assert alarms.entries < 100
    await parley_clock.advance(2.9)
    assert rung == []
    await parley_clock.advance(0.1)
    assert rung == ["one"]


async def test_an_alarm_that_fails_is_reported_and_the_others_ring(
    parley_clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    alarms, rung = Alarms(parley_clock), []

    def fails() -> None:
        raise ValueError("oh")

    alarms.set(("bad", ""), parley_clock.now() + 1, fails)
    alarms.set(("good", ""), parley_clock.now() + 1, lambda: rung.append("good"))
    await parley_clock.advance(1)
    assert rung == ["good"]
    assert "alarm_failed" in caplog.text


async def test_stopped_alarms_ring_no_more(parley_clock: FakeClock) -> None:
    alarms, rung = Alarms(parley_clock), []
    alarms.set(("one", ""), parley_clock.now() + 1, lambda: rung.append(1))
    alarms.stop()
    alarms.set(("two", ""), parley_clock.now() + 1, lambda: rung.append(2))
    alarms.stop()
    await parley_clock.advance(5)
    assert rung == []


async def test_a_task_that_fails_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks()

    async def fails_at_once() -> None:
        raise ValueError("at once")

    async def fails_later() -> None:
        await asyncio.sleep(0)
        raise ValueError("later")

    tasks.begin(fails_at_once())
    tasks.begin(fails_later())
    tasks.spawn(fails_later())
    await tasks.finished()
    assert caplog.text.count("task_failed") == 3
    assert len(tasks) == 0


async def test_work_that_has_begun_goes_on_where_it_waits() -> None:
    tasks, steps = Tasks(), []
    gate = asyncio.get_running_loop().create_future()

    async def work() -> None:
        steps.append("began")
        try:
            await gate
        except ValueError:
            steps.append("failed")
        await asyncio.sleep(0)
        steps.append("done")

    tasks.begin(work())
    assert steps == ["began"]
    gate.set_exception(ValueError("oh"))
    await tasks.finished()
    assert steps == ["began", "failed", "done"]
