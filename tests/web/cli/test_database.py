"""``parley init-db`` and ``parley migrate``, on a file and on a PostgreSQL."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chat_core import open_chat
from chat_core.adapters.sql.schema import migrations
from chat_core.compose import Config
from chat_core.testing.postgres import Cluster

REPOSITORY = Path(__file__).parents[3]
STEPS = [f"{step.version:04}_{step.name}" for step in migrations.known()]


@pytest.fixture(params=["sqlite", "postgresql"])
def missing(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that is not there yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / 'parley.db'}"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.url(f"made_by_{os.urandom(4).hex()}")


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts the command as people do."""

    def started(url: str, *arguments: str) -> "subprocess.Popen[str]":
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "DATABASE_URL": url}
        return subprocess.Popen(
            [sys.executable, "-m", "chat_web", *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return started


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_a_database_is_made_once_and_is_up_to_date_then(
    missing: str, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    made = "".join(f"done: {step}\n" for step in STEPS)
    assert ended(start(missing, "init-db")) == (0, made, "")
    for command in ("init-db", "migrate"):
        assert ended(start(missing, command)) == (0, "The schema is up to date.\n", "")


def test_of_two_that_start_at_once_one_makes_it_and_both_are_content(
    missing: str, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    ends = [ended(process) for process in [start(missing, "init-db") for _ in range(2)]]
    assert [(status, err) for status, _, err in ends] == [(0, "")] * 2
    assert sum(out.count("done:") for _, out, _ in ends) == len(STEPS)


def test_migrate_makes_no_database_and_a_dry_run_nothing(
    missing: str, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    status, out, _ = ended(start(missing, "init-db", "--dry-run"))
    assert status == 0
    assert "create table messages" in out
    status, out, err = ended(start(missing, "migrate"))
    assert (status, out) == (1, "")
    assert "Database not found" in err or "does not exist" in err


def test_what_a_dry_run_prints_is_what_is_missing(
    missing: str, start: Callable[..., "subprocess.Popen[str]"]
) -> None:
    assert ended(start(missing, "init-db"))[0] == 0
    assert ended(start(missing, "migrate", "--dry-run")) == (0, "", "")


def test_what_keeps_nothing_has_no_schema(start: Callable[..., "subprocess.Popen[str]"]) -> None:
    status, _, err = ended(start("memory://", "migrate"))
    assert status == 2
    assert "DATABASE_URL" in err


def test_a_copy_is_made_and_taken_back(tmp_path: Path, start: Callable[..., "subprocess.Popen[str]"]) -> None:
    database, other = f"sqlite:///{tmp_path / 'a.db'}", f"sqlite:///{tmp_path / 'b.db'}"
    assert ended(start(database, "init-db"))[0] == 0
    assert ended(start(database, "backup", "copy.db")) == (0, "copied to: copy.db\n", "")
    assert ended(start(other, "restore", "copy.db")) == (0, "restored from: copy.db\n", "")
    assert ended(start(other, "migrate")) == (0, "The schema is up to date.\n", "")
    status, _, err = ended(start(database, "backup", "copy.db"))
    assert status == 1
    assert err == "parley: copy.db already exists and is not overwritten.\n"
    assert ended(start("memory://", "backup", "other.db"))[0] == 2


def test_a_server_that_is_not_there_is_said_in_one_line_without_a_password(
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    for command in ("migrate", "serve"):
        status, _, err = ended(start("postgresql://ann:hunter2@127.0.0.1:1/d", command))
        assert status == 1
        assert len(err.splitlines()) == 1
        assert "cannot be opened" in err
        assert "hunter2" not in err


async def test_a_text_stands_in_the_order_of_its_code_points_on_every_server(postgres: Cluster) -> None:
    name = f"sorted_{os.urandom(4).hex()}"
    chat = await open_chat(Config(database=await asyncio.to_thread(postgres.database, name)))
    await chat.stop()
    columns = "select count(*) from information_schema.columns where table_schema = 'public'"
    texts = f"{columns} and data_type = 'text' and table_name <> 'schema_migrations'"
    assert int(postgres.sql(texts, database=name)) > 20
    assert postgres.sql(f"{texts} and collation_name is distinct from 'C'", database=name) == "0"
