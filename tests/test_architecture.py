"""The house keeps its shape: layers, homes of libraries, sizes and names, read from the source.

A rule is a generator over a ``Tree`` of sources; each finding says where it is
and what to do instead. The rules run on Parley itself, and each one also on a
small tree that breaks it, so that none of them passes because it sees nothing.
"""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from scripts.imports import Tree, circles, unplaced, upward

ROOT: Final = Path(__file__).parent.parent

FILE_LINES_MAX: Final = 420
FUNCTION_LINES_MAX: Final = 70

# What each layer of chat_core may import, besides itself.
LAYERS: Final[Mapping[str, frozenset[str]]] = {
    "version": frozenset(),
    "model": frozenset({"version"}),
    "rules": frozenset({"version", "model"}),
    "ports": frozenset({"version", "model", "rules"}),
    "engine": frozenset({"version", "model", "rules", "ports"}),
    "adapters": frozenset({"version", "model", "rules", "ports"}),
    "compose": frozenset({"version", "model", "rules", "ports", "engine", "adapters"}),
    "": frozenset({"version", "model", "rules", "ports", "engine", "adapters", "compose"}),
    "testing": frozenset({"", "version", "model", "rules", "ports", "engine", "adapters", "compose"}),
}

IMPURE: Final = frozenset(
    {
        "asyncio",
        "time",
        "random",
        "os",
        "datetime",
        "uuid",
        "logging",
        "structlog",
        "socket",
        "threading",
        "secrets",
        "sys",
        "io",
        "pathlib",
        "subprocess",
        "multiprocessing",
        "concurrent",
        "selectors",
        "ssl",
        "signal",
        "tempfile",
    }
)
TAKES_RANDOM_AS_A_TYPE: Final = ("chat_core.rules.lobby", "chat_core.rules.matching")

SHARED: Final = ("intents", "typed_frames")  # what dialects have in common
WEB_ONLY: Final = frozenset({"aiohttp", "aiohttp_jinja2", "jinja2"})
ONE_ADAPTER_EACH: Final = frozenset({"sqlite3", "asyncpg", "redis", "bcrypt", "jwt", "PIL"})
CLOCKS: Final = frozenset(
    {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "uuid.uuid4", "uuid4"}
)
PICKLES: Final = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"})
CLOSE_CODE_HOMES: Final = (
    "chat_core.engine.disconnects",
    "chat_web.transports.close_codes",
    "chat_web.documents",  # the table and the examples that people read
)
CLOSE_CODES: Final = frozenset((*range(3001, 3013), *range(3500, 3510)))
BARE_SOCKETS: Final = "chat_web.transports"
NAMES_THAT_SAY_NOTHING: Final = frozenset(
    {
        "util",
        "utils",
        "helper",
        "helpers",
        "common",
        "commons",
        "manager",
        "managers",
        "base",
        "misc",
        "shared",
    }
)


Rule: TypeAlias = Callable[[Tree], Iterator[str]]


def layer_of(module: str) -> str | None:
    """The layer of a module of chat_core, "" for the package itself, None for others."""
    top, _, rest = module.partition(".")
    if top != "chat_core":
        return None
    return rest.partition(".")[0]


# The rules


def imports_point_down(tree: Tree) -> Iterator[str]:
    for module in tree.under("chat_core"):
        layer = layer_of(module.name)
        if layer is None or layer not in LAYERS:
            words = f"{layer!r} is no layer of chat_core: put it into one, or draw it in LAYERS"
            yield module.at(1, words)
            continue
        for found in module.imports:
            target = layer_of(found.module)
            if target is not None and target != layer and target not in LAYERS[layer]:
                words = f"chat_core/{layer} imports {found.module}, which does not stand below it"
                yield module.at(found.line, f"{words}: pass it in, or move it down to where both may see it")


def no_files_form_a_circle(tree: Tree) -> Iterator[str]:
    for group in circles(tree):
        names = ", ".join(module.path for module in group)
        words = f"{names} import one another: pass one to the other as an argument, behind a Protocol"
        yield group[0].at(1, words)


def folders_point_down(tree: Tree) -> Iterator[str]:
    for module, found in upward(tree):
        words = f"imports {found.module}, whose folder is above this one"
        yield module.at(found.line, f"{words}: see the order in scripts/imports.py")


def every_file_has_a_place(tree: Tree) -> Iterator[str]:
    for module in unplaced(tree):
        yield module.at(1, "is in no folder of the order in scripts/imports.py: put it into one")


