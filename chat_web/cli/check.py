"""``parley check``: finds problems that keep the server from starting or from working as configured.

It creates and changes nothing. Not here: problems that appear only while the server runs
(a full disk, a port that another program takes later).
"""

import asyncio
import errno
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from chat_core import ChatError, WrongKeys, check_database
from chat_web.app import tokens_of
from chat_web.config import key_files
from chat_web.config.settings import Settings, problems
from chat_web.config.variables import SettingsError

__all__ = ["found"]


def found() -> Sequence[str]:
    """One line per problem: the variable, the error, and a valid example."""
    wrong, settings = problems()
    lines = [str(error) for error in wrong]
    if settings is not None:
        lines.extend(_about(settings, {error.variable for error in wrong}))
    return lines


def _about(settings: Settings, known: set[str]) -> Iterator[str]:
    """Problems of valid values in use; variables in ``known`` are already reported."""
    if not known & {"DATABASE_URL", "MESSAGE_KEYS"}:
        yield from _database(settings)
    if not known & {"JWT_SECRET_KEY", "JWT_ALGORITHM", "JWT_PRIVATE_KEY_FILE", "JWT_PREVIOUS_KEYS"}:
        yield from _keys(settings)
    if settings.log_dir is not None and (reason := _unwritable(settings.log_dir)):
        yield f"LOG_DIR cannot be written: {reason}; for example LOG_DIR=./data/logs"
    if not known & {"HOST", "PORT"}:
        yield from _address(settings)


def _database(settings: Settings) -> Iterator[str]:
    if settings.database is None:
        return
    try:
        asyncio.run(check_database(settings.database, key_files.message_keys(settings)))
    except WrongKeys as error:
        yield f"MESSAGE_KEYS: {error}"
    except ChatError as error:
        yield f"DATABASE_URL: {error}; for example DATABASE_URL=sqlite:///./data/parley.db"


def _keys(settings: Settings) -> Iterator[str]:
    if settings.jwt_algorithm == "HS256" and not settings.jwt_secret_key:
        folder = settings.data_folder
        if folder is None or not (folder / key_files.KEY_FILE).exists():
            return  # the server creates it at start
    try:
        tokens_of(settings, 0.0)
    except SettingsError as error:
        yield str(error)


def _address(settings: Settings) -> Iterator[str]:
    """Problems of HOST and PORT. A port in use is not one: the server itself may use it."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except PermissionError:
        yield f"PORT {settings.port} is privileged; for example PORT=8000"
    except socket.gaierror:
        yield f"HOST {settings.host} is not found; for example HOST=127.0.0.1"
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            yield f"HOST {settings.host} is not an address of this machine; for example HOST=127.0.0.1"


def _unwritable(folder: Path) -> str:
    """Why a folder, which need not exist yet, cannot be written; empty if it can."""
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    if not there.is_dir():
        return f"{there} is not a folder"
    return "" if os.access(there, os.W_OK | os.X_OK) else f"no permission to write in {there}"
