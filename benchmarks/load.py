"""The load generator: many WebSocket members in one thread, on raw sockets and epoll.

Here: `Load` (the loop), `Room` (members and their counts), `Member` (one socket), and the three
languages of a room: `Centrifuge` (Parley's P5), `NaiveChannel`, `AnonymousPair`.
Not here: servers (`servers.py`), rounds (`fanout.py`) and statistics (`figures.py`).

A room is a closed loop: it has W messages in flight, one from each of its first W members. A member
sends the next one when it has received its own message (in a pair, the sender does not receive it, so
the receiver answers: one message plays ping-pong).

Every message contains its sender's number and count. Each member's frames are checked against the next
count of each sender: a gap, a duplicate, a wrong order or a changed text ends the run. To cost less than
the servers that it measures, the check runs once for all members that read the same bytes: a member is
in a `Place` (the counts that it has seen, and the bytes of an unfinished frame), and a place remembers
the place that the last chunk of bytes led to. A member in the same place that reads the same bytes
(compared in full) moves there without parsing them again.
"""

import gc
import re
import select
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Protocol, Self

CONTENT_CHARS = 120
FILLER = (
    "It was a bright cold day in April, and the clocks were striking thirteen; nobody on the stairs looked up"
)
MASK = bytes.fromhex("5ac3960f")
PLACES_MAX = 1024
SAMPLED_MEMBERS = 8
SETUP_S = 60.0
DRAIN_S = 15.0


def content_of(sender: int, count: int) -> str:
    """The text of a sender's message number `count`: 120 characters."""
    return f"#{sender:02d}:{count:010d}:{FILLER}"[:CONTENT_CHARS]


MARK = re.compile(rb"#(\d\d):(\d{10}):" + re.escape(content_of(0, 0)[15:].encode()))


class LoadError(Exception):
    """The server broke a rule: a gap, a duplicate, an error frame, a close, no response."""


def client_frame(text: str) -> bytes:
    """One masked text frame. The mask is constant: the server has to undo it in any case."""
    payload = text.encode()
    size = len(payload)
    head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2)
    return head + MASK + masked(payload)


def masked(payload: bytes) -> bytes:
    size = len(payload)
    key = (MASK * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)


class Place:
    """The state of members of a room: the next count of each sender, and the bytes of an unfinished frame."""

    __slots__ = ("next", "seen", "tail")

    def __init__(self, seen: tuple[int, ...], tail: bytes) -> None:
        self.seen = seen
        self.tail = tail
        # length of a chunk -> the chunk, the place that it leads to, its messages
        self.next: dict[int, tuple[bytes, Place, tuple[tuple[int, int], ...]]] = {}


class Language(Protocol):
    """The protocol between members of a room and one kind of server."""

    echoes: bool
    """Whether the sender also receives its own message."""

    acknowledges: bool
    """Whether the server also replies to each message."""

    def path(self, number: int) -> str:
        """The path that member `number` opens."""

    def steps(self) -> list[tuple[str | None, bytes]]:
        """Frames that each member sends to join, in order, each with a part of the expected answer."""

    def say(self, content: str, request: int) -> str:
        """The frame that posts a message."""


class Centrifuge:
    """Parley's own protocol, P5: a guest who joins a channel, subscribes to it and publishes there."""

    echoes = True
    acknowledges = True

    def __init__(self, channel: str) -> None:
        self._channel = channel

    def path(self, number: int) -> str:
        return "/connection/websocket"

    def steps(self) -> list[tuple[str | None, bytes]]:
        join = f'{{"id":2,"rpc":{{"method":"join_channel","data":{{"name":"{self._channel}"}}}}}}'
        subscribe = f'{{"id":3,"subscribe":{{"channel":"channel:{self._channel}"}}}}'
        return [
            ('{"id":1,"connect":{}}', b'"id":1,'),
            (join, b'"id":2,'),
            (subscribe, b'"id":3,'),
        ]

    def say(self, content: str, request: int) -> str:
        publish = f'"publish":{{"channel":"channel:{self._channel}","data":{{"content":"{content}"}}}}'
        return f'{{"id":{request},{publish}}}'


class NaiveChannel:
    """The naive server's channel, as the product document describes it."""

    echoes = True
    acknowledges = False

    def __init__(self, channel: str) -> None:
        self._channel = channel

    def path(self, number: int) -> str:
        return f"/api/ws/{self._channel}-{number}?channel={self._channel}"

    def steps(self) -> list[tuple[str | None, bytes]]:
        return [(None, b'"history"')]

    def say(self, content: str, request: int) -> str:
        return f'{{"type":"message","channel":"{self._channel}","content":"{content}"}}'


