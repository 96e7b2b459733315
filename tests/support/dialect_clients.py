"""Clients that talk: in the lobby (P0, P2, P3, P5) and a channel (P1, P4, P5), each as its product does.

``come`` and ``leave`` connect and go; ``act`` does one thing that the plan's
chance names. Who goes says goodbye and reads what was said until then, but for
P1, P4 and P5, which can ask for what they missed.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import Callable
from typing import Any, ClassVar, Final, Protocol

import attrs
import websockets

from tests.support import p1_reader, p5_reader
from tests.support.conversation_views import FOREVER, Talk, Views
from tests.support.http_clients import HttpClient
from tests.support.p1_reader import BROKEN
from tests.support.socketio_client import Person

PATIENCE_S: Final = 30.0
SKIPS: Final = 0.12  # of what is done in a lobby

Frame = dict[str, Any]


class DialectClient(Protocol):
    """One client of the mix."""

    async def come(self) -> None: ...

    async def leave(self) -> None: ...

    async def act(self, rng: random.Random) -> None: ...


@attrs.define(eq=False)
class JsonSocket:
    """A WebSocket whose frames are handed over as they come."""

    socket: websockets.ClientConnection
    reading: asyncio.Task[None]

    @classmethod
    async def opened(cls, url: str, hear: Callable[[Frame], None]) -> "JsonSocket":
        socket = await websockets.connect(
            url.replace("http", "ws", 1), open_timeout=PATIENCE_S, ping_interval=None
        )

        async def read() -> None:
            async for text in socket:
                hear(json.loads(text))

        return cls(socket, asyncio.ensure_future(read()))

    async def say(self, frame: Frame | str) -> None:
        with contextlib.suppress(*BROKEN):
            await self.socket.send(frame if isinstance(frame, str) else json.dumps(frame))

    async def close(self) -> None:
        """Say goodbye, and read what was said until then."""
        await self.socket.close()
        with contextlib.suppress(*BROKEN):
            await self.reading


@attrs.define(eq=False)
class PairChat:
    """P0: it is put into the line unasked, and comes back with its token."""

    dialect: ClassVar = "p0"
    url: str
    token: str
    views: Views
    now: Callable[[], float]
    line: JsonSocket | None = None
    _left_at: float = 0.0
    _skipped_at: float = 0.0
    _has_just_come: bool = False

    async def come(self) -> None:
        if self._left_at:
            self.views.away.append((self._left_at, self.now()))
        self._has_just_come = True
        self.line = await JsonSocket.opened(f"{self.url}/ws/{self.views.name}?token={self.token}", self._hear)

    async def leave(self) -> None:
        if self.line is not None:
            self._left_at = self.now()
            await self.line.close()
            self.line = None

    async def act(self, rng: random.Random) -> None:
        if rng.random() < SKIPS:
            await self.skip()
        elif self.line is not None and self.views.talk is not None:
            text = self.views.text()
            await self.line.say(text if rng.random() < 0.5 else {"type": "message", "message": text})

    async def skip(self) -> None:
        if self.line is not None:
            self._skipped_at = self.now()
            await self.line.say({"type": "skip"})

    def _hear(self, frame: Frame) -> None:
        views = self.views
        match frame:
            case {"type": "message", "message": text}:
                views.talks[-1].heard.append(text)
            case {"event": "paired"}:
                if views.talk is None or not self._has_just_come:  # else it is the same partner
                    views.begins()
                self._has_just_come = False
            case {"event": "partner_left"}:
                self._ends()
            case {"event": "waiting"}:
                self._ends(self._left_at if self._has_just_come else self._skipped_at)
                self._has_just_come = False
            case {"event": "error", "code": code}:
                assert code == "wrong_state", frame

    def _ends(self, left_at: float = FOREVER) -> None:
        if self.views.talk is not None:
            self.views.talk.ends(left_at)


@attrs.define(eq=False)
class SocketIOChat:
    """P2, by the official client for Python: a new guest each time it comes."""

    dialect: ClassVar = "p2"
    url: str
    way: str
    views: Views
    now: Callable[[], float]
    person: Person | None = None
    _hearing: asyncio.Task[None] | None = None
    _skipped_at: float = 0.0

    async def come(self) -> None:
        person = self.person = Person()
        await person.client.connect(self.url, transports=[self.way], wait_timeout=PATIENCE_S)
        self._hearing = asyncio.ensure_future(self._hear(person))
        await person.client.emit("search")

    async def leave(self) -> None:
        person, self.person = self.person, None
        if person is None or self._hearing is None:
            return
        left_at = self.now()
        await person.client.disconnect()
        self.views.away.append((left_at, self.now()))
        self._hearing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._hearing
        self._ends(left_at)

    async def act(self, rng: random.Random) -> None:
        if self.person is None:
            return
        client = self.person.client
        if self.views.talk is None:
            await client.emit("search")
        elif rng.random() < SKIPS:
            self._skipped_at = self.now()
            assert await client.call("skip", timeout=PATIENCE_S) == {"ok": True}
        elif rng.random() < 0.5:
            await client.emit("message", self.views.text())
        else:
            text = self.views.text()
            answer = await client.call("message", {"message": text}, timeout=PATIENCE_S)
            if answer["ok"]:
                self.views.acknowledged.append(text)
            else:
                assert answer["code"] == "wrong_state", answer

    async def _hear(self, person: Person) -> None:
        while True:
            match await person.heard.get():
                case "matched", {"sessionId": room}:
                    self._ends(self._skipped_at)
                    self.views.begins(room)
                case "message", text:
                    self.views.talks[-1].heard.append(text)
                case "partner_left", _:
                    self._ends()
                case "error", {"code": code}:
                    assert code == "wrong_state"

    def _ends(self, left_at: float = FOREVER) -> None:
        if self.views.talk is not None:
            self.views.talk.ends(left_at)


@attrs.define(eq=False)
class TimedRoomChat:
    """P3: whom the pair chat finds is told by notifications to the same person, and talked to in the room."""

    dialect: ClassVar = "p3"
    url: str
    caller: HttpClient
    door: PairChat
    views: Views
    now: Callable[[], float]
    notes: JsonSocket | None = None
    rooms: dict[str, tuple[Talk, JsonSocket | None]] = attrs.field(factory=dict)
    _opening: set[asyncio.Task[None]] = attrs.field(factory=set)
    _being_opened: set[str] = attrs.field(factory=set)

    async def come(self) -> None:
        self.notes = await JsonSocket.opened(
            f"{self.url}/ws/notifications?token={self.door.token}", self._told
        )
        await self.door.come()
        _, rooms = await self.caller.get("/chat/rooms")
        for room in rooms:
            if room["state"] != "ENDED":
                await self._open(room["id"])

    async def leave(self) -> None:
        await self._settled()
        for room in tuple(self.rooms):
            await self._close(room)
        if self.notes is not None:
            await self.notes.close()
        await self.door.leave()
        await self._settled()

    async def act(self, rng: random.Random) -> None:
        talk = self.views.talks[-1] if self.views.talks else None
        line = None if talk is None or talk.room is None else self.rooms.get(talk.room, (talk, None))[1]
        if talk is None or line is None:
            return
        if rng.random() >= SKIPS:
            await line.say({"type": "message", "content": self.views.text()})
        elif rng.random() < 0.5:
            await line.say({"type": "end"})
        else:
            for talk, _ in self.rooms.values():  # whichever it is now
                talk.left_at = min(talk.left_at, self.now())
            await self.door.skip()

    def _told(self, frame: Frame) -> None:
        if frame["type"] == "match_found":
            task = asyncio.ensure_future(self._open(frame["room_id"]))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    async def _settled(self) -> None:
        await asyncio.gather(*self._opening)

    async def _open(self, room: str) -> None:
        talk, line = self.rooms.get(room, (None, None))
        if line is not None or room in self._being_opened:
            return
        if talk is None:
            talk = self.views.begins(room)
        self.rooms[room] = talk, None
        talk.left_at = 0.0  # until there is a history
        self._being_opened.add(room)
        try:
            line = await JsonSocket.opened(
                f"{self.url}/ws/chat/{room}?token={self.door.token}", self._hears(talk)
            )
        except websockets.InvalidStatus as refused:
            if refused.response.status_code != 404:  # it was over before it was opened
                raise
            return
        finally:
            self._being_opened.discard(room)
        self.rooms[room] = talk, line
        for older in list(self.rooms)[:-3]:
            await self._close(older)

    def _hears(self, talk: Talk) -> Callable[[Frame], None]:
        def hear(frame: Frame) -> None:
            match frame:
                case {"type": "history", "messages": messages}:
                    talk.left_at = FOREVER
                    known = set(talk.heard)
                    talk.heard += [one["content"] for one in messages if one["content"] not in known]
                case {"type": "message", "content": text}:
                    talk.heard.append(text)
                case {"type": "room_state", "state": "ENDED"}:
                    talk.ends()
                case {"type": "error", "code": code}:
                    assert code == "wrong_state", frame

        return hear

    async def _close(self, room: str) -> None:
        talk, line = self.rooms[room]
        if line is not None:
            self.rooms[room] = talk, None
            talk.left_at = min(talk.left_at, self.now())
            await line.close()


@attrs.define(eq=False)
class Place:
    """How far one room was read."""

    talk: Talk
    epoch: str
    offset: int = 0

    def takes(self, publication: Frame) -> None:
        self.offset += 1
        assert publication["offset"] == self.offset, "an event is missing or came twice"
        if "message" in publication["data"]:
            self.talk.heard.append(publication["data"]["message"]["content"])


@attrs.define(eq=False)
class Page(p5_reader.Reader):
    """P5, as Parley's pages: in the channel and in the lobby, over one connection of any transport."""

    dialect: ClassVar = "p5"
    views: Views = attrs.field(kw_only=True)
    now: Callable[[], float] = attrs.field(kw_only=True)
    running: asyncio.Task[None] | None = None
    _places: dict[str, Place] = attrs.field(factory=dict)
    _answers: dict[int, asyncio.Future[Frame]] = attrs.field(factory=dict)
    _followed: dict[int, Place] = attrs.field(factory=dict)
    _is_there: asyncio.Event = attrs.field(factory=asyncio.Event)
    _left_at: float = 0.0
    _asked: int = 2

    async def come(self) -> None:
        if self._left_at:
            self.views.away.append((self._left_at, self.now()))
        self._is_there.clear()
        self.running = asyncio.ensure_future(self.run())
        async with asyncio.timeout(PATIENCE_S):
            await self._is_there.wait()

    async def leave(self) -> None:
        running, self.running = self.running, None
        if running is not None:
            self._left_at = self.now()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def act(self, rng: random.Random) -> None:
        talk = self.views.talk
        if talk is None or rng.random() < 0.3:
            await self._post(self.channel)
        elif rng.random() < SKIPS:
            talk.ends(self.now())
            if "error" in await self._ask("skip", {"room": talk.room}):  # the partner was faster
                await self._ask("search", {"lobby": "anonymous"})
        else:
            await self._post(f"room:{talk.room}")

    async def _post(self, conversation: str) -> None:
        text = self.views.text()
        if "rpc" in await self._ask("post", {"conversation": conversation, "content": text}):
            self.views.acknowledged.append(text)

    async def _ask(self, method: str, data: Frame) -> Frame:
        number = self._number()
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._say({"id": number, "rpc": {"method": method, "data": data}})
        async with asyncio.timeout(PATIENCE_S):
            return await answer

    def _number(self) -> int:
        self._asked += 1
        return self._asked

    def _take(self, line: Frame) -> bool:
        match line:
            case {"connect": connected}:
                super()._take(line)
                self._stands(connected["data"])
            case {"id": number, **reply} if number > 2:
                self._answered(number, reply)
            case {"push": {"channel": channel}} if channel != self.channel:
                self._pushed(str(channel), line["push"])
            case _:
                return super()._take(line)
        return True

    def _stands(self, data: Frame) -> None:
        talk = self.views.talk
        if talk is not None and talk.room not in [room["id"] for room in data["rooms"]]:
            talk.ends(self._left_at)
        for room in data["rooms"]:
            self._follow(room)
        if not data["rooms"] and data["waiting"] is None:
            self._search()
        self._is_there.set()

    def _search(self) -> None:
        self._say({"id": self._number(), "rpc": {"method": "search", "data": {"lobby": "anonymous"}}})

    def _follow(self, room: Frame) -> None:
        id_, number = room["id"], self._number()
        if id_ not in self._places:
            self._places[id_] = Place(self.views.begins(id_), room["epoch"])
        place = self._followed[number] = self._places[id_]
        since = {"recover": True, "epoch": place.epoch, "offset": place.offset}
        self._say({"id": number, "subscribe": {"channel": f"room:{id_}", **since}})

    def _answered(self, number: int, reply: Frame) -> None:
        if (place := self._followed.pop(number, None)) is not None:
            if "error" in reply:
                assert place.talk.is_over, reply  # left, before it was subscribed to
                return
            assert reply["subscribe"]["recovered"]
            for one in reply["subscribe"]["publications"]:
                place.takes(one)
        elif (answer := self._answers.pop(number, None)) is not None:
            answer.set_result(reply)

    def _pushed(self, channel: str, push: Frame) -> None:
        match push:
            case {"pub": {"data": {"type": "matched", "room": room}}}:
                self._follow(room)
            case {"pub": {"data": {"type": "partner_left", "room_id": room}}}:
                self._places[room].talk.ends()
                self._search()
            case {"pub": {"offset": _} as publication}:
                self._places[channel.removeprefix("room:")].takes(publication)


