"""Clients of all six dialects in one lobby and one channel: each one's view equals the log.

A small mix each time; ``PARLEY_MIX=200 PARLEY_MIX_S=60 pytest tests/dialects/test_all_dialects.py``
mixes that many for so many seconds.
"""

import asyncio
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import aiohttp
import attrs

from chat_core import Chat, ConversationId, JoinChannel, Logged, MessagePosted, Post
from chat_web.http.auth import AUTHENTICATOR
from tests.support.conversation_views import Entry, Pair, Views
from tests.support.dialect_clients import (
    ChannelChat,
    OpenRoomChat,
    Page,
    PairChat,
    SocketIOChat,
    TimedRoomChat,
)
from tests.support.http_clients import HttpClient
from tests.support.servers import Server, serving, settings

CLIENTS: Final = int(os.environ.get("PARLEY_MIX", "40"))
SECONDS: Final = float(os.environ.get("PARLEY_MIX_S", "5"))
SEED: Final = 4
PAUSE_S: Final = CLIENTS * 0.02  # between two things that one client does: all do fifty a second
LEAVES: Final = 0.06  # of what is done
AWAY_S: Final = (0.1, 2.5)  # some come back in time, some do not
RESUME_S: Final = 1.0
SETTLED_S: Final = 20.0
PATIENCE_S: Final = 60.0  # longer than the pings are apart
CHANNEL: Final = "general"
PAGE: Final = 100
KINDS: Final = (
    "p0",
    "p2 websocket",
    "p5 websocket",
    "p1",
    "p3",
    "p2 polling",
    "p5 http_stream",
    "p4",
    "p5 sse",
)

Client: TypeAlias = PairChat | SocketIOChat | TimedRoomChat | Page | ChannelChat | OpenRoomChat


@attrs.define
class Mix:
    """A server and its clients."""

    server: Server
    http: aiohttp.ClientSession  # with the server as its base
    channel: ConversationId
    clients: list[Client] = attrs.field(factory=list)

    @property
    def chat(self) -> Chat:
        return self.server.chat

    async def add(self, kind: str, name: str) -> None:
        """One client more, who is a guest."""
        dialect, _, way = kind.partition(" ")
        chat, url, now = self.chat, self.server.url, self.chat.clock.now
        person = chat.guest(name)
        token, _ = await self.server.app[AUTHENTICATOR].token_of(person)
        caller = HttpClient(self.http, person, token)
        views = Views(name, hears_itself=dialect in ("p3", "p5"), person=person.id)
        if dialect in ("p1", "p4", "p5"):
            await chat.do(person, JoinChannel(name=CHANNEL))
        match dialect:
            case "p0":
                self.clients.append(PairChat(url, token, views, now))
            case "p1":
                self.clients.append(
                    ChannelChat(
                        CHANNEL, url=url, name=person.username, token=token, silence_s=PATIENCE_S, views=views
                    )
                )
            case "p2":
                views.person = ""  # another one each time
                self.clients.append(SocketIOChat(url, way, views, now))
            case "p3":
                door = PairChat(url, token, Views(name, person=person.id), now)
                self.clients.append(TimedRoomChat(url, caller, door, views, now))
            case "p4":
                self.clients.append(OpenRoomChat(url, self.channel, caller, views))
            case "p5":
                page = Page(
                    url, way, token, f"channel:{CHANNEL}", self.http, PATIENCE_S, views=views, now=now
                )
                self.clients.append(page)

    # What is true

    async def log(self, room: ConversationId, after: int = 0) -> list[Logged]:
        """Every event of a conversation."""
        state = await self.chat.conversations.state(room)
        assert state is not None, room
        events: list[Logged] = []
        while page := await self.chat.reading.events_after(state, after, PAGE):
            events += page
            after = page[-1].seq
        assert [event.seq for event in events] == list(range(1, state.head + 1)), (
            "the log is longer than it is kept"
        )
        return events

    async def pairs(self, folder: Path) -> list[Pair]:
        """Every pairing of the lobby, in the order in which they began."""
        with sqlite3.connect(folder / "parley.db") as database:
            rows = database.execute(
                "select id, user_a, user_b, started_at, ended_at from chat_sessions order by started_at, id"
            ).fetchall()
        database.close()
        return [
            Pair(id_, (one, other), began, ended or float("inf"), tuple(map(entry, await self.log(id_))))
            for id_, one, other, began, ended in rows
        ]


def entry(event: Logged) -> Entry:
    return Entry(event.message.content if isinstance(event, MessagePosted) else None, event.at)


async def lives(client: Client, rng: random.Random, until: float) -> None:
    """One client's plan: it talks, skips, leaves and comes back, and is there in the end."""
    while asyncio.get_running_loop().time() < until:
        await asyncio.sleep(rng.expovariate(1 / PAUSE_S))
        if rng.random() < LEAVES:
            await client.leave()
            await asyncio.sleep(rng.uniform(*AWAY_S))
            await client.come()
        else:
            await client.act(rng)


# What is compared


