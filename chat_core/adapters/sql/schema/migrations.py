"""Migrations: the numbered steps of the schema, and which of them a database lacks.

Not here: the driver. It runs each missing step and its ``RECORD`` in one
transaction that excludes every other process.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Final

import attrs

from chat_core.model.errors import Unavailable

TABLE: Final = """
create table if not exists schema_migrations (version bigint primary key, name text not null)"""
DONE: Final = "select version from schema_migrations"  # schema_migrations' key
TERMS: Final = 6  # the step that added search terms
MESSAGE_KEYS: Final = 7  # the step that added the record of encryption keys
KEYS: Final = "select id, sealed from message_keys order by id"  # message_keys' key
RECORD: Final = "insert into schema_migrations (version, name) values ($1, $2)"

_FILE: Final = re.compile(r"(\d{4})_(\w+)\.sql")
_SQLITE: Final = re.compile(r"/\*sqlite: (.*?)\*/")
_ONLY: Final = re.compile(r"/\*(sqlite|postgresql) only:(.*?)\*/", re.DOTALL)
_COMMENT: Final = re.compile(r"--[^\n]*")
_TEXT: Final = re.compile(r"\btext\b")


@attrs.frozen(kw_only=True)
class Migration:
    """One step: its number, its name and its text, of which some words are for SQLite only."""

    version: int
    name: str
    text: str

    def statements(self, *, sqlite: bool) -> Iterator[str]:
        """The step's statements, without comments. No text of a step has a semicolon in a literal."""
        for at, text in enumerate(_ONLY.split(_COMMENT.sub("", self.text))):
            match at % 3:
                case 0:
                    yield from _portable(text, sqlite=sqlite)
                case 1:
                    is_wanted = (text == "sqlite") is sqlite
                case _ if is_wanted:
                    yield text.strip()


def _portable(text: str, *, sqlite: bool) -> Iterator[str]:
    for part in _SQLITE.sub(r"\1" if sqlite else "", text).split(";"):
        if statement := part.strip():
            yield statement if sqlite else _in_order_of_code_points(statement)


def _in_order_of_code_points(statement: str) -> str:
    """Texts in the order of their code points, as in SQLite and Python; PostgreSQL has its locale's."""
    if statement.startswith(("create table", "alter table")):
        return _TEXT.sub('text collate "C"', statement)
    return statement


def known() -> Sequence[Migration]:
    """Every step that this version of Parley has, in order."""
    found = []
    for file in files("chat_core.adapters.sql.schema").joinpath("migrations").iterdir():
        if (match := _FILE.fullmatch(file.name)) is not None:
            text = file.read_text(encoding="utf-8")
            found.append(Migration(version=int(match[1]), name=match[2], text=text))
    return sorted(found, key=lambda migration: migration.version)


def described(steps: Iterable[Migration], *, sqlite: bool) -> Mapping[str, str]:
    """Name -> SQL of each step, for people."""
    return {
        f"{step.version:04}_{step.name}": "".join(f"{one};\n" for one in step.statements(sqlite=sqlite))
        for step in steps
    }


def missing(done: Iterable[int], *, database: str) -> Sequence[Migration]:
    """The steps to run. Raises ``Unavailable`` if a newer Parley has changed the database."""
    there = frozenset(done)
    steps = known()
    newest = max((step.version for step in steps), default=0)
    if there and max(there) > newest:
        raise Unavailable(
            f"{database} has schema {max(there)}, and this version of Parley knows up to {newest}. "
            "Start the newer version, or restore a backup from before the upgrade."
        )
    return [step for step in steps if step.version not in there]