def the_core_does_not_know_the_web(tree: Tree) -> Iterator[str]:
    for module in tree.under("chat_core"):
        for found in module.imports:
            if found.top == "chat_web":
                yield module.at(found.line, "chat_core imports chat_web: hand it in through a port")


def adapters_stand_alone(tree: Tree) -> Iterator[str]:
    for module in tree.under("chat_core.adapters"):
        home = _segment(module.name, 2)
        for found in module.imports:
            if found.module.startswith("chat_core.adapters") and _segment(found.module, 2) != home:
                words = f"adapter {home or '__init__'} imports {found.module}"
                yield module.at(found.line, f"{words}: compose hands one to the other through a port")


def dialects_stand_alone(tree: Tree) -> Iterator[str]:
    """A package among the dialects is a part of the one dialect that imports it."""
    packages = {m.name for m in tree.modules if m.path.endswith("/__init__.py")}
    owners: dict[str, str] = {}
    for module in tree.under("chat_web.dialects"):
        home = _segment(module.name, 2)
        for found in module.imports:
            other = _segment(found.module, 2)
            if not home or not found.module.startswith("chat_web.dialects.") or other in (home, *SHARED):
                continue  # the package's own __init__ lists them all
            if f"chat_web.dialects.{other}" in packages and owners.setdefault(other, home) == home:
                continue
            words = f"dialect {home} imports {found.module}, which is another dialect's"
            yield module.at(found.line, f"{words}: what both need belongs in intents or typed_frames")


def sockets_know_no_chat(tree: Tree) -> Iterator[str]:
    for module in tree.modules:
        for found in module.imports if module.is_in(BARE_SOCKETS) else ():
            if found.top == "chat_core":
                words = f"{module.name} imports {found.module}"
                yield module.at(found.line, f"{words}: bytes and frames only; what knows chats is the pump")


def the_web_uses_public_names_alone(tree: Tree) -> Iterator[str]:
    public = _public_names(tree)
    cure = "export it from chat_core/__init__.py, or do without"
    for module in tree.under("chat_web"):
        for found in module.imports:
            if found.top != "chat_core":
                continue
            if found.module != "chat_core":
                yield module.at(found.line, f"chat_web reaches into {found.module}: {cure}")
            elif found.name is not None and found.name not in public:
                yield module.at(found.line, f"{found.name} is no public name of chat_core: {cure}")
        for node in module.nodes:
            if not isinstance(node, ast.Attribute) or _dotted(node.value) != "chat_core":
                continue
            if node.attr not in public:
                yield module.at(node.lineno, f"chat_core.{node.attr} is not public: {cure}")


def model_and_rules_are_pure(tree: Tree) -> Iterator[str]:
    for module in tree.under("chat_core.model", "chat_core.rules"):
        for found in module.imports:
            as_type = (found.module, found.name) == ("random", "Random")
            if as_type and module.is_in(*TAKES_RANDOM_AS_A_TYPE):
                continue
            if found.top in IMPURE:
                words = f"{found.module} in {module.name}"
                yield module.at(found.line, f"{words}: time, chance and the world come in as arguments")


def aiohttp_is_for_the_web_alone(tree: Tree) -> Iterator[str]:
    for module in tree.under("chat_core"):
        for found in module.imports:
            if found.top in WEB_ONLY:
                yield module.at(found.line, f"{found.module} in chat_core: it belongs in chat_web")


def each_driver_has_one_home(tree: Tree) -> Iterator[str]:
    homes: dict[str, str] = {}
    for module in tree.modules:
        for found in module.imports:
            if found.top not in ONE_ADAPTER_EACH:
                continue
            if not module.is_in("chat_core.adapters"):
                words = f"{found.module} outside chat_core/adapters: ask for it through a port"
                yield module.at(found.line, words)
                continue
            home = _segment(module.name, 2)
            if homes.setdefault(found.top, home) != home:
                words = f"{found.module} in adapter {home}, and in {homes[found.top]} as well"
                yield module.at(found.line, f"{words}: one adapter knows a driver")


def only_adapters_know_the_clock(tree: Tree) -> Iterator[str]:
    for module in tree.modules:
        if module.is_in("chat_core.adapters"):
            continue
        for node in module.nodes:
            if not isinstance(node, ast.Call):
                continue
            called = _dotted(node.func)
            if called is not None and any(f".{called}".endswith(f".{clock}") for clock in CLOCKS):
                yield module.at(node.lineno, f"{called}(): take the time or the id from the Clock")
        for found in module.imports:
            if f"{found.module}.{found.name}" in CLOCKS:
                words = f"from {found.module} import {found.name}"
                yield module.at(found.line, f"{words}: take the time or the id from the Clock")


