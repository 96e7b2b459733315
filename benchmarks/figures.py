"""Results of alternating rounds: CPU time per server, the ratio of each pair, and the noise.

Here: measuring one round, the table, the notes, the verdict, and the options that all paired benchmarks
share. Not here: the counted units (`fanout.py`: deliveries; `http.py`: requests), the servers (`servers.py`).
"""

import argparse
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.load import LoadError
from benchmarks.servers import Cores, Server, core_busy_s, cpu_s

SATURATED = 0.95
CROWDED = 0.05


@dataclass(frozen=True, kw_only=True)
class Unit:
    """The name of the counted unit, singular and plural."""

    one: str
    many: str


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The measurements of one round of one server."""

    cpu_us: float
    """Server CPU time per unit."""
    per_s: float
    """Units per second."""
    generator: float
    """The load generator's CPU time divided by wall time."""
    crowd: float
    """Time of other processes and of the hypervisor on the server's core, divided by wall time."""


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
        """The difference between odd and even rounds: the same server against itself."""
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """The runs of one case; the naive server is first if both were measured."""

    case: str
    bar: float
    runs: dict[str, Runs]

    def ratios(self) -> list[float]:
        """CPU of the first server divided by CPU of the second, per pair of rounds; empty for one server."""
        if len(self.runs) != 2:
            return []
        one, other = self.runs.values()
        return [x.cpu_us / y.cpu_us for x, y in zip(one.samples, other.samples, strict=True)]


def measured(
    server: Server,
    unit: Unit,
    count: Callable[[], int],
    run_for: Callable[[float], None],
    *,
    seconds: float,
    core: int | None,
) -> Sample:
    """Measures one round after a short warm-up. The load continues until the caller stops it."""
    run_for(min(0.3, seconds))
    done, cpu, core_busy = count(), cpu_s(server.pid), core_busy_s(core)
    generator, wall = time.process_time(), time.perf_counter()
    run_for(seconds)
    wall = time.perf_counter() - wall
    generator = time.process_time() - generator
    done = count() - done
    cpu = cpu_s(server.pid) - cpu
    core_busy = core_busy_s(core) - core_busy
    if not done:
        raise LoadError(f"not one {unit.one} in {seconds} s")
    return Sample(
        cpu_us=cpu * 1e6 / done,
        per_s=done / wall,
        generator=generator / wall,
        crowd=max(0.0, core_busy - cpu) / wall if core is not None else 0.0,
    )


def tell(case: str, name: str, sample: Sample, unit: Unit) -> None:
    """Prints a line of progress."""
    print(
        f"  {case:9} {name:7} {sample.cpu_us:7.2f} us CPU per {unit.one}"
        f" {sample.per_s:9,.0f}/s   generator {sample.generator:4.0%}",
        file=sys.stderr,
    )


# the report


def report(results: Sequence[Result], failures: Sequence[str], unit: Unit, where: str) -> int:
    """Prints the table and the verdict; returns 1 if a bar is missed, 2 if a server broke a rule."""
    print(f"\n{where}\n")
    if results:
        print("\n".join([heading(list(results[0].runs), unit), *map(row, results)]))
    for result in results:
        for note in notes_of(result, unit):
            print(f"\n{note}")
    for failure in failures:
        print(f"\nFAILED {failure}")
    met, said = verdict(results)
    if said:
        print(f"\n{said}")
    return 2 if failures else int(not met)


def heading(names: Sequence[str], unit: Unit) -> str:
    cells = ["case"]
    for name in names:
        cells += [f"{name} CPU µs/{unit.one}", f"{name} {unit.many}/s", f"{name} p50 / p99 ms"]
    if len(names) == 2:
        cells += [f"{names[0]} / {names[1]}", "min–max"]
    cells.append("noise")
    return f"| {' | '.join(cells)} |\n|{'---|' * len(cells)}"


def row(result: Result) -> str:
    """A row of the table."""
    cells = [result.case]
    for run in result.runs.values():
        mark = " \\*" if run.saturated() else ""
        cells.append(f"{run.cpu_us():.2f}")
        cells.append(f"{run.per_s():,.0f}{mark}")
        cells.append(f"{run.percentile_ms(0.5):.2f} / {run.percentile_ms(0.99):.2f}")
    if ratios := result.ratios():
        cells += [f"**{statistics.median(ratios):.2f}×**", f"{min(ratios):.2f}–{max(ratios):.2f}"]
    noise = [n for run in result.runs.values() if (n := run.noise()) is not None]
    cells.append(f"±{max(noise):.0%}" if noise else "one round")
    return f"| {' | '.join(cells)} |"


def notes_of(result: Result, unit: Unit) -> list[str]:
    notes = []
    for name, run in result.runs.items():
        if run.saturated():
            notes.append(
                f"\\* {result.case}: the load generator itself was saturated with {name}; its {unit.many}/s"
                " and latency understate this server."
            )
        crowd = statistics.median(s.crowd for s in run.samples)
        if run.other_lines:
            notes.append(f"{result.case}, {name}: {run.other_lines} received lines are not messages.")
        if crowd > CROWDED:
            notes.append(f"{result.case}, {name}: other processes used {crowd:.0%} of the server's core.")
    return notes


def verdict(results: Sequence[Result]) -> tuple[bool, str]:
    """Whether all bars are met, and the sentence for it; empty if nothing was compared."""
    ratios = {result: statistics.median(found) for result in results if (found := result.ratios())}
    below = [f"{r.case} {ratio:.2f}× < {r.bar:g}×" for r, ratio in ratios.items() if ratio < r.bar]
    if below:
        return False, f"BELOW THE BAR: {', '.join(below)}"
    met = ", ".join(f"{r.case} {ratio:.2f}× ≥ {r.bar:g}×" for r, ratio in ratios.items())
    return True, f"Bars met: {met}" if met else ""


def machine(options: argparse.Namespace, cores: Cores | None) -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    model = found[1].strip() if found else platform.machine()
    where = f"server on core {cores[0]}, load on core {cores[1]}" if cores else "server and load on one core"
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {model}, {os.cpu_count()} cores, Linux {platform.release()},"
        f" Python {platform.python_version()}; both servers on {options.loop}; {where};"
        f" {options.rounds} rounds of {options.seconds:g} s each, alternating"
    )


# options


def add_options(parser: argparse.ArgumentParser, cases: Sequence[str]) -> None:
    """Adds the options that all paired benchmarks share."""
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds measured per round (2)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per server (5)")
    parser.add_argument(
        "--cases", default=",".join(cases), help=f"cases, separated by commas ({','.join(cases)})"
    )
    parser.add_argument("--only", choices=("naive", "parley"), help="measure one server only")
    parser.add_argument(
        "--before",
        metavar="FOLDER",
        type=Path,
        help="compare with another checkout of Parley instead of the naive server",
    )
    parser.add_argument(
        "--parley",
        metavar="COMMAND",
        help="the command that starts another Parley; it receives HOST and PORT in the environment",
    )
    parser.add_argument(
        "--loop",
        choices=("asyncio", "uvloop"),
        default="asyncio",
        help="the event loop of both servers (asyncio: as both servers' own instructions install it)",
    )


def checked_options(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The parsed options; `names` are the servers that alternate."""
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("at least one round, of more than 0 s")
    other = "naive" if options.before is None else "before"
    options.names = [options.only] if options.only else [other, "parley"]
    return options
