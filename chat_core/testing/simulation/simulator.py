"""The simulator: people who do everything at once, a store and a backplane that fail, crashes; one seed.

    python -m chat_core.testing --seeds 0:2000

After each step the invariants are checked (``invariants`` lists them). The same
seed gives the same trace, whatever ``PYTHONHASHSEED`` is. Kept out: what people
do (``actions``) and see (``crowd``), and what fails (``faults``).
"""

import logging

from chat_core.model.errors import InvariantBroken
from chat_core.testing.simulation.actions import act
from chat_core.testing.simulation.shutdown import end, quiesce
from chat_core.testing.simulation.world import SimulatedWorld


class SimulationFailed(InvariantBroken):
    """An invariant was broken: ``seed`` and ``step`` replay it, ``last`` is what went before."""

    def __init__(self, why: str, *, seed: int, step: int, last: list[str]) -> None:
        super().__init__(f"seed {seed}, step {step}: {why}")
        self.why = why
        self.seed = seed
        self.step = step
        self.last = last


class Simulation(SimulatedWorld):
    """``run(steps)`` raises ``SimulationFailed``, or returns the trace's hash."""

    def run(self, steps: int) -> str:
        """So many steps, then quiet, then the end of everything."""
        core = logging.getLogger("chat_core")
        ears = _Ears(self)
        core.addHandler(ears)
        propagate, core.propagate = core.propagate, False
        try:
            with self.loop:
                self.populate()
                for self.at_step in range(1, steps + 1):
                    act(self)
                    self._run_a_little()
                    self.check()
                quiesce(self)
                end(self)
        except InvariantBroken as error:
            why = self.broken or str(error)
            raise SimulationFailed(
                why, seed=self.seed, step=self.at_step, last=[_line(entry) for entry in self.last]
            ) from error
        finally:
            core.removeHandler(ears)
            core.propagate = propagate
        return self.trace_hash.hexdigest()[:16] if self.trace_hash is not None else ""

    def _run_a_little(self) -> None:
        rng = self.rng.random()
        if rng < 0.5:
            self.loop.drain()
        else:
            self.loop.run_some(int(rng * 16))


class _Ears(logging.Handler):
    """Treats every error that the core logs as a bug."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(level=logging.ERROR)
        self._simulation = simulation

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._simulation.broken = self._simulation.broken or f"{record.getMessage()}: {error!r}"


def _line(entry: tuple[object, ...]) -> str:
    step, now, *what = entry
    return f"{step:>5} {now:.3f} " + " ".join(str(part) for part in what)


def simulate(seed: int, *, steps: int = 500, trace: bool = False) -> str:
    """Run one seed. Raises ``SimulationFailed``; returns the hash of the trace where one is wanted."""
    return Simulation(seed, trace=trace).run(steps)
