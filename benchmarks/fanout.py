"""Fan-out: server CPU time per delivered message, Parley against the naive FastAPI server.

    python -m benchmarks.fanout                      the five cases, 5 rounds of 2 s for each server
    python -m benchmarks.fanout --big                the room of 1000 members too
    python -m benchmarks.fanout --cases n100w8 --rounds 3
    python -m benchmarks.fanout --only naive
    python -m benchmarks.fanout --loop uvloop        both servers on uvloop, not on asyncio's own loop

In here: cases, servers as child processes, rounds in turn (A B A B …), CPU time from /proc, the table and
the verdict. The load generator is `load.py`, the other server `naive.py`; README.md says how to read it.
"""

import argparse
import os
import platform
import re
import resource
import secrets
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.load import (
    AnonymousPair,
    Centrifuge,
    Language,
    Load,
    LoadError,
    NaiveChannel,
    Room,
    answers_http,
)

CHECKOUT = Path(__file__).resolve().parent.parent
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
CASES = ("pair", "n2w1", "n10w4", "n100w1", "n100w8")
BIG_CASE = "n1000w16"
BARS = {"n100w8": 4.0}
BAR_ELSEWHERE = 1.0
MEMBERS_IN_ALL = 200
SATURATED = 0.95
CROWDED = 0.05


