"""The heartbeat of one connection, with a loop whose clock the test moves."""

import asyncio
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from chat_web.sockets.heartbeat import LOOP_STALL_S, Heartbeat


class Loop(asyncio.SelectorEventLoop):
    """Its time stands until ``pass_s`` moves it, and what is due then is called."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def time(self) -> float:
        return getattr(self, "now", 0.0)

    def pass_s(self, seconds: float) -> None:
        self.now += seconds
        self.call_soon(self.stop)
        self.run_forever()


@attrs.define
class Connection:
    is_paused: bool = False
    seen: list[Any] = attrs.field(factory=list)

    def ping(self) -> None:
        self.seen.append("ping")

    def end(self, code: int, reason: str) -> None:
        self.seen.append(code)


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def connection() -> Connection:
    return Connection()


@pytest.fixture
def heartbeat(connection: Connection, loop: Loop) -> Heartbeat:
    return Heartbeat(connection, loop, ping_s=25.0, pong_s=10.0)


def test_a_connection_without_a_first_command_ends(
    heartbeat: Heartbeat, connection: Connection, loop: Loop
) -> None:
    heartbeat.expect_first_command(5.0)
    loop.pass_s(4.9)
    assert connection.seen == []
    loop.pass_s(0.2)
    assert connection.seen == [3502]


def test_pings_go_on_as_long_as_they_are_answered(
    heartbeat: Heartbeat, connection: Connection, loop: Loop
) -> None:
    heartbeat.expect_first_command(5.0)
    heartbeat.start_pings()
    for _ in range(3):
        loop.pass_s(25.1)
        assert heartbeat.awaits_pong
        heartbeat.ponged()
        assert not heartbeat.awaits_pong
    assert connection.seen == ["ping"] * 3


def test_a_ping_without_an_answer_ends_the_connection(
    heartbeat: Heartbeat, connection: Connection, loop: Loop
) -> None:
    heartbeat.start_pings()
    loop.pass_s(25.1)
    loop.pass_s(10.1)
    assert connection.seen == ["ping", 3012]


def test_while_the_server_does_not_read_no_pong_is_missed(
    heartbeat: Heartbeat, connection: Connection, loop: Loop
) -> None:
    heartbeat.start_pings()
    loop.pass_s(25.1)
    connection.is_paused = True
    loop.pass_s(10.1)
    connection.is_paused = False
    assert connection.seen == ["ping"]
    loop.pass_s(10.1)
    assert connection.seen == ["ping", 3012]


def test_a_stall_of_the_server_begins_the_deadline_again(
    heartbeat: Heartbeat, connection: Connection, loop: Loop
) -> None:
    heartbeat.expect_first_command(5.0)
    loop.pass_s(5.0 + LOOP_STALL_S + 0.1)
    assert connection.seen == []
    loop.pass_s(5.1)
    assert connection.seen == [3502]


def test_after_stop_nothing_happens_any_more(
    heartbeat: Heartbeat, connection: Connection, loop: Loop
) -> None:
    heartbeat.start_pings()
    heartbeat.stop()
    heartbeat.stop()
    loop.pass_s(1000.0)
    assert connection.seen == []
