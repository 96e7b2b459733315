"""Many seeds, in one process or several."""

from collections.abc import Iterable, Iterator
from functools import partial
from multiprocessing import get_context

import attrs

from chat_core.testing.simulation.simulator import SimulationFailed, simulate


@attrs.frozen(kw_only=True)
class Ran:
    """The result of one seed; ``failure`` is None if all invariants were valid."""

    seed: int
    trace: str = ""
    failure: str | None = None
    last: tuple[str, ...] = ()


def run_one(seed: int, *, steps: int, trace: bool) -> Ran:
    try:
        return Ran(seed=seed, trace=simulate(seed, steps=steps, trace=trace))
    except SimulationFailed as failed:
        return Ran(seed=seed, failure=str(failed), last=tuple(failed.last))


def run_seeds(seeds: Iterable[int], *, steps: int, jobs: int = 1, trace: bool = False) -> Iterator[Ran]:
    """The result of each seed, in order."""
    run = partial(run_one, steps=steps, trace=trace)
    if jobs == 1:
        yield from map(run, seeds)
        return
    with get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(run, seeds, chunksize=2)
