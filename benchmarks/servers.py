"""Servers to be measured: child processes on a core of their own, and what they cost.

In here: starting one and waiting until it answers, CPU time from /proc. Kept out: what is asked of
them (`load.py`, `http.py`), and what the figures mean (`figures.py`).
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
"""The server's, and the load generator's."""


def two_cores() -> Cores | None:
    """The cores to be used; None where there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[1]) if len(allowed) > 1 else None


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server."""

    pid: int
    port: int


def module_command(module: str, *arguments: str, loop: str, checkout: Path | None = None) -> list[str]:
    """A module as a program, from this checkout or another.

    On asyncio's own loop the program must believe that uvloop is not installed.
    """
    program = "import runpy, sys; "
    if checkout is not None:
        program += f"sys.path.insert(0, {str(checkout.resolve())!r}); "
    if loop != "uvloop":
        program += "sys.modules['uvloop'] = None; "
    program += f"runpy.run_module({module!r}, None, '__main__')"
    return [sys.executable, "-c", program, *arguments]


def environment(port: int, folder: str, settings: Mapping[str, str]) -> dict[str, str]:
    """No limits of rate; what is set here is what every server gets."""
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
    """Start what `command` says for a port, on its core; wait until it answers, stop it in the end.

    Its working directory is a new one, in ``folder`` or where temporary files are; it goes with it.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(dir=folder) as made, open(Path(made) / "log", "w+b") as log:
        pin(cores and cores[0])  # the child inherits it, with every thread that it starts
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
            raise LoadError(f"the server ended at once, with status {process.returncode}")
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
    """Time that a core was not idle so far, in the guest's eyes, with what was stolen from it."""
    wanted = "cpu" if core is None else f"cpu{core}"
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == wanted:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            return (user + nice + system + irq + softirq + steal) / TICKS_PER_S
    raise LookupError(wanted)
