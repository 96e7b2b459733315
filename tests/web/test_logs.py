"""The log: one line an event, the same for everybody, and nobody can forge one."""

import ast
import io
import json
import logging
import re
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from chat_web import logs

pytestmark = pytest.mark.logs_secrets


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _the_log_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    for handler in [handler for handler in root.handlers if getattr(handler, "is_parley", False)]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    logs.configure("INFO", stream=stream)
    return stream


def test_an_event_is_one_line_of_json_in_utc(stream: io.StringIO) -> None:
    structlog.get_logger("parley.test").info("started", port=8000, parts=["a", {"b": None}])

    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "started",
        "level": "info",
        "logger": "parley.test",
        "port": 8000,
        "parts": ["a", {"b": None}],
    }


def test_what_others_log_looks_the_same(stream: io.StringIO) -> None:
    logging.getLogger("asyncio").warning("slow by %d ms", 7, extra={"task": "x"})

    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("slow by 7 ms", "warning", "asyncio")
    assert line["task"] == "x"


def test_a_warning_is_a_line_too(stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(False)

    (line,) = lines(stream)
    assert line["logger"] == "py.warnings"
    assert "old ways" in line["event"]


def test_the_level_is_a_threshold_for_all(stream: io.StringIO) -> None:
    structlog.get_logger("parley").debug("hidden")
    logging.getLogger("aiohttp.server").debug("hidden")
    structlog.get_logger("parley").error("seen")

    assert [line["event"] for line in lines(stream)] == ["seen"]


def test_an_exception_is_in_its_line(stream: io.StringIO) -> None:
    try:
        raise ValueError("bad\nluck")
    except ValueError:
        structlog.get_logger("parley").exception("failed")
        logging.getLogger("aiohttp.server").exception("failed too")

    first, second = lines(stream)
    assert "ValueError: bad" in first["exception"]
    assert "ValueError: bad" in second["exception"]


FORGED = 'hi\r\n{"event":"forged"}\x1b[31m\x00\u2028\u202e\x85\ud800'


@pytest.mark.parametrize("terminal", [False, True])
def test_a_value_cannot_forge_a_line_or_reach_the_terminal(terminal: bool) -> None:
    stream: io.StringIO = Terminal() if terminal else io.StringIO()
    logs.configure("INFO", stream=stream)

    structlog.get_logger("parley").info(
        FORGED, value=FORGED, nested={FORGED: [FORGED, FORGED.encode("utf-8", "surrogatepass")]}
    )
    logging.getLogger("other").info("%s", FORGED)

    text = stream.getvalue()
    assert len(text.splitlines()) == 2
    assert text.count("\n") == 2
    for character in "\r\x00\u2028\u202e\x85\ud800":
        assert character not in text
    assert "[31m{" not in text
    assert "\x1b[31m\\" not in text
    if not terminal:
        assert "\x1b" not in text
        assert all(line["event"] != "forged" for line in lines(stream))


def test_on_a_terminal_a_traceback_keeps_its_lines_and_a_message_cannot_start_one() -> None:
    stream = Terminal()
    logs.configure("INFO", stream=stream)
    try:
        raise ValueError("a\n2026-01-01 [info] forged\x1b[2J")
    except ValueError:
        structlog.get_logger("parley").exception("failed")

    text = stream.getvalue()
    assert "\n  Traceback (most recent call last):" in text
    assert not any(line.startswith("2026-01-01 [info] forged") for line in text.splitlines())
    assert "\x1b[2J" not in text


def test_odd_values_still_give_a_line(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()  # pytest's own handlers would stumble over the odd values
    ours = [handler for handler in root.handlers if getattr(handler, "is_parley", False)]
    monkeypatch.setattr(root, "handlers", ours)

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    structlog.get_logger("parley").info(
        "odd", nan=float("nan"), infinite=float("inf"), broken=Broken(), deep=deep, long="x" * 100_000
    )

    (line,) = lines(stream)
    assert (line["nan"], line["infinite"]) == ("nan", "inf")
    assert line["broken"] == "<Broken without repr: RuntimeError>"
    assert len(line["long"]) == logs.VALUE_LENGTH_MAX + 1


@pytest.mark.parametrize(
    "text",
    [
        "GET /ws/x?token=hunter2-abc&y=1",
        "Authorization: Bearer hunter2.abc",
        "eyJhbGciOiJIUzI1NiJ9.hunter2.sig",
        "parley.v1, bearer.eyJhbGciOiJIUzI1NiJ9.hunter2.sig",
    ],
)
def test_a_token_that_slips_into_a_line_is_cut_out(stream: io.StringIO, text: str) -> None:
    logging.getLogger("other").warning("failed: %s", text)

    assert "hunter2" not in stream.getvalue()
    assert "…" in lines(stream)[0]["event"]


def test_a_folder_gets_the_same_lines_in_a_file_of_its_own(tmp_path: Path) -> None:
    stream = io.StringIO()
    logs.configure("INFO", tmp_path / "logs", stream=stream)

    structlog.get_logger("parley").info("started")

    path = tmp_path / "logs" / "parley.log"
    assert path.read_text(encoding="utf-8") == stream.getvalue()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_last_configuration_holds(stream: io.StringIO) -> None:
    second = io.StringIO()
    logs.configure("WARNING", stream=second)

    structlog.get_logger("parley").warning("once")

    assert stream.getvalue() == ""
    assert len(lines(second)) == 1


async def _hello(_request: web.Request) -> web.Response:
    return web.Response(text="hi")


async def test_a_request_is_logged_by_its_route_and_by_nothing_that_was_sent(stream: io.StringIO) -> None:
    app = web.Application()
    app.router.add_get("/api/users/{username}", _hello)
    app.router.add_get("/health", _hello)
    server = TestServer(app)
    await server.start_server(access_log_class=logs.AccessLogger, access_log=logging.getLogger("x"))
    async with TestClient(server) as client:
        await client.get(
            "/api/users/canary?token=canary", headers={"Referer": "canary", "User-Agent": "canary"}
        )
        await client.get("/health")
        await client.get("/canary")
        await client.request("PROPFIND", "/api/users/canary")

    access = [line for line in lines(stream) if line["logger"] == "parley.access"]
    assert [(line["method"], line["route"], line["status"]) for line in access] == [
        ("GET", "/api/users/{username}", 200),
        ("GET", "unknown", 404),
        ("OTHER", "unknown", 405),
    ]
    assert all(line["ms"] >= 0 for line in access)
    assert "canary" not in stream.getvalue().lower()
    assert "127.0.0.1" not in stream.getvalue()


def test_every_event_of_the_log_is_named_as_a_noun_and_what_happened_to_it() -> None:
    """``connection_closed``: one word to search for, and nothing that a person has to guess."""
    found: dict[str, list[str]] = {}
    for path in Path(logs.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and (name := _logged(node)) is not None:
                found.setdefault(name, []).append(f"{path.name}:{node.lineno}")
    assert {"connection_closed", "server_started", "request_failed"} <= set(found)
    assert {
        name: at for name, at in found.items() if not re.fullmatch(r"[a-z]+(_[a-z]+)*_[a-z]+ed", name)
    } == {}


def _logged(call: ast.Call) -> str | None:
    """The event of ``_log.info("…")`` and its like; ``?`` where it is no constant."""
    match call:
        case ast.Call(
            func=ast.Attribute(
                value=ast.Name(id="_log"), attr="debug" | "info" | "warning" | "error" | "exception"
            ),
            args=[first, *_],
        ):
            return str(first.value) if isinstance(first, ast.Constant) else "?"
        case _:
            return None
