"""The database of a test."""

import pytest

from chat_core.testing.postgres import Cluster


@pytest.fixture
def url(postgres: Cluster) -> str:
    """Of an empty schema."""
    return postgres.schema()