class AnonymousPair:
    """Strangers, P0: the same frames for Parley and for the naive server."""

    echoes = False
    acknowledges = False

    def __init__(self, pair: str) -> None:
        self._pair = pair

    def path(self, number: int) -> str:
        return f"/ws/{self._pair}-{number}"

    def steps(self) -> list[tuple[str | None, bytes]]:
        return [(None, b"paired")]

    def say(self, content: str, request: int) -> str:
        return f'{{"type":"message","message":"{content}"}}'


class Member:
    """One socket of a room."""

    __slots__ = ("answers", "number", "place", "room", "sampled", "sock", "talks")

    def __init__(self, room: "Room", number: int, sock: socket.socket, place: Place) -> None:
        self.room = room
        self.number = number
        self.sock = sock
        self.place = place
        self.talks = False
        self.sampled = False
        self.answers: list[bytes] = []

    def send(self, text: str) -> None:
        frame = client_frame(text)
        try:
            sent = self.sock.send(frame)
        except BlockingIOError:
            sent = 0
        if sent != len(frame):
            raise LoadError(f"member {self.number}: the server does not read")


class Room:
    """N members of one server, W messages in flight.

    `deliveries` counts messages that reached a member, `other_lines` all other unsolicited lines.
    """

    def __init__(self, load: "Load", port: int, language: Language, members: int, under_way: int) -> None:
        self.language = language
        self.under_way = under_way
        self.running = False
        self.deliveries = 0
        self.acknowledged = 0
        self.other_lines = 0
        self.latencies_s: list[float] = []
        self._load = load
        self._senders = members if not language.echoes else under_way
        self._sent_at: list[list[float]] = [[] for _ in range(self._senders)]
        self._places: dict[tuple[tuple[int, ...], bytes], Place] = {}
        self._in_setup = True
        start = self._place((0,) * self._senders, b"")
        self.members: list[Member] = []
        for number in range(members):
            sock, rest = open_websocket(port, language.path(number))
            member = Member(self, number, sock, start)
            member.talks = number < self._senders
            self.members.append(member)
            load.add(member)
            if rest:
                self.read(member, rest)
        for number in range(min(members, SAMPLED_MEMBERS)):
            self.members[number * members // min(members, SAMPLED_MEMBERS)].sampled = True
        for say, answer in language.steps():
            if say is not None:
                for member in self.members:
                    member.send(say)
            load.run_until(lambda answer=answer: self._all_have(answer), SETUP_S)  # type: ignore[misc]

    def start(self) -> None:
        """Sends the first W messages."""
        self._in_setup = False
        self.running = True
        for number in range(self.under_way):
            self._say(self.members[number])

    def stop(self) -> None:
        """Stops sending."""
        self.running = False

    def drain(self) -> None:
        """After `stop()`: waits until every member has every message. Raises ``LoadError`` if one has not."""
        try:
            self._load.run_until(self._all_arrived, DRAIN_S)
        except TimeoutError:
            missing = sum(self._expected(m) != m.place.seen for m in self.members)
            what = (
                f"{missing} of {len(self.members)} members are missing messages"
                if missing
                else "replies are missing"
            )
            raise LoadError(f"after a drain {what}") from None

    def read(self, member: Member, chunk: bytes) -> None:
        """Counts and checks the bytes that a member has read."""
        step = member.place.next.get(len(chunk))
        if step is not None and step[0] == chunk:
            marks = step[2]
            member.place = step[1]
        else:
            marks = self._parse(member, chunk)
        self.deliveries += len(marks)
        if member.sampled:
            now = time.perf_counter()
            for sender, count in marks:
                self.latencies_s.append(now - self._sent_at[sender][count])
        if member.talks and self.running:
            for sender, _ in marks:
                if sender == member.number or not self.language.echoes:
                    self._say(member)

    def _parse(self, member: Member, chunk: bytes) -> tuple[tuple[int, int], ...]:
        """Parses the frames of a chunk, checks the counts, and remembers the resulting place."""
        before = member.place
        data = before.tail + chunk if before.tail else chunk
        end = len(data)
        at = 0
        seen = list(before.seen)
        marks: list[tuple[int, int]] = []
        only_messages = True
        while end - at >= 2:
            size = data[at + 1]
            body = at + 2
            if size == 126:
                if end < at + 4:
                    break
                size = data[at + 2] << 8 | data[at + 3]
                body = at + 4
            elif size == 127:
                if end < at + 10:
                    break
                size = int.from_bytes(data[at + 2 : at + 10])
                body = at + 10
            elif size > 127:
                raise LoadError("a masked frame from the server")
            stop = body + size
            if stop > end:
                break
            if data[at] == 0x81:
                found = 0
                for hit in MARK.finditer(data, body, stop):
                    found += 1
                    sender, count = int(hit[1]), int(hit[2])
                    if count != seen[sender]:
                        what = "gap" if count > seen[sender] else "duplicate"
                        raise LoadError(
                            f"{what}: member {member.number} got #{count} of sender {sender}"
                            f" where #{seen[sender]} was next"
                        )
                    seen[sender] = count + 1
                    marks.append((sender, count))
                if data.count(b"\n", body, stop) + 1 != found:
                    only_messages = False
                    for line in data[body:stop].split(b"\n"):
                        if line and MARK.search(line) is None:
                            self._other(member, line)
            else:
                only_messages = False
                self._control(member, data[at], data[body:stop])
            at = stop
        place = self._place(tuple(seen), data[at:])
        member.place = place
        messages = tuple(marks)
        if only_messages:
            before.next[len(chunk)] = (chunk, place, messages)
        return messages

    def _place(self, seen: tuple[int, ...], tail: bytes) -> Place:
        place = self._places.get((seen, tail))
        if place is None:
            if len(self._places) >= PLACES_MAX:
                self._places.clear()
            place = self._places[seen, tail] = Place(seen, tail)
        return place

    def _other(self, member: Member, line: bytes) -> None:
        """A line without a message: a ping, an acknowledgement, an event, an error."""
        if line == b"{}":
            member.send("{}")
        elif b'"error"' in line[:200]:
            raise LoadError(f"member {member.number}: {line[:300].decode(errors='replace')}")
        elif self._in_setup:
            if not line.startswith(b'{"push"'):
                member.answers.append(line)
        elif line.startswith(b'{"id"'):
            self.acknowledged += 1
        elif b'"disconnect"' in line[:60]:
            raise LoadError(f"member {member.number}: {line[:300].decode(errors='replace')}")
        else:
            self.other_lines += 1

    def _control(self, member: Member, first: int, payload: bytes) -> None:
        if first == 0x89:
            member.sock.send(bytes((0x8A, 0x80 | len(payload))) + MASK + masked(payload))
        elif first == 0x88:
            code = int.from_bytes(payload[:2])
            reason = payload[2:].decode(errors="replace")
            raise LoadError(f"member {member.number}: closed by the server, {code} {reason}")
        elif first != 0x8A:
            raise LoadError(f"member {member.number}: unexpected frame 0x{first:02x}")

    def _say(self, member: Member) -> None:
        sent_at = self._sent_at[member.number]
        count = len(sent_at)
        text = self.language.say(content_of(member.number, count), count + 10)
        sent_at.append(time.perf_counter())
        member.send(text)

    def _expected(self, member: Member) -> tuple[int, ...]:
        """The next count of each sender for a member that has received everything."""
        own = () if self.language.echoes else (member.number,)
        return tuple(0 if sender in own else len(sent) for sender, sent in enumerate(self._sent_at))

    def _all_arrived(self) -> bool:
        if self.language.acknowledges and self.acknowledged != sum(map(len, self._sent_at)):
            return False
        return all(member.place.seen == self._expected(member) for member in self.members)

    def _all_have(self, answer: bytes) -> bool:
        return all(any(answer in line for line in member.answers) for member in self.members)


class Load:
    """The event loop of all rooms: a room that is not measured still answers pings."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._members: dict[int, Member] = {}
        gc.collect()
        gc.freeze()
        gc.disable()  # the code below creates no cycles

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for member in self._members.values():
            member.sock.close()
        self._epoll.close()
        gc.enable()
        gc.unfreeze()

    def add(self, member: Member) -> None:
        self._members[member.sock.fileno()] = member
        self._epoll.register(member.sock.fileno(), select.EPOLLIN)

    def run_for(self, seconds: float) -> None:
        """Runs the loop for `seconds`."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self._turn(left)

    def run_until(self, done: Callable[[], bool], seconds: float) -> None:
        """Runs the loop until `done()`. Raises ``TimeoutError`` after `seconds`."""
        end = time.perf_counter() + seconds
        while not done():
            if time.perf_counter() > end:
                raise TimeoutError("the server does not answer")
            self.run_for(0.005)

    def _turn(self, wait_s: float) -> None:
        members = self._members
        for number, _ in self._epoll.poll(wait_s):
            member = members[number]
            chunk = member.sock.recv(65536)
            if not chunk:
                raise LoadError(f"member {member.number}: the server closed the connection")
            member.room.read(member, chunk)


def open_websocket(port: int, path: str) -> tuple[socket.socket, bytes]:
    """An upgraded, non-blocking socket, and the bytes that followed the server's response."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=SETUP_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = b64encode(b"benchmark of 16b").decode()
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = sock.recv(65536)
        if not more:
            raise LoadError(f"{path}: the server closed during the upgrade")
        answer += more
    head, _, rest = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101"):
        raise LoadError(f"{path}: {head.splitlines()[0].decode()} {rest[:300].decode(errors='replace')}")
    sock.setblocking(False)
    return sock, rest


def answers_http(port: int) -> bool:
    """Whether a server answers HTTP on the port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2.0) as sock:
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            line = sock.recv(64)
    except OSError:
        return False
    return line.startswith(b"HTTP/1.1 ") and b" 503 " not in line