def differences(mix: Mix, pairs: Sequence[Pair], posted: dict[int, str]) -> list[str]:
    """How any view of a talk or of the channel differs from the log."""
    by_room = {pair.room: pair for pair in pairs}
    found = []
    for client in mix.clients:
        views = client.views
        if isinstance(client, ChannelChat | Page | OpenRoomChat):
            found.append("" if shown(client) == posted else f"{views.name} saw another channel")
        if isinstance(client, PairChat | Page):
            found.append(views.compared([pair for pair in pairs if views.person in pair.people]))
        if isinstance(client, TimedRoomChat):
            mine = [pair for pair in pairs if views.person in pair.people]
            found.append(client.door.views.compared(mine))
        if isinstance(client, TimedRoomChat | SocketIOChat):
            found += [views.lacks(talk, by_room[talk.room or ""]) for talk in views.talks]
    return list(filter(None, found))


def shown(
    client: ChannelChat | Page | OpenRoomChat,
) -> dict[int, str]:
    """The texts of the channel by seq, as this client saw them."""
    if not isinstance(client, Page):
        return client.seen
    messages = {seq: data["message"] for seq, data in client.seen.items() if "message" in data}
    return {seq: message["content"] for seq, message in messages.items()}


def check_logs(mix: Mix, pairs: Sequence[Pair], posted: dict[int, str]) -> None:
    """Only the two of a pair speak there; each text is somewhere once, in its author's order."""
    people = {client.views.name: client.views.person for client in mix.clients}
    texts = list(posted.values())
    for pair in pairs:
        authors = {one.by for one in pair.log if one.text is not None}
        assert len(authors) <= 2
        assert all(people[author] in ("", *pair.people) for author in authors)
        texts += [one.text for one in pair.log if one.text is not None]
    assert len(texts) == len(set(texts))
    for client in mix.clients:
        views = client.views
        assert {text for text in texts if text.split()[0] == views.name} >= set(views.acknowledged)
        logs: list[list[str]] = [list(posted.values())]
        logs += [[one.text for one in pair.log if one.text is not None] for pair in pairs]
        for log in logs:
            numbers = [int(text.split()[1]) for text in log if text.split()[0] == views.name]
            assert numbers == sorted(numbers), views.name


def check_unseen(mix: Mix, pairs: Sequence[Pair]) -> None:
    """What has no client that can prove who it was is a talk of P2, or P2 went in that very moment."""
    known = {client.views.person for client in mix.clients} - {""}
    passing = [client.views for client in mix.clients if isinstance(client, SocketIOChat)]
    seen = Counter(talk.room for views in passing for talk in views.talks)
    goings = [going for views in passing for going in views.away]
    for pair in pairs:
        missing = len([one for one in pair.people if one not in known]) - seen[pair.room]
        crossing = [1 for left, gone in goings if left <= pair.ended and pair.began <= gone]
        assert 0 <= missing <= len(crossing), pair.room


async def test_each_view_equals_the_log(tmp_path: Path) -> None:
    chosen = settings(
        rate_limits=False,
        guests_may_post=True,
        database_url=f"sqlite:///{tmp_path}/parley.db",
        durability="relaxed",
        resume_s=RESUME_S,
        rematch_after_s=0.2,
    )
    async with (
        serving(chosen) as server,
        aiohttp.ClientSession(
            server.url, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        ) as http,
    ):
        chat, loop = server.chat, asyncio.get_running_loop()
        host = chat.guest("host")
        await chat.do(host, JoinChannel(name=CHANNEL))
        mix = Mix(server, http, (await chat.channel(host, CHANNEL)).id)
        for n in range(CLIENTS):
            kind = KINDS[n % len(KINDS)]
            await mix.add(kind, f"{kind.replace(' ', '-')}-{n}")
        for client in mix.clients:
            await client.come()
        await until(lambda: all(c.epoch for c in mix.clients if isinstance(c, Page)))
        end = loop.time() + SECONDS
        await asyncio.gather(*(lives(c, random.Random(f"{SEED} {c.views.name}"), end) for c in mix.clients))
        await chat.do(host, Post(conversation=mix.channel, content="the end"))
        found = ["nothing was compared"]
        settled = loop.time() + SETTLED_S
        while found and loop.time() < settled:
            await asyncio.sleep(0.1)  # what is under way
            pairs = await mix.pairs(tmp_path)
            events = await mix.log(mix.channel)
            posted = {e.seq: e.message.content for e in events if isinstance(e, MessagePosted)}
            found = differences(mix, pairs, posted)
        assert not found, "\n".join(found)
        check_logs(mix, pairs, posted)
        check_unseen(mix, pairs)
        told(mix, pairs, posted)
        for client in mix.clients:
            await client.leave()


def told(mix: Mix, pairs: Sequence[Pair], posted: dict[int, str]) -> None:
    """That enough has happened for all this to mean something; printed for who asks."""
    dialects = Counter(client.dialect for client in mix.clients)
    heard = Counter(
        {
            dialect: sum(len(t.heard) for c in mix.clients if c.dialect == dialect for t in c.views.talks)
            for dialect in dialects
        }
    )
    said = sum(1 for pair in pairs for one in pair.log if one.text is not None)
    print(f"{dict(dialects)}: {len(posted)} messages in the channel")
    print(f"{len(pairs)} pairs with {said}: {dict(heard)}")
    assert set(dialects) == {"p0", "p1", "p2", "p3", "p4", "p5"}
    assert all(heard[dialect] for dialect in ("p0", "p2", "p3", "p5"))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SETTLED_S):
        while not holds():  # noqa: ASYNC110 - readers are watched from outside
            await asyncio.sleep(0.01)
