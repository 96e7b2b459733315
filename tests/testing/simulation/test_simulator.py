"""The simulator holds on some seeds, repeats itself, and says how to replay what it finds."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chat_core.adapters.sql.postgres.store import open_postgres
from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.testing import SimulationFailed, simulate
from chat_core.testing.__main__ import main
from chat_core.testing.outside import Outside
from chat_core.testing.postgres import Cluster
from chat_core.testing.simulation.invariants import Journal
from chat_core.testing.simulation.simulator import Simulation

ROOT = Path(__file__).parents[3]
SEEDS = 40
STEPS = 300
DATABASE_SEEDS = int(os.environ.get("PARLEY_DATABASE_SEEDS", "4"))
DATABASE_STEPS = 150


@pytest.mark.parametrize("seed", range(SEEDS))
def test_all_invariants_hold(seed: int) -> None:
    simulate(seed, steps=STEPS)


@pytest.mark.parametrize("seed", range(DATABASE_SEEDS))
def test_all_invariants_hold_over_a_file(seed: int, tmp_path: Path) -> None:
    with Outside(lambda: open_sqlite(tmp_path / "parley.db", durability="relaxed")) as store:
        Simulation(seed, store=store).run(DATABASE_STEPS)


@pytest.mark.parametrize("seed", range(DATABASE_SEEDS))
def test_all_invariants_hold_over_a_postgresql(seed: int, postgres: Cluster) -> None:
    with Outside(lambda: open_postgres(postgres.schema())) as store:
        Simulation(seed, store=store).run(DATABASE_STEPS)


def test_a_database_makes_no_difference_to_what_happens(tmp_path: Path) -> None:
    with Outside(lambda: open_sqlite(tmp_path / "parley.db", durability="relaxed")) as store:
        there = Simulation(7, store=store, trace=True).run(100)
    assert there == simulate(7, steps=100, trace=True)


def test_the_same_seed_gives_the_same_trace_whatever_the_hash_seed_is() -> None:
    traces = {_trace(hash_seed) for hash_seed in ("0", "4242")}
    assert len(traces) == 1
    assert "trace" in traces.pop()


def test_different_seeds_give_different_traces() -> None:
    assert simulate(1, steps=60, trace=True) != simulate(2, steps=60, trace=True)


def test_the_people_of_a_simulation_do_everything() -> None:
    done: set[str] = set()
    for seed in range(60):
        world = Simulation(seed)
        world.run(STEPS)
        for book in world.journal.books.values():
            done.update(type(event).__name__ for event in book.events)
    assert done >= {
        "MessagePosted",
        "MessageEdited",
        "MessageDeleted",
        "ReactionAdded",
        "MemberJoined",
        "MemberLeft",
        "ChannelDeleted",
        "CountdownStarted",
        "KeepAsked",
        "KeepDeclined",
        "DecisionOpened",
        "RoomKept",
        "RoomEnded",
    }


def test_a_broken_invariant_is_shown_with_its_seed_and_how_to_replay_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(self: Journal, *args: object) -> None:
        raise SimulationFailed("planted", seed=0, step=0, last=[])

    monkeypatch.setattr(Journal, "committed", broken)
    out = io.StringIO()
    assert main(["--seeds", "0:3", "--steps", "200"], out) == 1
    assert "BROKEN seed" in out.getvalue()
    assert "replay: python -m chat_core.testing --seeds" in out.getvalue()


def test_progress_is_one_line_a_thousand_steps() -> None:
    out = io.StringIO()
    assert main(["--seeds", "0:4", "--steps", "500", "--trace"], out) == 0
    assert out.getvalue().count("all held") == 2
    assert out.getvalue().count("trace") == 4


def test_one_seed_can_be_named() -> None:
    out = io.StringIO()
    assert main(["--seeds", "7", "--steps", "20", "--trace"], out) == 0
    assert out.getvalue().startswith("seed 7: trace ")


def _trace(hash_seed: str) -> str:
    command = [sys.executable, "-m", "chat_core.testing", "--seeds", "3:7", "--steps", "200", "--trace"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return ran.stdout
