"""What is installed is the whole of it: a wheel has every package, migration, template and static file."""

import configparser
from pathlib import Path

from setuptools import PEP420PackageFinder

ROOT = Path(__file__).parents[1]


def config() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_every_package_is_found() -> None:
    found = set(PEP420PackageFinder.find(str(ROOT), include=("chat_core*", "chat_web*")))
    there = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("chat_core", "chat_web")
        for path in (ROOT / top).rglob("__init__.py")
    }

    assert config()["options"]["packages"] == "find_namespace:"
    assert there | {"chat_web.templates", "chat_web.static"} <= found


def test_every_file_of_the_pages_is_carried() -> None:
    data = config()["options.package_data"]
    for folder in ("templates", "static"):
        patterns = [pattern.strip() for pattern in data[f"chat_web.{folder}"].split(",")]
        carried = {path for pattern in patterns for path in (ROOT / folder).glob(pattern)}
        there = {path for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert there <= carried, f"{folder}: not in setup.cfg's package_data"