def nothing_is_asserted(tree: Tree) -> Iterator[str]:
    for module in tree.modules:
        for node in module.nodes:
            if isinstance(node, ast.Assert):
                yield module.at(node.lineno, "assert goes away with -O: raise InvariantBroken")


def nothing_is_pickled(tree: Tree) -> Iterator[str]:
    for module in tree.modules:
        for found in module.imports:
            if found.top in PICKLES:
                yield module.at(found.line, f"{found.module} runs what it reads: use JSON with a schema")


def close_codes_have_one_home(tree: Tree) -> Iterator[str]:
    for module in tree.modules:
        for node in module.nodes if not module.is_in(*CLOSE_CODE_HOMES) else ():
            if isinstance(node, ast.Constant) and type(node.value) is int and node.value in CLOSE_CODES:
                words = f"the close code {node.value}"
                yield module.at(
                    node.lineno,
                    f"{words}: take it with its reason from engine/disconnects.py, or close_codes.py",
                )


def files_and_functions_are_short(tree: Tree) -> Iterator[str]:
    for module in tree.modules:
        lines = module.source.count("\n")
        if lines > FILE_LINES_MAX:
            yield module.at(1, f"{lines} lines, {FILE_LINES_MAX} at most: split it by noun")
        for node in module.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES_MAX:
                    words = f"{node.name} has {length} lines, {FUNCTION_LINES_MAX} at most"
                    yield module.at(node.lineno, f"{words}: longer work goes into a private function below")


def names_say_what_is_in_them(tree: Tree) -> Iterator[str]:
    for module in tree.modules:
        for part in module.name.split("."):
            if part.strip("_") in NAMES_THAT_SAY_NOTHING or part.endswith(("_utils", "_helpers")):
                yield module.at(1, f"{part!r} says nothing: name it after the noun that it is about")


RULES: Final[tuple[Rule, ...]] = (
    imports_point_down,
    no_files_form_a_circle,
    folders_point_down,
    every_file_has_a_place,
    the_core_does_not_know_the_web,
    adapters_stand_alone,
    dialects_stand_alone,
    sockets_know_no_chat,
    the_web_uses_public_names_alone,
    model_and_rules_are_pure,
    aiohttp_is_for_the_web_alone,
    each_driver_has_one_home,
    only_adapters_know_the_clock,
    nothing_is_asserted,
    nothing_is_pickled,
    close_codes_have_one_home,
    files_and_functions_are_short,
    names_say_what_is_in_them,
)


def _segment(module: str, index: int) -> str:
    """The part of a dotted name at the index, "" where it is shorter."""
    return dict(enumerate(module.split("."))).get(index, "")


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return None if inner is None else f"{inner}.{node.attr}"
    return None


def _public_names(tree: Tree) -> frozenset[str]:
    """What stands in ``__all__`` of chat_core."""
    for module in tree.modules:
        if module.name == "chat_core":
            for node in module.nodes:
                if isinstance(node, ast.Assign) and any(_dotted(t) == "__all__" for t in node.targets):
                    return frozenset(ast.literal_eval(node.value))
    return frozenset()


# Parley keeps them


