"""The command line: what it prints, and the status it ends with."""

import asyncio
import contextlib
import json
import logging
import os
import pty
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from chat_core.version import VERSION
from chat_web.cli.main import main
from chat_web.config.settings import Settings, variables
from tests.support.servers import Process, browser

REPOSITORY = Path(__file__).parents[3]


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


def run(
    *arguments: str, folder: Path, typed: str = "", **environment: str
) -> "subprocess.CompletedProcess[str]":
    """The command as people start it."""
    base = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-m", "chat_web", *arguments],
        cwd=folder,
        env={**base, **environment},
        input=typed,
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
        f"parley: PORT {port} of 127.0.0.1 is in use; choose another, or PORT=0 for a free one\n"
    )


def test_an_address_of_another_machine_is_one_line_and_status_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOST", "192.0.2.1")
    monkeypatch.setenv("PORT", "0")

    assert main([], serve=serve_for_a_moment) == 1

    assert capsys.readouterr().err.startswith("parley: HOST 192.0.2.1 is not an address of this machine")


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


# check


def test_nothing_is_wrong_without_any_configuration_and_nothing_is_made(tmp_path: Path) -> None:
    ended = run("check", folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "The configuration is valid.\n"
    assert list(tmp_path.iterdir()) == []


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    key = "changeme-changeme-changeme-changeme"
    (tmp_path / ".env").write_text(f"PROT=1\nCOUNTDOWN_SECONDS=soon\nJWT_SECRET_KEY={key}\n")
    (tmp_path / "file").write_text("in the way")

    ended = run(
        "check",
        folder=tmp_path,
        PORT="http",
        ALLOWED_ORIGINS="*",
        DATABASE_URL="sqlite:///./file/parley.db",
        LOG_DIR="./file/logs",
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    lines = ended.stderr.splitlines()
    names = {"PROT", "PORT", "JWT_SECRET_KEY", "ALLOWED_ORIGINS", "COUNTDOWN_SECONDS", "LOG_DIR"}
    names.add("DATABASE_URL")
    assert {line.split()[1].rstrip(":") for line in lines} == names
    assert len(lines) == len(names)
    assert key not in ended.stderr
    for line in lines:
        assert "for example" in line or "did you mean PORT?" in line, line


def test_a_database_that_is_none(tmp_path: Path) -> None:
    content = b"this is no database, but it is long enough to look like one" * 20
    (tmp_path / "chat.db").write_bytes(content)
    ended = run("check", folder=tmp_path, DATABASE_URL="sqlite:///chat.db")
    assert ended.returncode == 1
    assert ended.stderr.startswith("parley: DATABASE_URL: ")
    assert (tmp_path / "chat.db").read_bytes() == content


def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    assert run("create-user", "ann", folder=tmp_path, typed="correct horse").returncode == 0
    with sqlite3.connect(tmp_path / "data" / "parley.db") as database:
        database.execute("insert into schema_migrations values (9999, 'from the future')")
    database.close()
    ended = run("check", folder=tmp_path)
    assert ended.returncode == 1
    assert "schema 9999" in ended.stderr


def test_a_key_that_others_may_read(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    key = tmp_path / "data" / "jwt_secret.key"
    key.write_text("x" * 48)
    key.chmod(0o644)
    ended = run("check", folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("parley: JWT_SECRET_KEY is empty, and others may read")


def test_an_address_of_another_machine_is_said(tmp_path: Path) -> None:
    ended = run("check", folder=tmp_path, HOST="192.0.2.1")
    assert ended.returncode == 1
    assert "HOST 192.0.2.1 is not an address of this machine" in ended.stderr


# create-user


def test_a_user_is_made_once_with_a_password_from_standard_input(tmp_path: Path) -> None:
    ended = run("create-user", "ann", "--email", "ann@example.org", folder=tmp_path, typed="correct horse\n")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ann can sign in now.\n", "")
    again = run("create-user", "ANN", folder=tmp_path, typed="correct horse\n")
    assert (again.returncode, again.stderr) == (1, "parley: This user name is taken.\n")
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert b"correct horse" not in path.read_bytes()


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("a", "correct horse", "parley: A user name is 3 to 32"),
        ("ann", "short", "parley: A password has at least 8"),
        ("ann", "password", "parley: This password is too common"),
        ("ann", "", "parley: A password has at least 8"),
    ],
)
def test_what_makes_no_user(tmp_path: Path, name: str, password: str, said: str) -> None:
    ended = run("create-user", name, folder=tmp_path, typed=password)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(said)
    assert ended.stderr.count("\n") == 1


def test_no_user_is_made_where_nothing_is_kept(tmp_path: Path) -> None:
    ended = run("create-user", "ann", folder=tmp_path, typed="correct horse", DATABASE_URL="memory://")
    assert (ended.returncode, ended.stderr.startswith("parley: DATABASE_URL=memory://")) == (1, True)


def test_at_a_terminal_the_password_is_typed_twice_and_not_shown(tmp_path: Path) -> None:
    base = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "chat_web", "create-user", "ann"]
    for second, status in (("another horse", 1), ("correct horse", 0)):
        pid, terminal = pty.fork()
        if not pid:  # pragma: no cover - becomes the command
            os.chdir(tmp_path)
            os.execve(sys.executable, command, base)
        said = b""
        for asked, typed in ((b"Password: ", "correct horse"), (b"Repeat password: ", second)):
            while not said.endswith(asked):
                said += os.read(terminal, 1024)
            os.write(terminal, typed.encode() + b"\n")
        with contextlib.suppress(OSError):  # Linux says so at the end
            while more := os.read(terminal, 1024):
                said += more
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status
        os.close(terminal)
        assert b"horse" not in said


async def test_who_is_made_while_a_server_runs_signs_in_to_it_and_talks(tmp_path: Path) -> None:
    async with Process(tmp_path) as server, browser(server) as http:
        made = await asyncio.to_thread(run, "create-user", "ann", folder=tmp_path, typed="correct horse")
        assert made.returncode == 0, made.stderr
        async with http.post(
            "/api/auth/login", json={"username": "ann", "password": "correct horse"}
        ) as answer:
            assert answer.status == 200
            token = (await answer.json())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with http.get("/api/channels/me", headers=headers) as answer:
            channels = (await answer.json())["items"]
        assert [channel["name"] for channel in channels] == ["general", "random"]
        path = f"/api/conversations/{channels[0]['id']}/messages"
        async with http.post(path, json={"content": "hi"}, headers=headers) as answer:
            assert answer.status == 201
        assert await server.stop() == 0
    assert "correct horse" not in server.log
