"""Servers to be measured: child processes on a separate core, and their CPU time.

Here: starting a server and waiting until it answers, CPU time from /proc. Not here: the requests
(`load.py`, `http.py`), and the statistics (`figures.py`).
"""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.load import LoadError, answers_http

CHECKOUT = Path(__file__).resolve().parent.parent
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

Cores: TypeAlias = tuple[int, int]
"""The core of the server, and the core of the load generator."""


def two_cores() -> Cores | None:
    """The cores to use; None if there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else None


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server."""

    pid: int
    port: int


def module_command(module: str, *arguments: str, loop: str, checkout: Path | None = None) -> list[str]:
    """The command that runs a module, from this checkout or another.

    For asyncio's own loop, it makes uvloop look as if it were not installed.
    """
    program = "import runpy, sys; "
    if checkout is not None:
        program += f"sys.path.insert(0, {str(checkout.resolve())!r}); "
    if loop != "uvloop":
        program += "sys.modules['uvloop'] = None; "
    program += f"runpy.run_module({module!r}, None, '__main__')"
    return [sys.executable, "-c", program, *arguments]


def environment(port: int, folder: str, settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of every server: without rate limits."""
    return os.environ | {
        "PYTHONPATH": str(CHECKOUT),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "BACKPLANE_URL": "",
        "JWT_SECRET_KEY": secrets.token_hex(32),
        "UPLOAD_DIR": folder,
        "RATE_LIMITS": "off",
        "SOURCE_LIMITS": "off",
        "LOG_LEVEL": "WARNING",
        **settings,
    }


@contextmanager
def running(
    name: str,
    command: Callable[[int], Sequence[str]],
    settings: Mapping[str, str],
    cores: Cores | None,
    *,
    folder: Path | None = None,
) -> Iterator[Server]:
    """Starts `command(port)` on its core, waits until it answers, and stops it at the end.

    Its working directory is a new one in ``folder`` (default: for temporary files), deleted at the end.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(dir=folder) as made, open(Path(made) / "log", "w+b") as log:
        pin(cores and cores[0])  # inherited by the child and all its threads
        process = subprocess.Popen(
            command(port),
            cwd=made,
            env=environment(port, made, settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        pin(cores and cores[1])
        try:
            wait_for(process, port)
            yield Server(pid=process.pid, port=port)
        except (LoadError, OSError, TimeoutError) as error:
            log.seek(0)
            said = log.read()[-2000:].decode(errors="replace")
            raise LoadError(f"{error}\n{name} said: {said}".rstrip()) from error
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def pin(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 30
    while not answers_http(port):
        if process.poll() is not None:
            raise LoadError(f"the server exited at once with status {process.returncode}")
        if time.monotonic() > end:
            raise LoadError("the server does not answer HTTP after 30 s")
        time.sleep(0.05)


def cpu_s(pid: int) -> float:
    """CPU time of a process and its children so far, living and dead."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = sum(map(int, fields[11:15])) / TICKS_PER_S
    for task in Path(f"/proc/{pid}/task").iterdir():
        children = task / "children"
        if children.exists():
            total += sum(cpu_s(int(child)) for child in children.read_text().split())
    return total


def core_busy_s(core: int | None) -> float:
    """Time that a core has not been idle, as seen by the guest, including stolen time."""
    wanted = "cpu" if core is None else f"cpu{core}"
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == wanted:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            return (user + nice + system + irq + softirq + steal) / TICKS_PER_S
    raise LookupError(wanted)