@dataclass(frozen=True, kw_only=True)
class Case:
    """Rooms of so many members with so many messages under way in each, or pairs of strangers."""

    name: str
    members: int
    under_way: int

    @property
    def rooms(self) -> int:
        """As many as keep the server busy: one that sleeps after each message measures the waking."""
        return max(1, MEMBERS_IN_ALL // self.members)

    @classmethod
    def parse(cls, name: str) -> "Case":
        """`pair`, or `n<members>w<messages under way>`."""
        if name == "pair":
            return cls(name=name, members=2, under_way=1)
        match = re.fullmatch(r"n(\d+)w(\d+)", name)
        if match is None or not 1 <= int(match[2]) <= min(int(match[1]), 100):
            raise argparse.ArgumentTypeError(f"{name!r} is no case; try pair or n100w8 (W at most N and 100)")
        return cls(name=name, members=int(match[1]), under_way=int(match[2]))

    def language(self, server: str, room: str) -> Language:
        if self.name == "pair":
            return AnonymousPair(room)
        return NaiveChannel(room) if server == "naive" else Centrifuge(room)

    @property
    def bar(self) -> float:
        return BARS.get(self.name, BAR_ELSEWHERE)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one round of one server measured."""

    cpu_us: float
    """Server CPU time per delivery."""
    per_s: float
    """Deliveries per second."""
    generator: float
    """The load generator's CPU time by wall time."""
    crowd: float
    """Other processes' time, and time that the hypervisor took, on the server's core by wall time."""


@dataclass(kw_only=True)
class Runs:
    """One server's rounds of one case."""

    samples: list[Sample] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    other_lines: int = 0

    def cpu_us(self) -> float:
        return statistics.median(s.cpu_us for s in self.samples)

    def per_s(self) -> float:
        return statistics.median(s.per_s for s in self.samples)

    def noise(self) -> float | None:
        """How far the odd rounds are from the even ones: the same server against itself."""
        if len(self.samples) < 2:
            return None
        odd = statistics.median(s.cpu_us for s in self.samples[::2])
        even = statistics.median(s.cpu_us for s in self.samples[1::2])
        return abs(odd / even - 1)

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000

    def saturated(self) -> bool:
        return statistics.median(s.generator for s in self.samples) > SATURATED


# processes


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server."""

    pid: int
    port: int


def server_command(name: str, options: argparse.Namespace, port: int) -> list[str]:
    """Either server; on asyncio's own loop both must believe that uvloop is not installed."""
    if name == "parley" and options.parley:
        return shlex.split(options.parley)
    module, arguments = ("benchmarks.naive", [str(port)]) if name == "naive" else ("chat_web", [])
    if options.loop == "uvloop":
        return [sys.executable, "-m", module, *arguments]
    program = (
        f"import runpy, sys; sys.modules['uvloop'] = None; runpy.run_module({module!r}, None, '__main__')"
    )
    return [sys.executable, "-c", program, *arguments]


def server_environment(port: int, folder: str, channels: int) -> dict[str, str]:
    """No limits of rate and nothing on disk; what is set here is what both servers get."""
    return os.environ | {
        "PYTHONPATH": str(CHECKOUT),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATABASE_URL": "memory://",
        "DEFAULT_CHANNELS": ",".join(map(room_name, range(channels))),
        "BACKPLANE_URL": "",
        "JWT_SECRET_KEY": secrets.token_hex(32),
        "UPLOAD_DIR": folder,
        "RATE_LIMITS": "off",
        "SOURCE_LIMITS": "off",
        "GUESTS_MAY_POST": "true",
        "LOG_LEVEL": "WARNING",
    }


@contextmanager
def running(
    name: str, options: argparse.Namespace, channels: int, cores: tuple[int, int] | None
) -> Iterator[Server]:
    """Start a server on its core, wait until it answers, stop it in the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, open(Path(folder) / "log", "w+b") as log:
        pin(cores and cores[0])  # the child inherits it, with every thread that it starts
        process = subprocess.Popen(
            server_command(name, options, port),
            cwd=folder,
            env=server_environment(port, folder, channels),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        pin(cores and cores[1])
        try:
            wait_for(process, port)
            yield Server(pid=process.pid, port=port)
        except (LoadError, OSError, TimeoutError) as error:
            log.seek(0)
            said = log.read()[-2000:].decode(errors="replace")
            raise LoadError(f"{name}: {error}\n{said}".rstrip()) from error
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def pin(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 30
    while not answers_http(port):
        if process.poll() is not None:
            raise LoadError(f"the server ended at once, with status {process.returncode}")
        if time.monotonic() > end:
            raise LoadError("the server does not answer HTTP after 30 s")
        time.sleep(0.05)


def cpu_s(pid: int) -> float:
    """CPU time of a process and its children so far, living and dead."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = sum(map(int, fields[11:15])) / TICKS_PER_S
    for task in Path(f"/proc/{pid}/task").iterdir():
        children = task / "children"
        if children.exists():
            total += sum(cpu_s(int(child)) for child in children.read_text().split())
    return total


def core_busy_s(core: int | None) -> float:
    """Time that a core was not idle so far, in the guest's eyes, with what was stolen from it."""
    wanted = "cpu" if core is None else f"cpu{core}"
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == wanted:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            return (user + nice + system + irq + softirq + steal) / TICKS_PER_S
    raise LookupError(wanted)


# rounds


def one_round(load: Load, rooms: list[Room], server: Server, seconds: float, core: int | None) -> Sample:
    """Warm up, measure, and drain: in the end every member has every message, in order, once."""
    for room in rooms:
        room.start()
    load.run_for(min(0.3, seconds))
    deliveries, cpu, core_busy = sum(r.deliveries for r in rooms), cpu_s(server.pid), core_busy_s(core)
    generator, wall = time.process_time(), time.perf_counter()
    load.run_for(seconds)
    wall = time.perf_counter() - wall
    generator = time.process_time() - generator
    deliveries = sum(r.deliveries for r in rooms) - deliveries
    cpu = cpu_s(server.pid) - cpu
    core_busy = core_busy_s(core) - core_busy
    for room in rooms:
        room.stop()
    for room in rooms:
        room.drain()
    if not deliveries:
        raise LoadError(f"not one delivery in {seconds} s")
    return Sample(
        cpu_us=cpu * 1e6 / deliveries,
        per_s=deliveries / wall,
        generator=generator / wall,
        crowd=max(0.0, core_busy - cpu) / wall if core is not None else 0.0,
    )


def room_name(number: int) -> str:
    return f"room-{number}" if number else "general"


def run_case(
    case: Case, names: Sequence[str], options: argparse.Namespace, cores: tuple[int, int] | None
) -> dict[str, Runs]:
    """All rounds of one case, the servers in turn."""
    runs = {name: Runs() for name in names}
    core = cores and cores[0]
    with ExitStack() as stack:
        count = options.rooms or case.rooms
        servers = {n: stack.enter_context(running(n, options, count, cores)) for n in names}
        load = stack.enter_context(Load())
        rooms: dict[str, list[Room]] = {name: [] for name in names}
        for name, server in servers.items():
            for number in range(count):
                language = case.language(name, room_name(number))
                rooms[name].append(Room(load, server.port, language, case.members, case.under_way))
        load.run_for(0.3)  # the news about those who came is over
        for _ in range(options.rounds):
            for name, server in servers.items():
                sample = one_round(load, rooms[name], server, options.seconds, core)
                runs[name].samples.append(sample)
                print(
                    f"  {case.name:9} {name:7} {sample.cpu_us:7.2f} us CPU per delivery"
                    f" {sample.per_s:9,.0f}/s   generator {sample.generator:4.0%}",
                    file=sys.stderr,
                )
        for name in names:
            runs[name].other_lines = sum(room.other_lines for room in rooms[name])
            runs[name].latencies_s = [latency for room in rooms[name] for latency in room.latencies_s]
    return runs


# the report


def row(case: Case, runs: dict[str, Runs]) -> tuple[str, float | None]:
    """A line of the table, and the median ratio where two servers ran."""
    cells = [f"{case.name}"]
    for run in runs.values():
        mark = " \\*" if run.saturated() else ""
        cells.append(f"{run.cpu_us():.2f}")
        cells.append(f"{run.per_s():,.0f}{mark}")
        cells.append(f"{run.percentile_ms(0.5):.2f} / {run.percentile_ms(0.99):.2f}")
    ratio = None
    if len(runs) == 2:
        a, b = runs.values()
        ratios = [x.cpu_us / y.cpu_us for x, y in zip(a.samples, b.samples, strict=True)]
        ratio = statistics.median(ratios)
        cells += [f"**{ratio:.2f}×**", f"{min(ratios):.2f}–{max(ratios):.2f}"]
    noise = [n for run in runs.values() if (n := run.noise()) is not None]
    cells.append(f"±{max(noise):.0%}" if noise else "one round")
    return f"| {' | '.join(cells)} |", ratio


def heading(names: Sequence[str]) -> str:
    cells = ["case"]
    for name in names:
        cells += [f"{name} CPU µs/delivery", f"{name} deliveries/s", f"{name} p50 / p99 ms"]
    if len(names) == 2:
        cells += [f"{names[0]} / {names[1]}", "min–max"]
    cells.append("noise")
    return f"| {' | '.join(cells)} |\n|{'---|' * len(cells)}"


def verdict(ratios: dict[Case, float]) -> tuple[bool, str]:
    below = [
        f"{case.name} {ratio:.2f}× < {case.bar:g}×" for case, ratio in ratios.items() if ratio < case.bar
    ]
    if below:
        return False, f"BELOW THE BAR: {', '.join(below)}"
    return True, "Bars met: " + ", ".join(f"{c.name} {r:.2f}× ≥ {c.bar:g}×" for c, r in ratios.items())


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fanout", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="measured time of a round (2)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each server (5)")
    parser.add_argument("--cases", default=",".join(CASES), help=f"comma list ({','.join(CASES)})")
    parser.add_argument(
        "--rooms", type=int, help=f"so many rooms at once (as many as hold {MEMBERS_IN_ALL} members)"
    )
    parser.add_argument("--big", action="store_true", help=f"{BIG_CASE} too")
    parser.add_argument("--only", choices=("naive", "parley"), help="one server alone")
    parser.add_argument(
        "--parley",
        metavar="COMMAND",
        help="how Parley is started, if not from here; it gets HOST and PORT in the environment",
    )
    parser.add_argument(
        "--loop",
        choices=("asyncio", "uvloop"),
        default="asyncio",
        help="the event loop of both servers (asyncio: what either's own instructions install)",
    )
    options = parser.parse_args(arguments)
    try:
        options.cases = [Case.parse(name) for name in options.cases.split(",")]
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("at least one round, of more than 0 s")
    if options.big:
        options.cases.append(Case.parse(BIG_CASE))
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases, print the table; 1 where a bar is missed, 2 where a server misbehaved."""
    options = options_of(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    names = [options.only] if options.only else ["naive", "parley"]
    allowed = sorted(os.sched_getaffinity(0))
    cores = (allowed[0], allowed[1]) if len(allowed) > 1 else None
    rows: list[str] = []
    ratios: dict[Case, float] = {}
    notes: list[str] = []
    failures: list[str] = []
    if cores is None:
        notes.append("One core only: server and load generator share it, and the figures with it.")
    for case in options.cases:
        try:
            runs = run_case(case, names, options, cores)
        except LoadError as error:
            failures.append(f"{case.name}: {error}")
            continue
        line, ratio = row(case, runs)
        rows.append(line)
        if ratio is not None:
            ratios[case] = ratio
        notes += notes_of(case, runs)
    print(f"\n{machine(options, cores)}\n")
    if rows:
        print("\n".join([heading(names), *rows]))
    for note in notes:
        print(f"\n{note}")
    for failure in failures:
        print(f"\nFAILED {failure}")
    met = True
    if ratios:
        met, said = verdict(ratios)
        print(f"\n{said}")
    return 2 if failures else int(not met)


def notes_of(case: Case, runs: dict[str, Runs]) -> list[str]:
    notes = []
    for name, run in runs.items():
        if run.saturated():
            notes.append(
                f"\\* {case.name}: the load generator itself was saturated with {name}; its deliveries/s"
                " and latency understate this server."
            )
        crowd = statistics.median(s.crowd for s in run.samples)
        if run.other_lines:
            notes.append(f"{case.name}, {name}: {run.other_lines} lines came that are no message.")
        if crowd > CROWDED:
            notes.append(f"{case.name}, {name}: others had {crowd:.0%} of the server's core.")
    return notes


def machine(options: argparse.Namespace, cores: tuple[int, int] | None) -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    model = found[1].strip() if found else platform.machine()
    where = f"server on core {cores[0]}, load on core {cores[1]}" if cores else "one core"
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {model}, {os.cpu_count()} cores, Linux {platform.release()},"
        f" Python {platform.python_version()}; both servers on {options.loop}; {where};"
        f" {options.rounds} rounds of {options.seconds:g} s each, in turn"
    )


if __name__ == "__main__":
    sys.exit(main())