@pytest.fixture(scope="module")
def parley() -> Tree:
    return Tree.read(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_parley_keeps_the_rule(rule: Rule, parley: Tree) -> None:
    findings = list(dict.fromkeys(rule(parley)))
    assert not findings, "\n" + "\n".join(findings)


def test_the_tree_is_all_of_parley(parley: Tree) -> None:
    names = {module.name for module in parley.modules}
    assert {
        "chat_core",
        "chat_core.model.ids",
        "chat_core.rules.room",
        "chat_core.ports",
        "chat_web",
    } <= names


# Each rule can be broken

CLEAN: Final[Mapping[str, str]] = {
    "chat_core/__init__.py": "from chat_core.compose import open_chat\n__all__ = ['open_chat']\n",
    "chat_core/version.py": "VERSION = '1'\n",
    "chat_core/model/__init__.py": "",
    "chat_core/model/ids.py": "import re\n",
    "chat_core/rules/__init__.py": "",
    "chat_core/rules/room.py": "from chat_core.model import ids\n",
    "chat_core/rules/lobby.py": "from random import Random\n",
    "chat_core/ports.py": "from chat_core.model.ids import PersonId\n",
    "chat_core/engine/__init__.py": "",
    "chat_core/engine/chat.py": "import asyncio\nfrom chat_core import ports\nfrom ..rules import room\n",
    "chat_core/adapters/__init__.py": "",
    "chat_core/adapters/clock.py": "import time\nfrom chat_core.model import ids\nNOW = time.time()\n",
    "chat_core/adapters/sql/__init__.py": "",
    "chat_core/adapters/sql/database.py": "",
    "chat_core/adapters/sql/store.py": "import sqlite3\nfrom chat_core.adapters.sql import database\n",
    "chat_core/adapters/sql/operations/pages.py": "import sqlite3\nfrom . import store\n",
    "chat_core/compose.py": "from chat_core.adapters.clock import NOW\nfrom chat_core.engine import chat\n",
    "chat_core/testing/__init__.py": "import chat_core\nfrom chat_core.engine.chat import ports\n",
    "chat_web/__init__.py": "",
    "chat_web/app.py": "import aiohttp, chat_core\nfrom chat_core import open_chat\nchat_core.open_chat\n",
    "chat_web/transports/__init__.py": "",
    "chat_web/transports/frames.py": "import struct\n",
    "chat_web/sockets/pump.py": "from chat_core import open_chat\nfrom chat_web.transports.frames import x\n",
    "chat_web/dialects/__init__.py": "from chat_web.dialects import anonymous, centrifuge\n",
    "chat_web/dialects/anonymous.py": "from chat_web import logs\n",
    "chat_web/dialects/centrifuge.py": "from chat_web.dialects.centrifugal import rpc\n",
    "chat_web/dialects/centrifugal/__init__.py": "",
    "chat_web/dialects/centrifugal/rpc.py": "import json\n",
}

LONG_FUNCTION = "def long():\n" + "    x = 1\n" * FUNCTION_LINES_MAX
LONG_METHOD = "class A:\n    async def long(self):\n" + "        x = 1\n" * FUNCTION_LINES_MAX

BROKEN: Final[tuple[tuple[Rule, str, str, str], ...]] = (
    (imports_point_down, "chat_core/model/x.py", "from chat_core.rules import room", "rules.room"),
    (imports_point_down, "chat_core/model/x.py", "from ..rules.room import x", "rules.room"),
    (imports_point_down, "chat_core/model/__init__.py", "from ..rules.room import x", "rules.room"),
    (imports_point_down, "chat_core/rules/x.py", "def f():\n    import chat_core.ports", "chat_core.ports"),
    (imports_point_down, "chat_core/rules/x.py", "from chat_core import ports", "chat_core.ports"),
    (imports_point_down, "chat_core/ports.py", "from .engine import chat", "engine.chat"),
    (imports_point_down, "chat_core/engine/x.py", "from chat_core.adapters.clock import x", "adapters.clock"),
    (imports_point_down, "chat_core/engine/x.py", "from chat_core import open_chat", "imports chat_core,"),
    (imports_point_down, "chat_core/adapters/x.py", "import chat_core.engine.chat", "engine.chat"),
    (imports_point_down, "chat_core/adapters/x.py", "import chat_core.compose", "compose"),
    (imports_point_down, "chat_core/compose.py", "import chat_core.testing", "testing"),
    (imports_point_down, "chat_core/compose.py", "import chat_core", "imports chat_core,"),
    (imports_point_down, "chat_core/__init__.py", "from . import testing", "testing"),
    (imports_point_down, "chat_core/other/x.py", "", "no layer"),
    (no_files_form_a_circle, "chat_core/model/ids.py", "import chat_core.rules.room", "rules/room.py"),
    (
        no_files_form_a_circle,
        "chat_core/model/ids.py",
        "def f():\n    from ..rules import room",
        "rules/room.py",
    ),
    (
        no_files_form_a_circle,
        "chat_core/model/ids.py",
        "if TYPE_CHECKING:\n    from chat_core.rules.room import Room",
        "rules/room.py",
    ),
    (no_files_form_a_circle, "chat_core/engine/chat.py", "import chat_core.engine.chat", "engine/chat.py"),
    (folders_point_down, "chat_core/engine/delivery/x.py", "from chat_core.engine.chat import Chat", "above"),
    (folders_point_down, "chat_core/engine/runtime/x.py", "from ..presence import people", "engine.presence"),
    (folders_point_down, "chat_core/engine/chat.py", "import chat_core.engine.assemble", "assemble"),
    (folders_point_down, "chat_core/testing/world.py", "import chat_core.testing.plugin", "plugin"),
    (folders_point_down, "chat_core/adapters/sql/schema/rows.py", "from ..store import x", "sql.store"),
    (folders_point_down, "chat_web/http/x.py", "from chat_web.sockets import pump", "sockets.pump"),
    (
        folders_point_down,
        "chat_web/transports/x.py",
        "def f():\n    from chat_web import app",
        "chat_web.app",
    ),
    (every_file_has_a_place, "chat_web/x.py", "", "no folder"),
    (every_file_has_a_place, "chat_core/engine/x.py", "", "no folder"),
    (every_file_has_a_place, "chat_core/testing/x/y.py", "", "no folder"),
    (the_core_does_not_know_the_web, "chat_core/testing/x.py", "import chat_web.app", "chat_web"),
    (adapters_stand_alone, "chat_core/adapters/x.py", "from .clock import NOW", "adapters.clock"),
    (adapters_stand_alone, "chat_core/adapters/x.py", "from . import clock", "adapters.clock"),
    (adapters_stand_alone, "chat_core/adapters/sql/x.py", "from ..clock import NOW", "adapters.clock"),
    (adapters_stand_alone, "chat_core/adapters/__init__.py", "from .clock import NOW", "adapters.clock"),
    (dialects_stand_alone, "chat_web/dialects/x.py", "from .anonymous import y", "anonymous"),
    (dialects_stand_alone, "chat_web/dialects/x.py", "from chat_web.dialects import anonymous", "anonymous"),
    (dialects_stand_alone, "chat_web/dialects/centrifugal/x.py", "from .. import anonymous", "anonymous"),
    (dialects_stand_alone, "chat_web/dialects/x.py", "from .centrifugal import rpc", "centrifugal"),
    (sockets_know_no_chat, "chat_web/transports/frames.py", "import chat_core", "chat_core"),
    (
        sockets_know_no_chat,
        "chat_web/transports/websocket.py",
        "from chat_core import open_chat",
        "chat_core",
    ),
    (sockets_know_no_chat, "chat_web/transports/__init__.py", "from chat_core import open_chat", "chat_core"),
    (the_web_uses_public_names_alone, "chat_web/x.py", "from chat_core.ports import Clock", "ports"),
    (the_web_uses_public_names_alone, "chat_web/x.py", "import chat_core.model.ids", "model.ids"),
    (the_web_uses_public_names_alone, "chat_web/x.py", "from chat_core import ports", "ports"),
    (the_web_uses_public_names_alone, "chat_web/x.py", "from chat_core import secret", "secret"),
    (the_web_uses_public_names_alone, "chat_web/x.py", "import chat_core\nchat_core.ports.Clock", "ports"),
    *(
        (model_and_rules_are_pure, path, f"import {name}", name)
        for name in sorted(IMPURE)
        for path in ("chat_core/model/x.py", "chat_core/rules/matching/x.py")
    ),
    (model_and_rules_are_pure, "chat_core/rules/x.py", "from os import path", "os"),
    (model_and_rules_are_pure, "chat_core/rules/x.py", "import concurrent.futures", "concurrent"),
    (model_and_rules_are_pure, "chat_core/rules/room.py", "from random import Random", "random"),
    (model_and_rules_are_pure, "chat_core/rules/lobby.py", "from random import choice", "random"),
    (model_and_rules_are_pure, "chat_core/rules/lobby.py", "import random", "random"),
    (aiohttp_is_for_the_web_alone, "chat_core/adapters/x.py", "from aiohttp import web", "aiohttp"),
    *(
        (each_driver_has_one_home, path, f"import {name}", name)
        for name in sorted(ONE_ADAPTER_EACH)
        for path in ("chat_core/engine/x.py", "chat_web/x.py", "chat_core/testing/x.py")
    ),
    (each_driver_has_one_home, "chat_core/adapters/zoo.py", "import sqlite3", "sql as well"),
    (only_adapters_know_the_clock, "chat_core/engine/x.py", "import time\ntime.time()", "time.time()"),
    (only_adapters_know_the_clock, "chat_core/engine/x.py", "from time import time", "import time"),
    (only_adapters_know_the_clock, "chat_web/x.py", "import datetime as d\nd.datetime.now()", "now()"),
    (only_adapters_know_the_clock, "chat_web/x.py", "datetime.now(UTC)", "datetime.now()"),
    (only_adapters_know_the_clock, "chat_web/x.py", "datetime.utcnow()", "utcnow()"),
    (only_adapters_know_the_clock, "chat_core/compose.py", "import uuid\nuuid.uuid4()", "uuid4()"),
    (only_adapters_know_the_clock, "chat_core/testing/x.py", "uuid4()", "uuid4()"),
    (nothing_is_asserted, "chat_web/x.py", "def f(x):\n    assert x", "InvariantBroken"),
    (nothing_is_pickled, "chat_core/adapters/x.py", "import pickle", "JSON"),
    (nothing_is_pickled, "chat_web/x.py", "from marshal import loads", "JSON"),
    (close_codes_have_one_home, "chat_core/engine/x.py", "def f(end):\n    end(3503, 'revoked')", "3503"),
    (close_codes_have_one_home, "chat_web/sockets/x.py", "def f(end):\n    end(3004, 'error')", "3004"),
    (files_and_functions_are_short, "chat_web/x.py", "x = 1\n" * (FILE_LINES_MAX + 1), "421 lines"),
    (files_and_functions_are_short, "chat_web/x.py", LONG_FUNCTION, "long has 71 lines"),
    (files_and_functions_are_short, "chat_core/engine/x.py", LONG_METHOD, "long has 71 lines"),
    *(
        (names_say_what_is_in_them, path.format(name), "", repr(name))
        for name in sorted(NAMES_THAT_SAY_NOTHING)
        for path in ("chat_web/{}.py", "chat_core/engine/{}.py", "chat_core/engine/{}/x.py")
    ),
    (names_say_what_is_in_them, "chat_web/time_utils.py", "", "time_utils"),
)


def planted(root: Path, sources: Mapping[str, str]) -> Tree:
    for path, source in sources.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, "utf-8")
    return Tree.read(root)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_clean_tree_keeps_every_rule(rule: Rule, tmp_path: Path) -> None:
    assert list(rule(planted(tmp_path, CLEAN))) == []


