"""Databases of their own for the classes that keep a contract."""

from pathlib import Path

import pytest

from chat_core.testing.postgres import Cluster


class OwnFolder:
    """``folder`` is empty before each test; ``opened`` counts what the test opens in it."""

    @pytest.fixture(autouse=True)
    def _in_a_folder_of_its_own(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.opened = 0


class OwnSchemas:
    """``cluster`` makes an empty schema as often as it is asked for one."""

    @pytest.fixture(autouse=True)
    def _in_schemas_of_its_own(self, postgres: Cluster) -> None:
        self.cluster = postgres
