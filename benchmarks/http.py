"""HTTP: requests per CPU second of the server, Parley against the naive FastAPI and SQLAlchemy server.

    python -m benchmarks.http                        four cases, 5 rounds of 2 s per server
    python -m benchmarks.http --cases post --rounds 3
    python -m benchmarks.http --only parley
    python -m benchmarks.http --folder /where/the/disk/is
    python -m benchmarks.http --loop uvloop          both servers on uvloop, not on asyncio's own loop

Both store their messages in SQLite and wait for the disk at each post. Here: the cases, callers on
persistent connections with one request in flight each, and the check of every response. Not here: the
servers' processes (`servers.py`), the table and the verdict (`figures.py`), the other server
(`naive_http.py`). README.md explains how to read the table.
"""

import argparse
import json
import select
import shlex
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self

import msgspec

from benchmarks.figures import (
    Result,
    Runs,
    Sample,
    Unit,
    add_options,
    checked_options,
    machine,
    measured,
    report,
    tell,
)
from benchmarks.load import LoadError, content_of
from benchmarks.servers import Cores, Server, module_command, running, two_cores

CASES = ("me", "messages", "channel", "post")
BAR = 2.0
BAR_BEFORE = 0.95  # against another checkout of Parley
CALLERS = 8
CHANNELS = ("general", "random")
HISTORY = 300
PAGE = 50
ANSWER_S = 15.0
REQUEST = Unit(one="request", many="requests")


# Responses of the two servers


class Author(msgspec.Struct):
    id: str
    username: str
    display_name: str


class Named(msgspec.Struct):
    id: str
    name: str


class Profile(msgspec.Struct):
    id: str
    username: str
    email: str


class ParleyMessage(msgspec.Struct):
    id: str
    seq: int
    conversation: str
    channel: str
    author: Author
    content: str
    created_at: str


class ParleyPage(msgspec.Struct):
    items: list[ParleyMessage]
    next: str | None
    previous: str


class NaiveMessage(msgspec.Struct):
    id: str
    content: str
    user: Author
    channel: Named
    created_at: str

    @property
    def author(self) -> Author:
        return self.user


def message_of(message: ParleyMessage | NaiveMessage) -> tuple[str, str]:
    """The author's name and the text of a message."""
    return message.author.username, message.content


class Shapes:
    """Decoders for the responses of one server. They raise if a field is missing or has another type."""

    def __init__(self, server: str) -> None:
        self._is_parley = server != "naive"
        self._profile = msgspec.json.Decoder(Profile)
        message: Any = ParleyMessage if self._is_parley else NaiveMessage
        page: Any = ParleyPage if self._is_parley else list[NaiveMessage]
        self._message = msgspec.json.Decoder(message)
        self._page = msgspec.json.Decoder(page)

    def profile(self, body: bytes) -> Profile:
        return self._profile.decode(body)

    def message(self, body: bytes) -> ParleyMessage | NaiveMessage:
        message: ParleyMessage | NaiveMessage = self._message.decode(body)
        return message

    def page(self, body: bytes) -> Sequence[ParleyMessage | NaiveMessage]:
        page = self._page.decode(body)
        return page.items if isinstance(page, ParleyPage) else page


# Callers


