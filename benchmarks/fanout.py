"""Fan-out: server CPU time per delivered message, Parley against the naive FastAPI server.

    python -m benchmarks.fanout                      the five cases, 5 rounds of 2 s per server
    python -m benchmarks.fanout --big                also the room of 1000 members
    python -m benchmarks.fanout --cases n100w8 --rounds 3
    python -m benchmarks.fanout --only naive
    python -m benchmarks.fanout --loop uvloop        both servers on uvloop, not on asyncio's own loop
    python -m benchmarks.fanout --before ../parley   against another checkout of Parley

Here: the cases, and the alternating rounds (A B A B …). Not here: the servers' processes (`servers.py`), the
table and the verdict (`figures.py`), the load generator (`load.py`), the other server (`naive.py`).
README.md explains how to read the table.
"""

import argparse
import re
import resource
import shlex
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from benchmarks.figures import (
    Result,
    Runs,
    Sample,
    Unit,
    add_options,
    checked_options,
    machine,
    measured,
    report,
    tell,
)
from benchmarks.load import AnonymousPair, Centrifuge, Language, Load, LoadError, NaiveChannel, Room
from benchmarks.servers import Cores, Server, module_command, running, two_cores

CASES = ("pair", "n2w1", "n10w4", "n100w1", "n100w8")
BIG_CASE = "n1000w16"
BARS = {"n100w8": 4.0}
BAR_ELSEWHERE = 1.0
BAR_BEFORE = 0.95  # against another checkout of Parley
MEMBERS_IN_ALL = 200
DELIVERY = Unit(one="delivery", many="deliveries")


@dataclass(frozen=True, kw_only=True)
class Case:
    """Rooms of `members` members with `under_way` messages in flight in each, or pairs of strangers."""

    name: str
    members: int
    under_way: int

    @property
    def rooms(self) -> int:
        """Enough rooms to keep the server busy: if it sleeps after each message, waking it is measured."""
        return max(1, MEMBERS_IN_ALL // self.members)

    @classmethod
    def parse(cls, name: str) -> "Case":
        """`pair`, or `n<members>w<messages in flight>`."""
        if name == "pair":
            return cls(name=name, members=2, under_way=1)
        match = re.fullmatch(r"n(\d+)w(\d+)", name)
        if match is None or not 1 <= int(match[2]) <= min(int(match[1]), 100):
            raise argparse.ArgumentTypeError(
                f"{name!r} is not a case; try pair or n100w8 (W at most N and 100)"
            )
        return cls(name=name, members=int(match[1]), under_way=int(match[2]))

    def language(self, server: str, room: str) -> Language:
        if self.name == "pair":
            return AnonymousPair(room)
        return NaiveChannel(room) if server == "naive" else Centrifuge(room)

    @property
    def bar(self) -> float:
        return BARS.get(self.name, BAR_ELSEWHERE)


# rounds


def started(
    name: str, options: argparse.Namespace, channels: int, cores: Cores | None
) -> AbstractContextManager[Server]:
    """A server of this name, with `channels` channels and nothing on disk."""

    def command(port: int) -> Sequence[str]:
        if name == "before":
            return module_command("chat_web", loop=options.loop, checkout=options.before)
        if name == "naive":
            return module_command("benchmarks.naive", str(port), loop=options.loop)
        return (
            shlex.split(options.parley) if options.parley else module_command("chat_web", loop=options.loop)
        )

    settings = {
        "DATABASE_URL": "memory://",
        "DEFAULT_CHANNELS": ",".join(map(room_name, range(channels))),
        "GUESTS_MAY_POST": "true",
    }
    return running(name, command, settings, cores)


def one_round(load: Load, rooms: list[Room], server: Server, seconds: float, core: int | None) -> Sample:
    """Warms up, measures and drains: at the end every member has every message once, in order."""
    for room in rooms:
        room.start()

    def deliveries() -> int:
        return sum(room.deliveries for room in rooms)

    sample = measured(server, DELIVERY, deliveries, load.run_for, seconds=seconds, core=core)
    for room in rooms:
        room.stop()
    for room in rooms:
        room.drain()
    return sample


def room_name(number: int) -> str:
    return f"room-{number}" if number else "general"


def run_case(case: Case, options: argparse.Namespace, cores: Cores | None) -> Result:
    """All rounds of one case; the servers alternate."""
    names: Sequence[str] = options.names
    runs = {name: Runs() for name in names}
    core = cores and cores[0]
    with ExitStack() as stack:
        count = options.rooms or case.rooms
        servers = {n: stack.enter_context(started(n, options, count, cores)) for n in names}
        load = stack.enter_context(Load())
        rooms: dict[str, list[Room]] = {name: [] for name in names}
        for name, server in servers.items():
            for number in range(count):
                language = case.language(name, room_name(number))
                rooms[name].append(Room(load, server.port, language, case.members, case.under_way))
        load.run_for(0.3)  # until all join events have been delivered
        for _ in range(options.rounds):
            for name, server in servers.items():
                sample = one_round(load, rooms[name], server, options.seconds, core)
                runs[name].samples.append(sample)
                tell(case.name, name, sample, DELIVERY)
        for name in names:
            runs[name].other_lines = sum(room.other_lines for room in rooms[name])
            runs[name].latencies_s = [latency for room in rooms[name] for latency in room.latencies_s]
    bar = case.bar if options.before is None else BAR_BEFORE
    return Result(case=case.name, bar=bar, runs=runs)


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fanout", description=(__doc__ or "").split("\n")[0]
    )
    add_options(parser, CASES)
    parser.add_argument(
        "--rooms", type=int, help=f"number of rooms (default: enough for {MEMBERS_IN_ALL} members)"
    )
    parser.add_argument("--big", action="store_true", help=f"also {BIG_CASE}")
    options = checked_options(parser, arguments)
    try:
        options.cases = [Case.parse(name) for name in options.cases.split(",")]
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    if options.big:
        options.cases.append(Case.parse(BIG_CASE))
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the cases, prints the table; returns 1 if a bar is missed, 2 if a server broke a rule."""
    options = options_of(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    cores = two_cores()
    results: list[Result] = []
    failures: list[str] = []
    for case in options.cases:
        try:
            results.append(run_case(case, options, cores))
        except LoadError as error:
            failures.append(f"{case.name}: {error}")
    return report(results, failures, DELIVERY, machine(options, cores))


if __name__ == "__main__":
    sys.exit(main())
