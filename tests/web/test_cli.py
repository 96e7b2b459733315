"""The command line: what it prints, and the status it ends with."""

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from chat_core.version import VERSION
from chat_web.cli import main
from chat_web.settings import Settings, variables

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _a_clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    level = logging.getLogger().level
    yield
    for handler in [one for one in logging.getLogger().handlers if getattr(one, "is_parley", False)]:
        logging.getLogger().removeHandler(handler)
        handler.close()
    logging.getLogger().setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def run(*arguments: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The command as people start it."""
    base = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-m", "chat_web", *arguments],
        cwd=folder,
        env={**base, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def serve_for_a_moment(settings: Settings) -> int:
    """A server that only takes its port, as the real one does."""

    async def bind() -> None:
        server = await asyncio.start_server(lambda _r, _w: None, settings.host, settings.port)
        server.close()
        await server.wait_closed()

    asyncio.run(bind())
    return 0


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])

    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "serve" in said
    assert "config" in said
    assert "http://127.0.0.1:8000" in said


def test_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"parley {VERSION}\n"


@pytest.mark.parametrize("arguments", [["sreve"], ["--loud"], ["serve", "now"]])
def test_what_is_not_understood_is_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert "usage: parley" in capsys.readouterr().err


def test_config_shows_every_setting_and_where_it_came_from(tmp_path: Path) -> None:
    key = "Zx9-0123456789-abcdefghijklmnopqrstuvwxyz"
    (tmp_path / ".env").write_text(f"HOST=localhost\nJWT_SECRET_KEY={key}\n")

    ended = run("config", folder=tmp_path, PORT="9001")

    assert (ended.returncode, ended.stderr) == (0, "")
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in ended.stdout.splitlines()}
    assert set(rows) == set(variables())
    assert rows["HOST"].split(maxsplit=1) == ["localhost", ".env line 1"]
    assert rows["PORT"].split() == ["9001", "environment"]
    assert rows["DEBUG"].split() == ["false", "default"]
    assert rows["JWT_SECRET_KEY"].startswith("set (41 bytes)")
    assert key not in ended.stdout


def test_config_speaks_json_to_programs(tmp_path: Path) -> None:
    ended = run("config", "--json", folder=tmp_path, COUNTDOWN_SECONDS="0.5")

    rows = {row["name"]: row for row in json.loads(ended.stdout)}
    assert rows["COUNTDOWN_SECONDS"] == {
        "name": "COUNTDOWN_SECONDS",
        "value": "0.5",
        "source": "environment",
    }
    assert list(rows) == list(variables())


@pytest.mark.parametrize("command", [[], ["serve"], ["config"]])
def test_a_wrong_setting_is_one_line_and_status_two(tmp_path: Path, command: list[str]) -> None:
    ended = run(*command, folder=tmp_path, PORT="http")

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == (
        "parley: PORT (environment) must be a whole number from 0 to 65535, not 'http'; "
        "for example PORT=8000\n"
    )


@pytest.mark.parametrize("command", [[], ["serve"]])
def test_it_serves_and_ends_with_the_server_s_status(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "0")

    assert main(command, serve=serve_for_a_moment) == 0
    assert main(command, serve=lambda settings: settings.port + 1) == 1


def test_a_port_that_is_taken_is_one_line_and_status_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))

        assert main([], serve=serve_for_a_moment) == 1

    assert capsys.readouterr().err == (
        f"parley: PORT {port} of 127.0.0.1 is taken; choose another, or PORT=0 for a free one\n"
    )


def test_an_address_of_another_machine_is_one_line_and_status_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOST", "192.0.2.1")
    monkeypatch.setenv("PORT", "0")

    assert main([], serve=serve_for_a_moment) == 1

    assert capsys.readouterr().err.startswith("parley: HOST 192.0.2.1 is no address of this machine")


def test_a_log_that_cannot_be_written_is_one_line_and_status_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LOG_DIR", str(tmp_path / "file" / "logs"))

    assert main([], serve=serve_for_a_moment) == 2

    said = capsys.readouterr().err
    assert said.startswith("parley: LOG_DIR cannot be written: ")
    assert said.count("\n") == 1


def test_an_interrupt_is_an_ordinary_end() -> None:
    def interrupted(_settings: Settings) -> int:
        raise KeyboardInterrupt

    assert main([], serve=interrupted) == 0
