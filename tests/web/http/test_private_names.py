"""The private names of aiohttp and python-engineio: each library in one file, guarded with its range."""

import ast
import configparser
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from chat_web.http import aiohttp_private
from chat_web.transports.engine_io import engineio_private

ROOT: Final = Path(__file__).parents[3]
BOTH: Final = (aiohttp_private, engineio_private)


class Another:
    """A class of another version of a library."""

    known = 1

    def __init__(self) -> None:
        self.made = 1


def test_another_aiohttp_is_noticed_by_name() -> None:
    of_classes: Sequence[tuple[type, Sequence[str]]] = [(Another, ("known", "_waiter"))]
    of_instances: Sequence[tuple[type, Sequence[str]]] = [(Another, ("made", "_kwargs"))]
    assert aiohttp_private.missing_names() == []
    assert aiohttp_private.missing_names(of_classes, of_instances) == ["Another._waiter", "Another._kwargs"]


def test_another_engineio_is_noticed_by_name() -> None:
    assert engineio_private.missing_names() == []
    assert engineio_private.missing_names([(Another, ("made", "_async"))]) == ["Another._async"]


@pytest.mark.parametrize("module", BOTH, ids=lambda module: module.__name__.rpartition(".")[2])
def test_the_range_that_the_guard_names_is_the_one_that_is_installed(module: ModuleType) -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert module.RANGE in config["options"]["install_requires"].split()
    assert re.fullmatch(r"[a-z-]+>=[0-9.]+,<[0-9.]+", module.RANGE)


def _private_uses(source: str) -> list[str]:
    """Private attributes of anything but ``self``, ``cls`` and ``super()``."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and ast.unparse(node.value) not in ("self", "cls", "super()")
    ]


def test_no_other_file_of_the_server_touches_a_private_name_of_another_object() -> None:
    allowed = {Path(str(module.__file__)).resolve() for module in BOTH}
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {use}"
        for path in (ROOT / "chat_web").rglob("*.py")
        if path.resolve() not in allowed
        for use in _private_uses(path.read_text())
    }
    assert found == set()


def test_a_private_name_of_a_library_would_be_found() -> None:
    assert _private_uses("x = request.protocol._upgraded") == ["request.protocol._upgraded"]
    assert _private_uses("again._match_info = found") == ["again._match_info"]
    assert _private_uses("self._log.info(cls._made)") == []
