"""The official clients for JavaScript, which play a story of ``tests/js`` in a process of node."""

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import pytest

from tests.support.servers import ROOT

FOLDER: Final = ROOT / "tests" / "js"
STORY_S: Final = 30.0

Act: TypeAlias = Callable[[str], Awaitable[str | None]]


def node() -> str:
    """Where node is. Without it, or without the clients, there is nothing to test with."""
    found = shutil.which("node")
    missing = (
        "node" if found is None else "" if (FOLDER / "node_modules" / "centrifuge").is_dir() else "npm ci"
    )
    if not missing and found is not None:
        return found
    words = f"the official client for JavaScript needs {missing} (in tests/js)"
    if os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)


async def play(
    story: str, act: Act | None = None, *, script: str = "clients.mjs", **given: Any
) -> dict[str, Any]:
    """What a story of the script found."""
    process = await asyncio.create_subprocess_exec(
        node(),
        script,
        story,
        json.dumps(given),
        cwd=FOLDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    last = ""
    async with asyncio.timeout(STORY_S):
        while line := (await process.stdout.readline()).decode():
            if line.startswith('{"ready":') and act is not None:
                answer = await act(json.loads(line)["ready"])
                process.stdin.write(f"{answer or 'done'}\n".encode())
            else:
                last = line
        errors = (await process.stderr.read()).decode()
        status = await process.wait()
    process.stdin.close()
    assert status == 0, errors
    found: dict[str, Any] = json.loads(last)
    return found