@pytest.mark.parametrize(
    ("rule", "path", "source", "named"),
    BROKEN,
    ids=[f"{n}-{rule.__name__}" for n, (rule, *_) in enumerate(BROKEN)],
)
def test_each_rule_can_be_broken_and_says_where_and_what_to_do(
    rule: Rule, path: str, source: str, named: str, tmp_path: Path
) -> None:
    findings = list(rule(planted(tmp_path, {**CLEAN, path: source})))
    assert findings, f"{rule.__name__} does not see {source!r} in {path}"
    assert any(finding.startswith(f"{path}:") and named in finding for finding in findings), findings


def test_no_rule_goes_without_a_tree_that_breaks_it() -> None:
    assert {rule for rule, *_ in BROKEN} == set(RULES)


def test_a_file_and_a_function_of_the_full_length_are_not_too_long(tmp_path: Path) -> None:
    full = "def f():\n" + "    x = 1\n" * (FUNCTION_LINES_MAX - 1)
    full += "x = 1\n" * (FILE_LINES_MAX - FUNCTION_LINES_MAX)
    assert list(files_and_functions_are_short(planted(tmp_path, {"chat_web/x.py": full}))) == []


# chat_core imports with the standard library and attrs alone

ALONE: Final = """
import sys

class Wall:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in {"attr", "attrs", "chat_core"}:
            raise ImportError(f"{name} is behind the wall")

sys.meta_path.insert(0, Wall())
for name in sys.argv[1:]:
    __import__(name)
"""


def imported_alone(root: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """Import the modules of ``root`` in a fresh process that has the standard library and attrs only."""
    return subprocess.run(
        [sys.executable, "-c", ALONE, *names],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_chat_core_needs_the_standard_library_and_attrs_alone() -> None:
    done = imported_alone(ROOT, "chat_core")
    cure = "import drivers inside their adapter, and adapters where compose needs them"
    assert done.returncode == 0, f"{cure}\n{done.stderr}"


def test_so_does_every_module_below_the_adapters(parley: Tree) -> None:
    packages = ("model", "rules", "ports", "engine")
    names = [module.name for module in parley.under(*(f"chat_core.{name}" for name in packages))]
    done = imported_alone(ROOT, *names)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "blocked", ["aiohttp", "asyncpg", "structlog", "msgspec", "jwt", "cryptography", "chat_web"]
)
def test_the_wall_is_seen_by_who_runs_into_it(blocked: str, tmp_path: Path) -> None:
    planted(tmp_path, {"chat_core/__init__.py": f"import attrs, json\nimport {blocked}\n"})
    done = imported_alone(tmp_path, "chat_core")
    assert done.returncode == 1
    assert f"{blocked} is behind the wall" in done.stderr