@attrs.define(eq=False, kw_only=True)
class ChannelChat(p1_reader.Reader):
    """P1, in the channel alone."""

    dialect: ClassVar = "p1"
    views: Views
    running: asyncio.Task[None] | None = None

    async def come(self) -> None:
        self.running = asyncio.ensure_future(self.run())

    async def leave(self) -> None:
        running, self.running = self.running, None
        if running is not None:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def act(self, rng: random.Random) -> None:
        await self.say({"content": self.views.text()})


@attrs.define(eq=False)
class OpenRoomChat:
    """P4, in the channel alone; what it missed it asks for over HTTP."""

    dialect: ClassVar = "p4"
    url: str
    room: str
    caller: HttpClient
    views: Views
    line: JsonSocket | None = None
    seen: dict[int, str] = attrs.field(factory=dict)

    async def come(self) -> None:
        newest = max(self.seen, default=0)
        self.line = await JsonSocket.opened(
            f"{self.url}/api/ws/{self.room}?token={self.caller.token}", self._hear
        )
        while True:
            status, page = await self.caller.get(f"/api/rooms/{self.room}/messages", after=newest, limit=100)
            assert status == 200, page
            for message in page:
                newest = message["seq"]
                self.seen[newest] = message["content"]
            if not page:
                return

    async def leave(self) -> None:
        line, self.line = self.line, None
        if line is not None:
            line.socket.transport.abort()  # without a word
            with contextlib.suppress(*BROKEN):
                await line.reading

    async def act(self, rng: random.Random) -> None:
        if self.line is not None:
            await self.line.say({"type": "message", "content": self.views.text()})

    def _hear(self, frame: Frame) -> None:
        assert frame["type"] != "error", frame
        if frame["type"] == "message":
            self.seen[frame["seq"]] = frame["content"]
