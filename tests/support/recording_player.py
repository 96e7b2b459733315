"""Recordings: the same stories in every dialect that has the words for them, on a real server, with time.

A file of ``recordings`` is one story in one dialect. It begins with who is there:

    # Strangers talk, in P0
    ann is a guest
    bob is a user in general
    names are shown                     persons may learn who others are

Then comes what happens, each line with its seconds since the beginning; the
server's clock moves from one to the next, and stops wherever something happens.

     0.0  ann + p0                      ann connects, by the dialect and what stands behind it
     0.0  ann < {"type":"system", …}    what ann sees next, at that very time, to the letter but for …
     2.5  ann > {"type":"skip"}         ann sends a frame (lines of one frame are joined by ⏎)
     2.5  ann : POST /chat/rooms {}     ann asks over HTTP
     2.5  ann = 202 {"status":"waiting", …}   … and is answered
     3.0  ann -                         the connection breaks
     3.0  ann <# 3503 revoked           the connection is closed; the reason contains this
     4.0  ann : POST /… {"content":"no. $n"} * 500   asked so often; the answers are not told

``ann2`` is ann with another device, ``$ann`` her id, ``$token_ann`` her token, ``$general``
the id of a channel; any other ``$name`` is learnt where it is first seen. Everything that
anybody sees must be told before the next thing is done.

    python -m tests.support.recording_player FILE …   writes what is seen into a file that tells what is done

A dialect joins with an entry in ``OPENERS``.
"""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import attrs

from chat_web.app_keys import CHAT
from tests.support.dialect_sockets import DialectServer, Packet, PacketSocket, dialect_server
from tests.support.http_clients import HttpClient
from tests.support.memory_wire import Closed
from tests.support.recorded_stories import ANY, Differs, filled, headed, pattern, same

FOLDER: Final = Path(__file__).parents[1] / "dialects" / "recordings"
UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
STEP: Final = re.compile(r"\s*(\d+(?:\.\d+)?)  (\w+) (<#|[-+<>:=])\s?(.*)")


class Client(Protocol):
    """One end of a connection. ``came`` is what was read and not looked at: JSON values, ``Closed`` last."""

    came: list[Any]

    async def say(self, frame: Any) -> None: ...

    async def read(self, number: int) -> None:
        """Take all that the server has written until now; ``number`` differs each time."""

    async def drop(self) -> None:
        """Break the connection without a word; return once the server knows."""


Opener: TypeAlias = Callable[[DialectServer, HttpClient, str], Awaitable[Client]]


async def _p0(here: DialectServer, caller: HttpClient, rest: str) -> Client:
    return await here.joins(caller, f"/ws/{caller.person.display_name}")


async def _p1(here: DialectServer, caller: HttpClient, rest: str) -> Client:
    since = {"since": rest.removeprefix("?since=")} if rest else {}
    return await here.p1(caller, **since)


async def _p3(here: DialectServer, caller: HttpClient, rest: str) -> Client:
    return await here.joins(caller, "/ws/notifications" if rest == "notifications" else f"/ws/chat/{rest}")


async def _p4(here: DialectServer, caller: HttpClient, rest: str) -> Client:
    return await here.joins(caller, f"/api/ws/{rest}")


async def _p5(here: DialectServer, caller: HttpClient, rest: str) -> Client:
    return await here.joins(attrs.evolve(caller, token=None), "/connection/websocket")


async def _p2(here: DialectServer, caller: HttpClient, rest: str) -> Client:
    nobody = attrs.evolve(caller, token=None)
    return await here.joins(nobody, "/socket.io/", kind=PacketSocket, EIO="4", transport="websocket")


OPENERS: Final[dict[str, Opener]] = {"p0": _p0, "p1": _p1, "p2": _p2, "p3": _p3, "p4": _p4, "p5": _p5}


@attrs.frozen
class Step:
    """One line of what happens."""

    number: int
    at: float
    who: str
    mark: str
    rest: str

    @property
    def is_seen(self) -> bool:
        return self.mark in ("<", "<#", "=")


@attrs.frozen
class Recording:
    """One file."""

    name: str
    head: tuple[str, ...]
    steps: tuple[Step, ...]


def recordings() -> Iterator[Recording]:
    for path in sorted(FOLDER.glob("*.txt")):
        yield read(path)