class Caller:
    """A person with an account, a token and a persistent connection."""

    def __init__(self, port: int, number: int) -> None:
        self.number = number
        self.username = f"caller-{number}"
        self.sent_at = 0.0
        self._posted = 0
        self._token = ""
        self._preparing = HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
        account = {"username": self.username, "password": f"a long password {number}"}
        self.ask("POST", "/api/auth/register", account | {"email": f"{number}@example.org"}, status=201)
        self._token = json.loads(self.ask("POST", "/api/auth/login", account))["access_token"]
        mine = json.loads(self.ask("GET", "/api/channels/me"))
        self.channels = {
            one["name"]: one["id"] for one in (mine if isinstance(mine, list) else mine["items"])
        }
        self.sock: socket.socket = self._preparing.sock
        self._buffer = b""

    def ask(self, method: str, path: str, body: object = None, *, status: int = 200) -> bytes:
        """Sends a request of the setup; returns the body. Raises ``LoadError`` for another status."""
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        self._preparing.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._preparing.getresponse()
        said = response.read()
        if response.status != status:
            raise LoadError(f"{method} {path}: {response.status} {said[:300]!r}")
        return said

    def next_text(self) -> str:
        """The text of the next post; `text` returns the same one afterwards."""
        self._posted += 1
        return self.text()

    def text(self) -> str:
        return content_of(self.number, self._posted)

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The bytes of a request."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {self._token}"]
        lines += ["User-Agent: benchmark", "Accept: application/json", "Connection: keep-alive"]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def send(self, request: bytes) -> None:
        self.sent_at = time.perf_counter()
        self.sock.sendall(request)

    def answer(self) -> tuple[int, bytes] | None:
        """Reads from the socket; returns status and body once a response is complete, else None."""
        chunk = self.sock.recv(262144)
        if not chunk:
            raise LoadError(f"{self.username}: the server closed the connection")
        self._buffer += chunk
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        length = -1
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if length < 0 or len(rest) > length:
            raise LoadError(f"{self.username}: no Content-Length, or a longer body: {head!r}")
        if len(rest) < length:
            return None
        self._buffer = b""
        return int(head[9:12]), rest

    def close(self) -> None:
        self._preparing.close()


