"""Disks that fail: what is acknowledged was synced, and a failing sync or a full disk loses none of it.

Wants root, strace and tmpfs: ``PARLEY_DISK=1 pytest tests/crash/test_disk.py``.
"""

# ruff: noqa: ASYNC221, ASYNC240 - a test looks at its own files and ends its own children

import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from chat_core.adapters.sql.postgres.store import open_postgres
from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.adapters.sql.store import SQLStore
from chat_core.model.errors import Unavailable
from chat_core.testing.contracts.stories import Author
from chat_core.testing.postgres import Cluster

ROOT = Path(__file__).parents[2]
SENDERS, APPENDS = 8, 600


def writer(url: str, *, under: Sequence[str] = ()) -> "subprocess.Popen[str]":
    command = [
        *under,
        sys.executable,
        "-m",
        "tests.support.store_writer",
        url,
        "1",
        str(SENDERS),
        str(APPENDS),
    ]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def heads(lines: Sequence[str]) -> dict[str, int]:
    """The last seq that each room's sender was told of."""
    return {room: int(seq) for _, room, seq in (line.split() for line in lines if line.count(" ") == 2)}


async def check(store: SQLStore, told: dict[str, int]) -> None:
    assert len(told) == SENDERS
    for room, seq in told.items():
        found = await store.messages(room, before=None, after=None, limit=10**6)
        assert [message.content for message in found] == [f"text {n}" for n in range(1, seq + 1)]
        assert [message.seq for message in found] == list(range(1, seq + 1))
    await store.close()


def test_every_acknowledgement_follows_a_sync_of_the_log_that_began_after_the_asking(tmp_path: Path) -> None:
    """R-2. A sender asks after its last acknowledgement: a sync has to begin and to end between the two."""
    trace = tmp_path / "trace"
    calls = "trace=write,pwrite64,fdatasync,fsync"
    under = ["strace", "-f", "-y", "-s", "200", "-e", calls, "-o", str(trace)]
    child = writer(f"sqlite:///{tmp_path / 'parley.db'}", under=under)
    out, _ = child.communicate(timeout=300)
    assert child.returncode == 0
    assert len(heads(out.splitlines())) == SENDERS
    last_ack: dict[str, int] = {}
    began: dict[str, int] = {}
    synced = (-1, -1)  # where the newest finished sync of the log began and ended
    acks = 0
    for at, line in enumerate(trace.read_text("utf-8", "replace").splitlines()):
        pid, _, call = line.partition(" ")
        call = call.strip()
        if re.match(r"f(data)?sync\(\d+<[^>]*-wal>", call):
            began[pid] = at
            if "unfinished" not in call:
                assert call.endswith("= 0")
                synced = (at, at)
        elif re.match(r"<\.\.\. f(data)?sync resumed>", call) and pid in began:
            assert call.endswith("= 0")
            synced = (began.pop(pid), at)
        elif (ack := re.match(r'write\(1<[^>]*>, "(\d+) \S+ (\d+)\\n"', call)) is not None:
            acks += 1
            assert synced[0] > last_ack.get(ack[1], -1), line
            last_ack[ack[1]] = at
    assert acks == SENDERS * (APPENDS + 1)


@pytest.mark.parametrize("when", [30, 61, 92])
async def test_a_sync_that_fails_loses_nothing_of_a_file(tmp_path: Path, when: int) -> None:
    """R-3."""
    inject = f"inject=fdatasync:error=EIO:when={when}..{when + 3}"
    under = ["strace", "-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", inject]
    child = writer(f"sqlite:///{tmp_path / 'parley.db'}", under=under)
    out, _ = await asyncio.to_thread(child.communicate, timeout=300)
    assert child.returncode == 0
    assert "unavailable\n" in out
    await check(await open_sqlite(tmp_path / "parley.db"), heads(out.splitlines()))


@contextmanager
def traced(pids: Sequence[int], *flags: str) -> Iterator[None]:
    """strace, attached to processes that run."""
    command = ["strace", "-o", "/dev/null", *flags, *(word for pid in pids for word in ("-p", str(pid)))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        for _ in pids:
            assert "attached" in tracer.stderr.readline()
        try:
            yield
        finally:
            tracer.terminate()
            tracer.stderr.read()


async def test_a_sync_that_fails_loses_nothing_of_a_postgresql() -> None:
    """It stops at once, reads its log again, and is taken up again."""
    with Cluster.started() as cluster:
        child = writer(cluster.schema())
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(SENDERS * 20)]
        with traced(cluster.pids(), "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=1"):
            while lines[-1] != "unavailable\n":
                lines.append(child.stdout.readline())
        out, _ = await asyncio.to_thread(child.communicate, timeout=300)
        assert child.returncode == 0
        assert "PANIC" in cluster.log
        url = f"{cluster.url('postgres')}?search_path=test_1"
        await check(await open_postgres(url), heads([*lines, *out.splitlines()]))


@contextmanager
def small_disk(mib: int) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="parley-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


async def fill(store: SQLStore, ballast: Path) -> None:
    """R-4: append until the disk is full; once there is space again, it goes on."""
    author = Author(Random(0))
    story = author.room(author.person("ann"), author.person("bob"))
    ann = story.people[0]
    await store.append(story.opening())
    stored = 0
    while True:
        late = story.post(ann, Random(stored).randbytes(400).hex(), client_id=str(stored))
        try:
            await store.append(late)
        except Unavailable:
            break
        stored = late.after.head
    ballast.unlink()
    async with asyncio.timeout(5):
        while True:
            try:
                await store.check()
                found = await store.load(story.id)
                break
            except Unavailable:
                continue
    assert found is not None
    assert found.head in (stored, stored + 1)
    if found.head == stored:
        await store.append(late)
    found_messages = await store.messages(story.id, before=None, after=None, limit=10**6)
    assert [message.seq for message in found_messages] == list(range(1, stored + 2))
    await store.close()


async def test_a_full_disk_under_a_file() -> None:
    with small_disk(8) as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(2 * 1024 * 1024))
        await fill(await open_sqlite(disk / "parley.db"), ballast)


async def test_a_full_disk_under_a_postgresql() -> None:
    with small_disk(96) as disk, Cluster.started(folder=disk / "server", wal_segment_mb=1) as cluster:
        store = await open_postgres(cluster.schema())
        ballast = disk / "ballast"
        left = int(subprocess.check_output(["df", "--output=avail", "-B1", disk], text=True).split()[1])
        ballast.write_bytes(bytes(left - 3 * 1024 * 1024))
        await fill(store, ballast)
