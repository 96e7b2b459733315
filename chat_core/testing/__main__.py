"""Run the simulator: ``python -m chat_core.testing --seeds 0:2000 --jobs 2``.

Prints one line a thousand steps. A broken invariant prints its seed, the last
events and how to replay, and the exit status is 1.
"""

import argparse
import sys
import time
from typing import TextIO

from chat_core.testing.simulation.seeds import run_seeds

LINE_STEPS = 1000


def main(argv: list[str] | None = None, out: TextIO = sys.stdout) -> int:
    """The exit status: 0 when all invariants held for all seeds."""
    options = _options(argv)
    began = time.perf_counter()
    for done, ran in enumerate(
        run_seeds(options.seeds, steps=options.steps, jobs=options.jobs, trace=options.trace), 1
    ):
        if ran.failure is not None:
            print(f"BROKEN {ran.failure}", *ran.last, sep="\n", file=out)
            print(
                f"replay: python -m chat_core.testing --seeds {ran.seed} --steps {options.steps}",
                file=out,
                flush=True,
            )
            return 1
        steps = done * options.steps
        if options.trace:
            print(f"seed {ran.seed}: trace {ran.trace}", file=out)
        if steps // LINE_STEPS > (steps - options.steps) // LINE_STEPS:
            pace = steps / (time.perf_counter() - began)
            print(f"{steps} steps, to seed {ran.seed}: all held, {pace:.0f} steps/s", file=out, flush=True)
    return 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m chat_core.testing", description="Simulate Parley by seed."
    )
    parser.add_argument("--seeds", type=_seeds, default=range(100), help="first:end, or one seed")
    parser.add_argument("--steps", type=int, default=500, help="steps a seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--trace", action="store_true", help="print a hash of everything that happened")
    return parser.parse_args(argv)


def _seeds(text: str) -> range:
    first, colon, end = text.partition(":")
    return range(int(first), int(end)) if colon else range(int(first), int(first) + 1)


if __name__ == "__main__":
    sys.exit(main())