class Callers:
    """Callers of one server that repeat the same request. `answered` counts the responses."""

    def __init__(self, name: str, server: Server, case: str) -> None:
        self.answered = 0
        self.latencies_s: list[float] = []
        self._name = name
        self._case = case
        self._shapes = Shapes(name)
        self._is_running = False
        self._waiting = 0
        self._callers = [Caller(server.port, number) for number in range(CALLERS)]
        self._by_socket = {caller.sock.fileno(): caller for caller in self._callers}
        self._said: list[tuple[str, str, str]] = []
        for count in range(HISTORY):
            self._say_once(self._callers[count % CALLERS], CHANNELS[count % 7 % 2])
        self._expected = self._newest(None if case == "messages" else CHANNELS[0])
        self._epoll = select.epoll()
        for number in self._by_socket:
            self._epoll.register(number, select.EPOLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._epoll.close()
        for caller in self._callers:
            caller.close()

    def start(self) -> None:
        """All callers send requests until `stop`."""
        self._is_running = True
        for caller in self._callers:
            self._ask(caller)

    def run_for(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self._turn(left)

    def stop(self) -> None:
        """Stops sending, waits for all responses in flight, and checks that the last post was stored."""
        self._is_running = False
        end = time.perf_counter() + ANSWER_S
        while self._waiting:
            if time.perf_counter() > end:
                raise LoadError(f"{self._name}: a request was not answered")
            self._turn(0.05)
        if self._case == "post":
            self._find()

    def _turn(self, wait_s: float) -> None:
        for number, _ in self._epoll.poll(wait_s):
            caller = self._by_socket[number]
            answer = caller.answer()
            if answer is None:
                continue
            self.latencies_s.append(time.perf_counter() - caller.sent_at)
            self._waiting -= 1
            try:
                self._check(caller, *answer)
            except msgspec.ValidationError as error:
                raise LoadError(f"{self._name}: {error}: {answer[1][:300]!r}") from None
            self.answered += 1
            if self._is_running:
                self._ask(caller)

    def _ask(self, caller: Caller) -> None:
        self._waiting += 1
        match self._case:
            case "me":
                caller.send(caller.request("GET", "/api/users/me"))
            case "messages":
                caller.send(caller.request("GET", "/api/messages"))
            case "channel":
                caller.send(caller.request("GET", f"/api/messages?channel={CHANNELS[0]}"))
            case _:
                path = f"/api/conversations/{caller.channels[CHANNELS[0]]}/messages"
                caller.send(caller.request("POST", path, f'{{"content":"{caller.next_text()}"}}'.encode()))

    def _check(self, caller: Caller, status: int, body: bytes) -> None:
        """Raises ``LoadError`` if a response does not match its request."""
        if status != (201 if self._case == "post" else 200):
            raise LoadError(f"{self._name}: {status} {body[:300]!r}")
        if self._case == "me":
            right = self._shapes.profile(body).username == caller.username
        elif self._case == "post":
            message = self._shapes.message(body)
            right = message_of(message) == (caller.username, caller.text())
            self._said.append((CHANNELS[0], *message_of(message)))
        else:
            page = self._shapes.page(body)
            right = [message_of(one) for one in page] == self._expected
        if not right:
            raise LoadError(f"{self._name}: wrong response for {caller.username}: {body[:300]!r}")

    def _find(self) -> None:
        """Checks that every post is stored once, and that the newest is last."""
        self._say_once(self._callers[0], CHANNELS[0])
        page = self._shapes.page(self._callers[0].ask("GET", f"/api/messages?channel={CHANNELS[0]}"))
        found = [(CHANNELS[0], *message_of(message)) for message in page]
        if found[-1] != self._said[-1] or len(set(found) & set(self._said)) != PAGE:
            raise LoadError(f"{self._name}: a post is missing or stored twice")

    def _say_once(self, caller: Caller, channel: str) -> None:
        """Posts a message of the history."""
        path = f"/api/conversations/{caller.channels[channel]}/messages"
        caller.ask("POST", path, {"content": caller.next_text()}, status=201)
        self._said.append((channel, caller.username, caller.text()))

    def _newest(self, channel: str | None) -> list[tuple[str, str]]:
        """The page that a caller must receive: author and text, oldest first."""
        said = [(author, text) for where, author, text in self._said if channel in (None, where)]
        return said[-PAGE:]


# Rounds


def started(name: str, options: argparse.Namespace, cores: Cores | None) -> AbstractContextManager[Server]:
    """A server of this name with a new database file."""

    def command(port: int) -> Sequence[str]:
        if name == "before":
            return module_command("chat_web", loop=options.loop, checkout=options.before)
        if name == "naive":
            return module_command("benchmarks.naive_http", str(port), "naive.db", loop=options.loop)
        return (
            shlex.split(options.parley) if options.parley else module_command("chat_web", loop=options.loop)
        )

    settings = {"DATABASE_URL": "sqlite:///parley.db", "DEFAULT_CHANNELS": ",".join(CHANNELS)}
    return running(name, command, settings, cores, folder=options.folder)


def one_round(callers: Callers, server: Server, seconds: float, core: int | None) -> Sample:
    """Warms up, measures, and waits for the responses in flight."""
    callers.start()
    sample = measured(server, REQUEST, lambda: callers.answered, callers.run_for, seconds=seconds, core=core)
    callers.stop()
    return sample


def run_case(case: str, options: argparse.Namespace, cores: Cores | None) -> Result:
    """All rounds of one case; the servers alternate."""
    core = cores and cores[0]
    runs = {name: Runs() for name in options.names}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(started(name, options, cores)) for name in runs}
        callers = {name: stack.enter_context(Callers(name, server, case)) for name, server in servers.items()}
        for _ in range(options.rounds):
            for name, run in runs.items():
                sample = one_round(callers[name], servers[name], options.seconds, core)
                run.samples.append(sample)
                tell(case, name, sample, REQUEST)
        for name, run in runs.items():
            run.latencies_s = callers[name].latencies_s
    return Result(case=case, bar=BAR if options.before is None else BAR_BEFORE, runs=runs)


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.http", description=(__doc__ or "").split("\n")[0]
    )
    add_options(parser, CASES)
    parser.add_argument(
        "--folder", type=Path, help="a folder on the disk to measure (default: for temporary files)"
    )
    options = checked_options(parser, arguments)
    options.cases = options.cases.split(",")
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"unknown case: {', '.join(sorted(unknown))}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the cases, prints the table; returns 1 if a bar is missed, 2 if a server broke a rule."""
    options = options_of(arguments)
    cores = two_cores()
    results: list[Result] = []
    failures: list[str] = []
    for case in options.cases:
        try:
            results.append(run_case(case, options, cores))
        except (LoadError, OSError, HTTPException) as error:
            failures.append(f"{case}: {error}")
    return report(results, failures, REQUEST, machine(options, cores))


if __name__ == "__main__":
    sys.exit(main())
