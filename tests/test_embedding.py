"""The core in a program of its own: with the standard library and attrs, and nothing else there."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = [
    block
    for name in ("README.md", "docs/embedding.md")
    for block in re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)
]

WALL = textwrap.dedent(
    """
    import sys

    ABSENT = {"aiohttp", "asyncpg", "structlog", "msgspec", "jwt", "cryptography", "jinja2", "sqlite3"}

    class Wall:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ABSENT:
                raise ModuleNotFoundError(f"{name} is behind the wall", name=name)
            return None

    sys.meta_path.insert(0, Wall())
    """
)


@pytest.mark.parametrize("block", BLOCKS, ids=["readme", "embed", "test-kit"])
def test_the_programs_of_the_documents_run_without_any_driver(block: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WALL + block],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    if "print(" in block:
        assert "MessagePosted(" in done.stdout
        assert "content='hello'" in done.stdout
