"""The public names: exactly those that are listed, each documented, none that hides where it is."""

import ast
import inspect
from pathlib import Path

import pytest

import chat_core
from chat_core.model import commands, errors, events

SOURCE = Path(chat_core.__file__).read_text("utf-8")
IMPORTED = [
    alias.asname or alias.name
    for node in ast.parse(SOURCE).body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
]


def test_what_is_listed_is_what_is_imported_and_each_once() -> None:
    assert len(chat_core.__all__) == len(set(chat_core.__all__))
    assert set(chat_core.__all__) == {name for name in IMPORTED if not name.startswith("_")}


def test_a_star_import_gives_the_listed_names() -> None:
    names: dict[str, object] = {}
    exec("from chat_core import *", names)
    assert names.keys() - {"__builtins__"} == set(chat_core.__all__)


@pytest.mark.parametrize("name", chat_core.__all__)
def test_no_module_is_exported_and_no_private_name(name: str) -> None:
    assert not inspect.ismodule(getattr(chat_core, name))
    assert not name.startswith("_")


@pytest.mark.parametrize("words", [commands, events, errors], ids=lambda module: module.__name__)
def test_whoever_asks_hears_and_is_refused_finds_every_word_of_it(words: object) -> None:
    here = {
        name
        for name, value in vars(words).items()
        if inspect.isclass(value) and value.__module__ == getattr(words, "__name__", None)
    }
    asked_by_parley_alone = {"Close", "Purge", "Tick"}
    assert here - asked_by_parley_alone - set(chat_core.__all__) == set()


def test_the_package_is_typed_and_says_what_it_is() -> None:
    assert (Path(chat_core.__file__).parent / "py.typed").exists()
    assert chat_core.__doc__
    assert chat_core.VERSION
