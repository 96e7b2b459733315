"""Tests of the documents: each route, setting, code, method and event is in them, and their programs run."""

import ast
import configparser
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web

from chat_core import CODES, EndReason, NotificationKind, RoomState
from chat_web import routes
from chat_web.config.settings import variables
from chat_web.dialects import anonymous
from chat_web.dialects.centrifugal import commands, errors, publications, rpc
from chat_web.http import errors as http_errors

ROOT: Final = Path(__file__).parent.parent
PROTOCOLS: Final = (ROOT / "PROTOCOLS.md").read_text("utf-8")
SETTINGS: Final = (ROOT / "docs" / "settings.md").read_text("utf-8")
# Words that have a plainer one, and clauses that begin with who or what and are no questions.
OBSCURE: Final = re.compile(
    r"\b(stands?|holds?|but for|of now|told|harmless twice|begun|beside|hears?|heard|for good)\b"
    r"|(?:^|[.;:,(|*] ?)(?:who|what|whoever|whatever)\b[^.?|]*(?:[.|]|$)",
    re.IGNORECASE | re.MULTILINE,
)
DOCUMENTS: Final = sorted(
    str(path.relative_to(ROOT))
    for folder in (".", "docs", "benchmarks")
    for path in (ROOT / folder).glob("*.md")
)
PROGRAMS: Final = ("README.md", "docs/embedding.md")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading."""
    below = text.split(f"\n## {heading}\n", 1)[1].split("\n## ")[0]
    lines = [line for line in below.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def links(text: str) -> list[str]:
    """The files that a document links to, relative to its folder."""
    return re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", text)


def examples() -> Iterator[Any]:
    """Every JSON example of PROTOCOLS.md: one a line."""
    for block in blocks(PROTOCOLS, "json"):
        for line in block.splitlines():
            yield json.loads(line)


def publications_in(frame: Any) -> Iterator[dict[str, Any]]:
    """The data of every publication in a frame."""
    if isinstance(frame, dict):
        if isinstance(frame.get("data"), dict) and "type" in frame["data"]:
            yield frame["data"]
        for value in frame.values():
            yield from publications_in(value)
    elif isinstance(frame, list):
        for value in frame:
            yield from publications_in(value)


def publication_types() -> set[str]:
    """The types that the source can make."""
    source = inspect.getsource(publications)
    literal = set(re.findall(r'"type": "(\w+)"', source))
    return literal | set(re.findall(r'"(reaction_\w+)"', source)) | {kind.value for kind in NotificationKind}


def close_codes() -> set[int]:
    """The close codes in the source."""
    found: set[int] = set()
    for folder in ("chat_web", "chat_core"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                values: list[ast.expr] = []
                if isinstance(node, ast.Call):
                    values = node.args
                elif isinstance(node, ast.Tuple):
                    values = node.elts
                for pair in pairwise(values):
                    match pair:
                        case [ast.Constant(value=int(code)), ast.Constant(value=str()) | ast.JoinedStr()] if (
                            3000 <= code < 4000 or 1002 <= code <= 1009
                        ):
                            found.add(code)
    return found


def test_every_route_is_documented() -> None:
    app = web.Application()
    routes.install(app)
    for resource in app.router.resources():
        assert f"`{resource.canonical}`" in PROTOCOLS or re.search(
            rf"[` ]{re.escape(resource.canonical)}`", PROTOCOLS
        ), resource.canonical
    for route in app.router.routes():
        if route.method == "POST" and route.resource is not None:
            assert f"POST {route.resource.canonical}" in PROTOCOLS


def test_every_setting_is_in_its_document_and_no_other() -> None:
    assert [row[0].strip("`") for row in rows(SETTINGS, "All settings")] == list(variables())


def test_the_readme_and_the_index_link_to_every_document() -> None:
    for index in (ROOT / "README.md", ROOT / "docs" / "README.md"):
        linked = {(index.parent / target).resolve() for target in links(index.read_text("utf-8"))}
        for path in ROOT.glob("docs/*.md"):
            assert path in linked or path.name == "README.md", f"{index} does not link to {path.name}"


def test_the_readme_begins_with_the_sentence_that_describes_the_package() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    sentence = (ROOT / "README.md").read_text("utf-8").splitlines()[2]
    assert sentence == config["metadata"]["description"]


def test_the_first_program_of_the_readme_has_twelve_lines() -> None:
    program, *others = blocks((ROOT / "README.md").read_text("utf-8"), "python")
    assert len([line for line in program.splitlines() if line.strip()]) == 12
    assert not others


def test_every_error_is_documented_with_its_status_and_number_and_no_other() -> None:
    table = {
        code.strip("`"): (int(status), int(number) if number else None)
        for code, status, number, _ in rows(PROTOCOLS, "Errors")
    }
    numbers: dict[str, int] = {str(code): number for code, number in errors.NUMBERS.items()}
    assert table == {code: (status, numbers.get(code)) for code, status in http_errors.STATUS.items()}
    assert set(CODES) == set(numbers)
    assert set(CODES) <= set(table)
    assert len(set(numbers.values())) == len(numbers)


def test_the_numbers_of_the_protocol_itself() -> None:
    own = {
        value["code"]: value["message"]
        for value in vars(errors).values()
        if isinstance(value, dict) and "message" in value
    }
    assert own
    for code, message in own.items():
        assert f"{code} {message}" in PROTOCOLS


def test_every_close_code_is_documented() -> None:
    listed = {int(row[0]) for row in rows(PROTOCOLS, "Close codes")}
    used = close_codes()
    assert {1002, 1003, 1007, 1009, 3001, 3008, 3509} <= used, "the search finds what is known"
    assert used <= listed
    unsent = {int(code) for code, words in rows(PROTOCOLS, "Close codes") if "not sent yet" in words}
    assert listed - used == unsent


def test_every_method_is_documented_and_no_other() -> None:
    section = PROTOCOLS.split("### RPC methods")[1].split("## Errors")[0]
    names = [
        re.findall(r"`(\w+)`", line.split("|")[1]) for line in section.splitlines() if line.startswith("| `")
    ]
    assert sorted(name for cell in names for name in cell) == sorted(rpc.METHODS)


def test_every_type_of_publication_is_documented() -> None:
    for name in publication_types():
        assert f"`{name}`" in PROTOCOLS, name


def test_every_event_of_p0_is_documented_with_its_sentence() -> None:
    shown = [frame for frame in examples() if frame.get("type") == "system"]
    sentences = {frame["event"]: frame["message"] for frame in shown}
    assert {event: sentences.get(event) for event in anonymous.SENTENCES} == anonymous.SENTENCES
    assert "error" in sentences


def test_every_state_and_end_reason_of_a_room_is_documented() -> None:
    for word in (*RoomState, *EndReason):
        assert f"`{word.value}`" in PROTOCOLS


def test_every_example_parses_and_every_command_has_one() -> None:
    frames = list(examples())
    names = {field for field in commands.Command.__struct_fields__ if field != "id"}
    assert names <= {name for frame in frames for name in frame}


def test_examples_of_publications_look_as_recorded() -> None:
    """Each example has the very fields that somebody saw in a recorded conversation."""
    recorded: dict[str, set[frozenset[str]]] = {}
    for line in (ROOT / "tests" / "dialects" / "p5.txt").read_text("utf-8").splitlines():
        if match := re.match(r"\w+< (\{.*\})$", line):
            for data in publications_in(json.loads(match[1])):
                recorded.setdefault(data["type"], set()).add(frozenset(data))
    shown = [data for frame in examples() for data in publications_in(frame)]
    assert len(shown) > 8
    for data in shown:
        assert frozenset(data) in recorded[data["type"]], data["type"]


def test_rules_have_numbers_that_are_used_once() -> None:
    numbers = re.findall(r"^- \*\*(\S+)\*\*", PROTOCOLS, re.MULTILINE)
    assert len(numbers) == len(set(numbers))
    for series in ("C", "H", "P0.", "P1.", "P2.", "P3.", "P4.", "P5."):
        own = [
            int(number.removeprefix(series))
            for number in numbers
            if re.fullmatch(rf"{re.escape(series)}\d+", number)
        ]
        assert own == list(range(1, len(own) + 1)), series


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=f"{name}-{number}")
        for name in PROGRAMS
        for number, block in enumerate(blocks((ROOT / name).read_text("utf-8"), "python"), 1)
    ],
)
def test_the_code_of_the_documents_runs(block: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name not in PROGRAMS])
def test_code_is_in_the_documents_whose_code_runs(name: str) -> None:
    assert not blocks((ROOT / name).read_text("utf-8"), "python")


def prose(text: str) -> str:
    """A document without its blocks of code, what is quoted, and what is generated."""
    text = re.sub(r"<!-- (\w+): by .*?<!-- end of \1 -->", "", text, flags=re.DOTALL)
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`]*`|\"[^\"]*\"", "", text)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_are_in_plain_english(name: str) -> None:
    found = [match[0] for match in OBSCURE.finditer(prose((ROOT / name).read_text("utf-8")))]
    assert found == []


@pytest.mark.parametrize(
    "sentence",
    [
        "Who comes back gets it.",
        "All texts, but for these.",
        "The token holds.",
        "| what is kept |",
        "It was told.",
    ],
)
def test_sentences_that_must_be_read_twice_are_found(sentence: str) -> None:
    assert OBSCURE.search(prose(sentence))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    path = ROOT / name
    for target in links(path.read_text("utf-8")):
        assert (path.parent / target).exists(), f"{name} links to {target}"
