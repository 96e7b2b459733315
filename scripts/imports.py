"""Checks imports: finds circles between files, and folders that import a folder above them.

    python -m scripts.imports              this checkout
    python -m scripts.imports OTHER/ROOT   another one

Every import counts, also inside functions and under ``TYPE_CHECKING``. The exit status is 1
if anything was found. ``tests/test_architecture.py`` uses the same functions.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import attrs

# From the bottom up. Folders on the same line may import each other, without a circle.
CORE: Final[Sequence[Sequence[str]]] = (
    ("version",),
    ("model",),
    ("rules",),
    ("ports",),
    ("engine",),
    ("adapters",),
    ("compose",),
    ("",),
    ("testing",),
)
ENGINE: Final[Sequence[Sequence[str]]] = (
    ("runtime", "results", "dependencies", "disconnects"),
    ("presence",),
    ("delivery",),
    ("conversations",),
    ("lobby",),
    ("dispatch", "after_commit", "accounts"),
    ("chat",),
    ("assemble",),
    ("",),
)
WEB: Final[Sequence[Sequence[str]]] = (
    ("",),
    ("encoding", "logs", "config"),
    ("app_keys",),
    ("http",),
    ("transports", "api", "pages"),
    ("dialects", "documents"),
    ("sockets",),
    ("monitoring",),
    ("routes",),
    ("app",),
    ("server",),
    ("cli",),
    ("__main__",),
)
TESTING: Final[Sequence[Sequence[str]]] = (
    ("clock", "passwords", "postgres", "outside"),
    ("people",),
    ("world",),
    ("contracts", "simulation", "plugin"),
    ("",),
    ("__main__",),
)
SQL: Final[Sequence[Sequence[str]]] = (
    ("encryption", "schema"),
    ("database",),
    ("operations",),
    ("store", "accounts", "key_check", "key_rotation"),
    ("sqlite", "postgres"),
    ("",),
)
ORDERS: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "chat_core": CORE,
    "chat_core.engine": ENGINE,
    "chat_core.adapters.sql": SQL,
    "chat_core.testing": TESTING,
    "chat_web": WEB,
}


@attrs.frozen
class Import:
    """An imported module, the line, and the imported name of a ``from`` import."""

    module: str
    line: int
    name: str | None = None

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


@attrs.frozen(slots=False)
class Module:
    """A source file."""

    path: str
    source: str
    siblings: frozenset[str] = attrs.field(factory=frozenset)  # the names of all modules of the tree

    @cached_property
    def name(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.source, self.path)))

    @cached_property
    def imports(self) -> list[Import]:
        """All imports at any depth; ``from a import b`` imports ``a.b`` if that is a module."""
        found: list[Import] = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found += [Import(alias.name, node.lineno) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                for alias in node.names:
                    inner = f"{base}.{alias.name}"
                    if inner in self.siblings:
                        found.append(Import(inner, node.lineno))
                    else:
                        found.append(Import(base, node.lineno, alias.name))
        return found

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".")
        ups = node.level - self.path.endswith("/__init__.py")
        package = package[: len(package) - ups]
        return ".".join([*package, *((node.module or "").split(".") if node.module else [])])

    def at(self, line: int, words: str) -> str:
        return f"{self.path}:{line}: {words}"

    def is_in(self, *packages: str) -> bool:
        return any(self.name == package or self.name.startswith(f"{package}.") for package in packages)


@attrs.frozen
class Tree:
    """The source files of both packages."""

    modules: tuple[Module, ...]

    @classmethod
    def read(cls, root: Path) -> "Tree":
        paths = sorted(p for package in ("chat_core", "chat_web") for p in (root / package).rglob("*.py"))
        sources = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in paths}
        names = frozenset(Module(path, "").name for path in sources)
        return cls(tuple(Module(path, source, names) for path, source in sources.items()))

    def under(self, *packages: str) -> Iterator[Module]:
        return (module for module in self.modules if module.is_in(*packages))


def circles(tree: Tree) -> Iterator[tuple[Module, ...]]:
    """Groups of files that all import each other, directly or through others."""
    by_name = {module.name: module for module in tree.modules}
    graph = {
        module.name: sorted({found.module for found in module.imports if found.module in by_name})
        for module in tree.modules
    }
    for group in _strongly_connected(graph):
        if len(group) > 1 or group[0] in graph[group[0]]:
            yield tuple(by_name[name] for name in sorted(group))


def upward(tree: Tree) -> Iterator[tuple[Module, Import]]:
    """Imports of a folder that is above the importing one, by ``ORDERS``."""
    for module in tree.modules:
        for found in module.imports:
            if any(_is_upward(module.name, found.module, package) for package in ORDERS):
                yield module, found


def unplaced(tree: Tree) -> Iterator[Module]:
    """Files in a folder, or with a name, that is not in ``ORDERS``."""
    for module in tree.modules:
        for package in ORDERS:
            if module.is_in(package) and _rank(module.name, package) is None:
                yield module


def _is_upward(importer: str, imported: str, package: str) -> bool:
    mine, other = _rank(importer, package), _rank(imported, package)
    return mine is not None and other is not None and other > mine


def _rank(module: str, package: str) -> int | None:
    """The rank of a module in the order of the package; None outside the package or the order."""
    if module == package:
        part = ""
    elif module.startswith(f"{package}."):
        part = module.removeprefix(f"{package}.").partition(".")[0]
    else:
        return None
    return next((rank for rank, tier in enumerate(ORDERS[package]) if part in tier), None)


def _strongly_connected(graph: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """Tarjan's algorithm ("Depth-first search and linear graph algorithms", 1972), without recursion."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in graph:
        if root in index:
            continue
        work: list[tuple[str, Iterator[str]]] = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            for other in rest:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(graph[other])))
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group: list[str] = []
                    while not group or group[-1] != node:
                        group.append(stack.pop())
                        on_stack.discard(group[-1])
                    yield group


def main(arguments: Sequence[str]) -> int:
    tree = Tree.read(Path(arguments[0] if arguments else "."))
    rings, ups, strangers = list(circles(tree)), list(upward(tree)), list(unplaced(tree))
    lines: list[str] = [f"circle of {len(ring)}: " + " ".join(m.path for m in ring) for ring in rings]
    lines += [module.at(found.line, f"imports {found.module}, which is above it") for module, found in ups]
    lines += [f"{module.path}: in no folder of the order" for module in strangers]
    files = Counter(module.path.rpartition("/")[0] for module in tree.modules)
    lines += [f"{count:4} files in {folder}" for folder, count in sorted(files.items())]
    lines.append(f"{len(rings)} circles, {len(ups)} upward imports, {len(strangers)} files in no folder")
    _print(lines)
    return 1 if rings or ups or strangers else 0


def _print(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
