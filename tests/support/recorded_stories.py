"""Recorded conversations: who sends what, what each one sees, how far the clock moves.

    # a title begins a story
    ann + p0                    ann connects: p0, p2 or p5; a token makes her the same person next time
    ann + p0 without token      … as somebody who cannot come back
    ann> {"type":"skip"}        ann sends a frame (lines of one P5 frame are joined by ⏎)
    bob> 42["skip"]             in P2 a packet: what stands before the JSON must be the same
    bob< {"type":"x", …}        the next thing that bob sees, to the letter but for …
    bob<# 3501 connected already   bob's connection is closed; the reason contains this
    ann -                       ann's connection breaks
    !  300 s                    the clock moves
    & names are shown           persons know each other's real ids here

``"…"`` is any value, a bare ``…`` at the end of an object or list any rest. ``"$room"``
stands for one value: the first time it is learnt, afterwards it must be the same.
``$ann`` is the id of ann, ``$token_ann`` a token of hers. What somebody sees and no line tells is a failure.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from chat_core import Config, Person
from chat_core.ports import Store
from chat_core.testing import World
from chat_web.dialects.anonymous import AnonymousPair
from chat_web.dialects.centrifuge import Centrifuge
from chat_web.dialects.intents import Dialect
from chat_web.http.auth import Authenticator, Identity
from tests.support.memory_wire import Closed, Wire
from tests.support.polled_client import PolledClient

DIALECTS: Final[Mapping[str, Dialect]] = {"p0": AnonymousPair(), "p5": Centrifuge()}
ANY: Final = "…"


@attrs.frozen
class JsonSocket:
    number: int
    text: str


@attrs.frozen
class Story:
    file: str
    title: str
    lines: tuple[JsonSocket, ...]


class Differs(AssertionError):
    """What was seen is not what stands in the story."""


def stories(folder: Path) -> Iterator[Story]:
    """Every story of every file, in the order written."""
    for path in sorted(folder.glob("*.txt")):
        title = ""
        lines: list[JsonSocket] = []
        for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
            if text.startswith("# "):
                if title:
                    yield Story(path.name, title, tuple(lines))
                title, lines = text[2:], []
            elif text.strip() and not text.startswith("##"):
                lines.append(JsonSocket(number, text))
        yield Story(path.name, title, tuple(lines))


def pattern(text: str) -> Any:
    """The JSON of a line, where a bare ``…`` is any rest."""
    out, in_string, before = [], False, ""
    for n, letter in enumerate(text):
        if letter == '"' and text[n - 1 : n] != "\\":
            in_string = not in_string
        if letter == ANY and not in_string:
            is_value = before == ":"
            is_rest_of_object = not is_value and text[n + 1 :].lstrip().startswith("}")
            out.append('"…":"…"' if is_rest_of_object else '"…"')
        else:
            out.append(letter)
        if not letter.isspace():
            before = letter
    return json.loads("".join(out))


def same(expected: Any, seen: Any, known: dict[str, Any]) -> bool:
    """Whether what was seen fits; learns what ``$names`` stand for."""
    match expected:
        case "…":
            return True
        case str() if re.fullmatch(r"\$\w+", expected):
            return bool(known.setdefault(expected, seen) == seen)
        case dict():
            rest = ANY in expected
            expected = {filled(name, known): value for name, value in expected.items()}
            names = expected.keys() - {ANY}
            return (
                isinstance(seen, dict)
                and (names <= seen.keys() if rest else names == seen.keys())
                and all(same(expected[name], seen[name], known) for name in names)
            )
        case list():
            rest = bool(expected) and expected[-1] == ANY
            items = expected[:-1] if rest else expected
            return (
                isinstance(seen, list)
                and (len(items) <= len(seen) if rest else len(items) == len(seen))
                and all(same(item, found, known) for item, found in zip(items, seen, strict=False))
            )
        case str():
            return bool(filled(expected, known) == seen)
        case _:
            return bool(expected == seen and isinstance(expected, bool) == isinstance(seen, bool))


def headed(text: str) -> tuple[str, str]:
    """What stands before the JSON of a packet of P2, and the JSON; other frames have no head."""
    match = re.fullmatch(r"([0-9]*)(.*)", text, re.DOTALL)
    return ("", text) if match is None else (match[1], match[2])


def filled(text: str, known: Mapping[str, Any]) -> str:
    """The text with what its ``$names`` stand for."""
    return re.sub(r"\$\w+", lambda name: str(known.get(name[0], name[0])), text)


class Stage:
    """Plays one story."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.authenticator = Authenticator(world.chat)
        self.people: dict[str, Person] = {}
        self.wires: dict[str, Wire | PolledClient] = {}
        self.unread: dict[str, list[str | Closed]] = {}
        self.known: dict[str, Any] = {}
        self.names_are_shown = False

    async def play(self, story: Story) -> None:
        for line in story.lines:
            try:
                await self.step(line.text)
            except Differs as difference:
                where = f"{story.file}:{line.number}"
                raise Differs(f"{where}: {line.text}\n{difference}") from None
        self.end()
        for name, wire in self.wires.items():
            wire.drop()
            assert wire.has_left, name

    async def step(self, text: str) -> None:
        if match := re.fullmatch(r"!\s+([\d.]+) s", text):
            await self.world.advance(float(match[1]))
            await self.settle()
        elif text == "& names are shown":
            self.names_are_shown = True
        elif match := re.fullmatch(r"(\w+) \+ (p\d)( without token)?", text):
            await self.connect(match[1], match[2], may_return=match[3] is None)
        elif match := re.fullmatch(r"(\w+) -", text):
            self.wires[match[1]].drop()
            await self.settle()
        elif match := re.fullmatch(r"(\w+)> (.*)", text):
            self.wires[match[1]].say(filled(match[2], self.known).replace("⏎", "\n"))
            await self.settle()
        elif match := re.fullmatch(r"(\w+)<# (\d+) ?(.*)", text):
            self.close_seen(match[1], int(match[2]), match[3])
        elif match := re.fullmatch(r"(\w+)< (.*)", text):
            self.frame_seen(match[1], match[2])
        else:
            raise Differs("this line is not understood")

    async def connect(self, name: str, dialect: str, *, may_return: bool) -> None:
        person = self.people.get(_person_of(name))
        if person is None:
            person = self.people[_person_of(name)] = self.world.chat.guest(f"Canary {_person_of(name)}")
            self.known[f"${_person_of(name)}"] = person.id
        identity = Identity(person=person, may_return=may_return)
        token, _ = await self.authenticator.token_of(person)
        self.known[f"$token_{_person_of(name)}"] = token
        if dialect == "p2":
            self.wires[name] = PolledClient(self.world.chat, self.authenticator)
        else:
            self.wires[name] = Wire(
                self.world.chat,
                DIALECTS[dialect],
                self.authenticator,
                identity=identity if dialect == "p0" else None,
            )
        self.unread.setdefault(name, [])
        await self.settle()

    def frame_seen(self, name: str, text: str) -> None:
        if not self.unread[name]:
            raise Differs(f"{name} saw nothing")
        seen = self.unread[name].pop(0)
        if isinstance(seen, Closed):
            raise Differs(f"{name} was closed: {seen}")
        kind, expected = headed(text)
        kind_seen, told = headed(seen)
        if kind != kind_seen or (
            expected != told and not same(pattern(expected), json.loads(told), self.known)
        ):
            raise Differs(f"{name} saw\n{seen}\nwith {self.known}")

    def close_seen(self, name: str, code: int, reason: str) -> None:
        if not self.unread[name]:
            raise Differs(f"{name} saw nothing")
        seen = self.unread[name].pop(0)
        if not isinstance(seen, Closed) or seen.code != code or reason not in seen.reason:
            raise Differs(f"{name} saw\n{seen}")

    async def settle(self) -> None:
        """Let happen what follows, and read everything that came."""
        for _ in range(3):
            await self.world.settle()
        for name, wire in self.wires.items():
            for seen in wire.seen():
                lines = [seen] if isinstance(seen, Closed) else seen.split("\n")
                self.unread[name].extend(lines)
                for line in lines:
                    self.check_names(name, line)

    def check_names(self, name: str, seen: str | Closed) -> None:
        """Nobody learns who a stranger is (section 8 of what is promised about privacy)."""
        if self.names_are_shown:
            return
        for other, person in self.people.items():
            for secret in (person.id, person.username, person.display_name):
                if other != _person_of(name) and secret in str(seen):
                    raise Differs(f"{name} saw {secret}, which tells who {other} is, in\n{seen}")

    def end(self) -> None:
        rest = {name: frames for name, frames in self.unread.items() if frames}
        if rest:
            lines = [f"{name}< {frame}" for name, frames in rest.items() for frame in frames]
            raise Differs("the story does not tell of\n" + "\n".join(lines))


async def play(story: Story, config: Config | None = None, *, store: Store | None = None) -> None:
    config = config or Config(default_channels=("general",), guests_may_post=True)
    async with World(config, store=store) as world:
        await Stage(world).play(story)


def _person_of(name: str) -> str:
    """``ann2`` is ann with another device."""
    return name.rstrip("0123456789")