def read(path: Path) -> Recording:
    head: list[str] = []
    steps: list[Step] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if (match := STEP.fullmatch(line)) is not None:
            steps.append(Step(number, float(match[1]), match[2], match[3], match[4]))
        elif line.strip() and steps:
            raise Differs(f"{path.name}:{number}: this line is not understood: {line}")
        else:
            head.append(line)
    return Recording(path.stem, tuple(head), tuple(steps))


@attrs.define
class Player:
    """Plays one recording, or writes down what is seen."""

    here: DialectServer
    recording: Recording
    known: dict[str, Any] = attrs.field(factory=dict)
    callers: dict[str, HttpClient] = attrs.field(factory=dict)
    clients: dict[str, Client] = attrs.field(factory=dict)
    unread: dict[str, list[tuple[float, str, Any]]] = attrs.field(factory=dict)
    written: list[str] | None = None
    began: float = 0.0

    async def play(self) -> None:
        """Raises ``Differs`` where something else is seen than stands there."""
        await self.begin()
        for step in self.recording.steps:
            try:
                if step.is_seen:
                    await self.until(step.at)
                    self.see(step)
                else:
                    self.all_told()
                    await self.until(step.at)
                    self.all_told()
                    await self.do(step)
            except Differs as difference:
                where = f"{self.recording.name}.txt:{step.number}"
                line = f"{step.who} {step.mark} {step.rest}"
                raise Differs(f"{where}: {line}\n{difference}") from None
        self.all_told()

    async def record(self) -> str:
        """The text of the recording with all that is seen."""
        await self.begin()
        self.written = [*self.recording.head]
        for step in self.recording.steps:
            if step.is_seen:
                continue
            await self.until(step.at)
            self.write_down()
            self.written.append(f"{step.at:6.1f}  {step.who} {step.mark} {step.rest}".rstrip())
            await self.do(step)
            self.write_down()
        return "\n".join(self.written) + "\n"

    # Who is there

    async def begin(self) -> None:
        self.began = self.now()
        for line in self.recording.head:
            if (match := re.fullmatch(r"(\w+) is a (guest|user)(?: in (.*))?", line)) is not None:
                await self.arrive(match[1], match[2], (match[3] or "").split(", ") if match[3] else ())

    async def arrive(self, name: str, kind: str, channels: Sequence[str]) -> None:
        if kind == "user":
            caller = await self.here.user(name, *channels)
        else:
            caller = await self.here.server.guest(name.capitalize())
        self.callers[name] = caller
        self.known[f"${name}"] = caller.person.id
        self.known[f"$token_{name}"] = caller.token
        for channel in channels:
            state = await self.here.server.app[CHAT].channel(caller.person, channel)
            self.known[f"${channel}"] = state.id

    @property
    def names_are_shown(self) -> bool:
        return "names are shown" in self.recording.head

    # Time

    def now(self) -> float:
        return self.here.server.world.clock.now()

    async def until(self, at: float) -> None:
        """Move on, and note of everything when it came."""
        clock, when = self.here.server.world.clock, self.began + at
        await self.settle()
        while (alarm := clock.next_alarm()) is not None and alarm <= when:
            clock.set(max(clock.now(), alarm))
            clock.ring()
            await self.settle()
        clock.set(max(clock.now(), when))

    async def settle(self) -> None:
        await self.here.settle()
        at = round(self.now() - self.began, 3)
        for name, client in self.clients.items():
            came, client.came = client.came, []
            for seen in came:
                self.check_names(name, seen)
                self.unread[name].append((at, "<#" if isinstance(seen, Closed) else "<", seen))

    # What is done

    async def do(self, step: Step) -> None:
        rest = filled(step.rest, self.known)
        match step.mark:
            case "+":
                dialect, _, where = rest.partition(" ")
                caller = self.callers[_person_of(step.who)]
                self.clients[step.who] = await OPENERS[dialect](self.here, caller, where)
                self.unread.setdefault(step.who, [])
            case "-":
                await self.clients.pop(step.who).drop()
            case ">":
                await self.clients[step.who].say(rest.replace("⏎", "\n"))
            case ":":
                await self.ask(step.who, rest)
            case _:
                raise Differs("this line is not understood")
        await self.settle()

    async def ask(self, name: str, rest: str) -> None:
        request, _, times = rest.partition(" * ")
        method, path, *body = request.split(" ", 2)
        caller = self.callers[_person_of(name)]
        for n in range(int(times or 1)):
            sent = json.loads(body[0].replace("$n", str(n + 1))) if body else None
            status, answer = await caller.asks(method, path, sent)
        if not times:
            self.unread.setdefault(name, []).append(
                (round(self.now() - self.began, 3), "=", (status, answer))
            )
        elif status >= 300:
            raise Differs(f"{status} {answer}")

    # What is seen

    def see(self, step: Step) -> None:
        if not self.unread.get(step.who):
            raise Differs(f"{step.who} saw nothing")
        at, mark, seen = self.unread[step.who].pop(0)
        if mark != step.mark or abs(at - step.at) > 0.05:
            raise Differs(f"{step.who} saw at {at}: {mark} {seen}")
        match mark, seen:
            case "<#", Closed(code=code, reason=reason):
                number, _, words = step.rest.partition(" ")
                fits = int(number) == code and words in reason
            case "=", (status, answer):
                number, _, words = step.rest.partition(" ")
                fits = int(number) == status and same(pattern(words) if words else None, answer, self.known)
            case _, Packet(head=head, data=data):
                before, words = headed(step.rest)
                fits = head == before and same(pattern(words) if words else None, data, self.known)
            case _:
                fits = same(pattern(step.rest), seen, self.known)
        if not fits:
            raise Differs(f"{step.who} saw\n{seen}\nwith {self.known}")

    def all_told(self) -> None:
        rest = [f"{at:6.1f}  {name} {_line(*one)}" for name, all_ in self.unread.items() for at, *one in all_]
        if rest:
            raise Differs("the recording does not tell of\n" + "\n".join(rest))

    def check_names(self, name: str, seen: Any) -> None:
        """Nobody learns who a stranger is."""
        if self.names_are_shown:
            return
        for other, caller in self.callers.items():
            for secret in (caller.person.id, caller.person.username):
                if other != _person_of(name) and secret in str(seen):
                    raise Differs(f"{name} saw {secret}, which tells who {other} is, in\n{seen}")

    # Writing down

    def write_down(self) -> None:
        if self.written is None:
            raise TypeError("this is no recording")
        for name, all_ in self.unread.items():
            for at, mark, seen in all_:
                line = _line(mark, self.named(seen) if not isinstance(seen, Closed) else seen)
                self.written.append(f"{at:6.1f}  {name} {line}")
            all_.clear()

    def named(self, seen: Any, hint: str = "id") -> Any:
        """The same with names for ids; a new one is called after where it was found."""
        match seen:
            case tuple():
                return seen[0], self.named(seen[1])
            case Packet(head=head, data=data):
                return Packet(head, self.named(data))
            case dict():
                kind = _kind(seen)
                return {
                    self.name(key, "card"): self.named(
                        value, kind if key == "id" else key.removesuffix("_id")
                    )
                    for key, value in seen.items()
                }
            case list():
                return [self.named(value, hint.removesuffix("s")) for value in seen]
            case str():
                return self.name(seen, hint)
            case _:
                return seen

    def name(self, text: str, hint: str) -> str:
        for name, value in self.known.items():
            if value and str(value) in text:
                text = text.replace(str(value), name)
        if hint in ("version", "sid"):
            return ANY
        if UUID.fullmatch(text) is None:
            return text
        name, n = f"${hint}", 1
        while name in self.known:
            n += 1
            name = f"${hint}{n}"
        self.known[name] = text
        return name


def _kind(value: Mapping[str, Any]) -> str:
    """What the ``id`` of this object is the id of."""
    if "members" in value and "state" in value:
        return "room"
    if "content" in value:
        return "message"
    return "card" if "username" in value else "id"


def _line(mark: str, seen: Any) -> str:
    match mark, seen:
        case "<#", Closed(code=code, reason=reason):
            return f"<# {code} {reason}"
        case "=", (status, answer):
            return f"= {status} {'' if answer is None else _json(answer)}".rstrip()
        case _, Packet(head=head, data=data):
            return f"< {head}{'' if data is None else _json(data)}"
        case _:
            return f"< {_json(seen)}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _person_of(name: str) -> str:
    """``ann2`` is ann with another device."""
    return name.rstrip("0123456789")


async def play(recording: Recording) -> None:
    async with dialect_server() as here:
        await Player(here, recording).play()


async def main(paths: Sequence[str]) -> None:
    for path in map(Path, paths):
        async with dialect_server() as here:
            text = await Player(here, read(path)).record()
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
