"""Where the file of a test is."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a file that is not there yet, nor is its folder."""
    return tmp_path / "data" / "parley.db"
