"""The command ``parley``: its arguments, output and exit status.

Exit status: 0 success, 1 failure, 2 wrong usage (an unknown option, an invalid
configuration). An error is one line on stderr.

Not here: the server itself (``server.py``, imported only if needed).
"""

import argparse
import asyncio
import errno
import getpass
import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from chat_core import VERSION, ChatError, Refused, backup, create_account, migrate, restore
from chat_web import logs
from chat_web.config.settings import NEW_KEY, Settings, load, shown
from chat_web.config.variables import SettingsError

__all__ = ["main"]

Serve: TypeAlias = Callable[[Settings], int]

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2

_EPILOG: Final = """\
Settings come from the environment and from .env in the working directory;
"parley config" lists them all. Without any, Parley listens on
http://127.0.0.1:8000 and keeps its data in ./data.
"""


def main(arguments: Sequence[str] | None = None, *, serve: Serve | None = None) -> int:
    """Runs the command and returns the exit status. ``serve`` replaces the server, for tests."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "check":
            return _check()
        settings = load()
        match options.command:
            case "config":
                return _config(settings, as_json=options.json)
            case "create-user":
                return _create_user(settings, options.name, options.email)
            case "init-db" | "migrate":
                create = options.command == "init-db"
                return _migrate(settings, create=create, dry_run=options.dry_run)
            case "backup":
                return _copied(backup(_database(settings), options.file), "copied to", options.file)
            case "restore":
                return _copied(restore(options.file, _database(settings)), "restored from", options.file)
            case "rotate-keys":
                return _rotate_keys(settings)
            case _:
                return _serve(settings, serve)
    except SettingsError as error:
        return _fail(str(error), USAGE)
    except KeyboardInterrupt:
        return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="parley",
        description="Parley, a real-time chat server. Without a command, it starts the server.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"parley {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("serve", help="start the server (the default)")
    for name, does in (
        ("init-db", "create the database if it is missing, and update its schema"),
        ("migrate", "update the database schema; the server also does this at start"),
    ):
        command = commands.add_parser(name, help=does)
        command.add_argument("--dry-run", action="store_true", help="print the SQL without running it")
    for name, does in (
        ("backup", "copy the SQLite file to FILE while the server runs"),
        ("restore", "restore the SQLite file from a copy, if there is no database"),
    ):
        command = commands.add_parser(name, help=does)
        command.add_argument(
            "file", metavar="FILE", type=Path, help="the copy; it does not contain the signing key"
        )
    config = commands.add_parser("config", help="show each setting, its value and its source")
    config.add_argument("--json", action="store_true", help="as JSON, for programs")
    commands.add_parser("check", help="report configuration errors and how to fix them")
    commands.add_parser(
        "rotate-keys", help="encrypt everything with the first of MESSAGE_KEYS while the server runs"
    )
    create = commands.add_parser(
        "create-user", help="create an account; the password is prompted for, or read from standard input"
    )
    create.add_argument("name", metavar="NAME", help="the user name")
    create.add_argument("--email", default="", help="an e-mail address that also signs in")
    return parser


def _serve(settings: Settings, serve: Serve | None) -> int:
    try:
        logs.configure("DEBUG" if settings.debug else settings.log_level, settings.log_dir)
    except OSError as error:
        raise SettingsError("LOG_DIR", f"cannot be written: {error}", example="./data/logs") from None
    if serve is None:
        from chat_web.server import serve as serve_app

        serve = serve_app
    try:
        return serve(settings)
    except OSError as error:
        return _fail(_why_not(settings, error), FAILED)
    except ChatError as error:
        return _fail(f"cannot start: {error}", FAILED)


def _why_not(settings: Settings, error: OSError) -> str:
    """Why the server could not start, and what to do about it."""
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"PORT {settings.port} of {settings.host} is in use; choose another, or PORT=0 for a free one"
            )
        case errno.EADDRNOTAVAIL:
            return f"HOST {settings.host} is not an address of this machine; for example HOST=127.0.0.1"
        case _:
            return f"cannot start: {error}"


def _migrate(settings: Settings, *, create: bool, dry_run: bool) -> int:
    database = _database(settings)
    try:
        steps = asyncio.run(migrate(database, create=create, dry_run=dry_run))
    except ChatError as error:
        return _fail(str(error), FAILED)
    if dry_run:
        sys.stdout.write("\n".join(f"-- {name}\n{text}" for name, text in steps.items()))
    elif steps:
        sys.stdout.write("".join(f"done: {name}\n" for name in steps))
    else:
        sys.stdout.write("The schema is up to date.\n")
    return OK


def _copied(copying: Coroutine[Any, Any, None], what: str, file: Path) -> int:
    try:
        asyncio.run(copying)
    except ChatError as error:
        return _fail(str(error), FAILED)
    sys.stdout.write(f"{what}: {file}\n")
    return OK


def _rotate_keys(settings: Settings) -> int:
    from chat_web.app import config_of
    from chat_web.cli.progress import rotated

    _database(settings)
    if not settings.message_keys:
        raise SettingsError("MESSAGE_KEYS", "is empty: there is no key to encrypt with", example=NEW_KEY)
    try:
        sys.stdout.write(f"{rotated(config_of(settings))}\n")
    except ChatError as error:
        return _fail(str(error), FAILED)
    return OK


def _database(settings: Settings) -> Path | str:
    if settings.database is None:
        raise SettingsError("DATABASE_URL", "has no data on disk", example="sqlite:///./data/parley.db")
    return settings.database


def _config(settings: Settings, *, as_json: bool) -> int:
    rows = list(shown(settings))
    if as_json:
        names = ("name", "value", "source")
        sys.stdout.write(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2) + "\n")
        return OK
    name_width = max(len(name) for name, _, _ in rows)
    value_width = min(40, max(len(value) for _, value, _ in rows))
    for name, value, source in rows:
        sys.stdout.write(f"{name:{name_width}}  {value:{value_width}}  {source}\n")
    return OK


def _check() -> int:
    from chat_web.cli.check import found

    wrong = found()
    for line in wrong:
        _fail(line, FAILED)
    if wrong:
        return FAILED
    sys.stdout.write("The configuration is valid.\n")
    return OK


def _create_user(settings: Settings, name: str, email: str) -> int:
    from chat_web.app import config_of

    config = config_of(settings)
    if config.database is None:
        return _fail(
            "DATABASE_URL=memory:// cannot store an account; for example sqlite:///./data/parley.db", FAILED
        )
    password = _password()
    if password is None:
        return _fail("the passwords do not match", FAILED)
    try:
        account = asyncio.run(create_account(config, name, password, email=email))
    except Refused as refused:
        return _fail(refused.message, FAILED)
    except ChatError as error:
        return _fail(str(error), FAILED)
    sys.stdout.write(f"{account.username} can sign in now.\n")
    return OK


def _password() -> str | None:
    """Prompted for twice at a terminal, else the first line of standard input. None if the two differ."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass("Password: ")
    return password if getpass.getpass("Repeat password: ") == password else None


def _fail(line: str, status: int) -> int:
    sys.stderr.write(f"parley: {' '.join(line.splitlines())}\n")
    return status
