"""Runs the official SDKs' own test suites against Parley.

    python -m scripts.sdk_suites js ../centrifuge-js        (npm install has been run there)
    python -m scripts.sdk_suites python ../centrifuge-python

The folder is a checkout of github.com/centrifugal/centrifuge-js or -python, which is
only read. The script adapts a temporary copy: the address of the server, Parley's tokens
instead of Centrifugo's, Centrifugo's server API (``ServerApi``, a client of Parley), and
more messages where a test relies on a history of two. ``LEFT_OUT`` lists the omitted
tests with the reason.
"""

import asyncio
import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from centrifuge import Client

ROOT: Final = Path(__file__).parent.parent
SERVER: Final = {
    "HOST": "127.0.0.1",
    "PORT": "0",
    "DATABASE_URL": "memory://",
    "OPEN_CHANNELS": "true",
    "RATE_LIMITS": "off",
    "JWT_SECRET_KEY": "of the suites, and of nothing else at all",
}
OVERFLOWING: Final = 301  # more than Parley recovers; the tests' namespace in Centrifugo has a history of 2

LEFT_OUT: Final = {
    "js": {
        "centrifuge.protobuf": "protobuf",
        "debounce": "Centrifugo PRO's map subscriptions; it skips itself",
        "delta": "delta subscriptions",
        "map": "map subscriptions",
        "map.protobuf": "map subscriptions, protobuf",
        "shared_poll": "shared-poll subscriptions",
        "shared_poll.protobuf": "shared-poll subscriptions, protobuf",
        "map: key removed automatically after TTL expires": "a map subscription among those of recovery",
    },
    "python": {
        "use_protobuf=True": "protobuf",
        "delta=fossil": "delta subscriptions",
        "TestSubscriptionTokenInvalid": "Centrifugo's own tokens of subscriptions",
        "TestServerSideSubscriptions": "a channel named after the user in Centrifugo's own token",
    },
}


@contextlib.asynccontextmanager
async def parley(folder: Path) -> AsyncIterator[str]:
    """Runs a server during the block; yields its URL."""
    environment = {**os.environ, **SERVER, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chat_web",
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    if process.stdout is None:
        raise RuntimeError("the process has no output")
    found = re.search(r"http://\S+", (await process.stdout.readline()).decode())
    if found is None:
        raise RuntimeError("Parley did not start")
    try:
        yield found[0]
    finally:
        process.terminate()
        await process.wait()


class ServerApi:
    """Centrifugo's ``/api/publish`` and ``/api/history``, as far as the suites use them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def publish(self, request: web.Request) -> web.Response:
        asked = await request.json()
        await self._client.publish(asked["channel"], asked["data"])
        return web.json_response({"result": {}})

    async def history(self, request: web.Request) -> web.Response:
        asked = await request.json()
        found = await self._client.history(asked["channel"], limit=asked["limit"])
        return web.json_response({"result": {"offset": found.offset, "epoch": found.epoch}})


@contextlib.asynccontextmanager
async def server_api(url: str) -> AsyncIterator[str]:
    """Runs the server API during the block; yields its URL."""
    client = Client(f"{url.replace('http', 'ws')}/connection/websocket")
    await client.connect()
    await client.ready()
    api, app = ServerApi(client), web.Application()
    app.router.add_post("/api/publish", api.publish)
    app.router.add_post("/api/history", api.history)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/api"
    await runner.cleanup()
    await client.disconnect()


async def javascript(given: Path, folder: Path, url: str, api: str) -> int:
    for name in ("src", "jest.config.js", "package.json", "tsconfig.json", "node_modules"):
        if (given / name).is_dir() and name != "node_modules":
            shutil.copytree(given / name, folder / name)
        else:
            (folder / name).symlink_to((given / name).resolve())
    async with aiohttp.ClientSession() as session, session.post(f"{url}/api/auth/guest", json={}) as made:
        token = (await made.json())["access_token"]
    changes = {
        r"http://localhost:8000/api": api,
        r"localhost:8000": url.removeprefix("http://"),
        r'const connectToken = "[^"]*"': f'const connectToken = "{token}"',
        r"await apiPublish\(ch, \{ seq: 2 \}\);(?=\n  await apiPublish\(ch, \{ seq: 3 \}\);\n  await)": (
            f"for (let i = 0; i < {OVERFLOWING}; i++) await apiPublish(ch, {{ seq: 2 }});"
        ),
        r"i < 5; i\+\+\) \{\n      await apiPublish": f"i < {OVERFLOWING}; i++) {{\n      await apiPublish",
    }
    for path in (folder / "src").glob("*.test.ts"):
        change(path, changes)
    files = [
        f"src/{path.name}"
        for path in sorted((folder / "src").glob("*.test.ts"))
        if path.name.removesuffix(".test.ts") not in LEFT_OUT["js"]
    ]
    pattern = "^(?!map: key removed)"
    return await run(folder, "npx", "jest", "--verbose", "--forceExit", "-t", pattern, *files)


async def python(given: Path, folder: Path, url: str, api: str) -> int:
    for name in ("centrifuge", "tests"):
        shutil.copytree(given / name, folder / name)
    guest = (
        "def _guest() -> str:\n"
        "    from urllib.request import Request, urlopen\n"
        f'    asked = Request("{url}/api/auth/guest", method="POST")\n'
        "    with urlopen(asked) as made:\n"
        '        return json.load(made)["access_token"]\n\n\n'
        "async def test_get_client_token() -> str:\n    return await asyncio.to_thread(_guest)\n"
    )
    changes = {
        r"localhost:8000": url.removeprefix("http://"),
        r"for use_protobuf in \(False, True\)": "for use_protobuf in (False,)",
        r"for delta in \(None, [\w.]+\)": "for delta in (None,)",
        r'async def test_get_client_token\(\) -> str:\n    return generate_jwt\("42"\)\n': guest,
        r"range\(1, 6\)(?=:\n            await publisher_sub.publish\(data=self._payload\(i\)\)\n\n"
        r"        # Reconnect — SDK tries)": f"range(1, {OVERFLOWING + 1})",
    }
    tests = folder / "tests" / "test_client.py"
    change(tests, changes)
    names = re.findall(r"^class (Test\w+)", tests.read_text("utf-8"), re.MULTILINE)
    kept = [f"tests.test_client.{name}" for name in names if name not in LEFT_OUT["python"]]
    rest = [f"tests.{name}" for name in ("test_filter", "test_fossil", "test_state_invalidation")]
    return await run(folder, sys.executable, "-m", "unittest", *kept, *rest)


def change(path: Path, changes: dict[str, str]) -> None:
    text = path.read_text("utf-8")
    for before, after in changes.items():
        text = re.sub(before, lambda _, after=after: after, text)  # type: ignore[misc]
    path.write_text(text, "utf-8")


async def run(folder: Path, *command: str) -> int:
    process = await asyncio.create_subprocess_exec(*command, cwd=folder)
    return await process.wait()


async def main(language: str, given: Path) -> int:
    suite = {"js": javascript, "python": python}[language]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with parley(folder) as url, server_api(url) as api:
            status = await suite(given, folder, url, api)
    for what, why in LEFT_OUT[language].items():
        sys.stdout.write(f"left out: {what}: {why}\n")
    return status


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], Path(sys.argv[2]))))
