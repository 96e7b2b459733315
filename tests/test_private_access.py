"""Tests use the public names of what they test, and of each other only what is in ``tests/support``."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent

ALLOWED: Final = {
    # A planted bug replaces one function by a faulty copy; the function may be any.
    "testing/simulation/test_planted_bugs.py": {
        *("_due", "_release", "_plan", "_missed", "_drop"),
        *("_seeking", "_reserved", "_rooms", "_room_ranks", "_hub", "_topics", "_gather"),
    },
    # Handles of the event loop, of which asyncio shows none: no timer stays when its connection is gone.
    "web/http/test_timeouts.py": {"_scheduled", "_callback"},
    # The library for Python has no way to lose a connection.
    "web/transports/test_centrifugal_clients.py": {"_conn"},
    # The check at import that finds another aiohttp.
    "web/transports/test_upgrade.py": {"_missing_names"},
    # How much all limits remember, whichever there are.
    "web/http/test_headers.py": {"_Rates"},
}


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _own_names(tree: ast.AST) -> Iterator[str]:
    """What the file itself defines: functions, fields, and attributes that are given a value."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name


def private_access(source: str) -> Iterator[tuple[int, str]]:
    """Line and name wherever a private name is used that the file does not define.

    Looks at attributes of anything but ``self``, ``cls`` and ``super()``, at imports, and at the
    names that ``setattr``, ``getattr`` and ``delattr`` are given as texts.
    """
    tree = ast.parse(source)
    own = frozenset(_own_names(tree))
    for node in ast.walk(tree):
        names: list[str] = []
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                continue
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super"))):
                continue
            case ast.Attribute(attr=name):
                names = [name]
            case ast.ImportFrom(names=imported):
                names = [alias.name for alias in imported]
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=arguments) if (
                called in ("setattr", "getattr", "delattr")
            ):
                texts = [argument.value for argument in arguments[:2] if isinstance(argument, ast.Constant)]
                names = [text.rpartition(".")[2] for text in texts if isinstance(text, str)]
        yield from ((node.lineno, name) for name in names if _is_private(name) and name not in own)  # type: ignore[attr-defined]


def _findings(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        place = path.relative_to(folder).as_posix()
        for line, name in private_access(path.read_text("utf-8")):
            if name not in ALLOWED.get(place, ()):
                yield f"tests/{place}:{line}: {name} is private: use, or add, a public name"


def test_tests_use_public_names_alone() -> None:
    findings = list(_findings(TESTS))
    assert not findings, "\n" + "\n".join(findings)


@pytest.mark.parametrize(
    ("planted", "name"),
    [
        ("store._writer.stop()", "_writer"),
        ("self.pump._socket.close()", "_socket"),
        ("world.chat._parts = None", "_parts"),
        ("from chat_core.engine.chat import _log", "_log"),
        ("monkeypatch.setattr(SOCKET_IO, '_asked', fails)", "_asked"),
        ("monkeypatch.setattr('chat_core.engine.chat._log', None)", "_log"),
        ("getattr(store, '_writer')", "_writer"),
    ],
)
def test_private_access_is_found(tmp_path: Path, planted: str, name: str) -> None:
    (tmp_path / "test_planted.py").write_text(planted)
    (finding,) = _findings(tmp_path)
    assert finding.startswith(f"tests/test_planted.py:1: {name} is private")


@pytest.mark.parametrize(
    "harmless",
    [
        "self._answers.clear()",
        "cls._known = {}",
        "super()._take(line)",
        "value.__name__",
        "monkeypatch.setattr('chat_core.rules.channel.MEMBERS_PER_CHANNEL_MAX', 3)",
        "class Proxy:\n    _open: set\n\nproxy = Proxy()\nproxy._open.clear()",
    ],
)
def test_what_a_file_defines_it_may_use(harmless: str) -> None:
    assert list(private_access(harmless)) == []


def imports_of_tests(source: str) -> Iterator[tuple[int, str]]:
    """Line and module of each import of a test, from anywhere but ``tests.support``."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module), level=0):
                names = [f"{module}.{alias.name}" for alias in node.names]
            case ast.ImportFrom():
                names = ["tests.relative"]
            case ast.Import():
                names = [alias.name for alias in node.names]
            case _:
                continue
        for name in names:
            if name.startswith("tests.") and not name.startswith("tests.support."):
                yield node.lineno, name


def test_what_tests_share_is_in_support() -> None:
    found = [
        f"{path.relative_to(TESTS)}:{line}: imports {name}; what tests share belongs in tests/support"
        for path in sorted(TESTS.rglob("*.py"))
        if "node_modules" not in path.parts
        for line, name in imports_of_tests(path.read_text("utf-8"))
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "planted",
    [
        "from tests.web.test_app import server",
        "from tests import conftest",
        "from .test_app import server",
        "import tests.web.test_app",
    ],
)
def test_an_import_of_a_test_is_found(planted: str) -> None:
    assert [line for line, _ in imports_of_tests(planted)] == [1]
