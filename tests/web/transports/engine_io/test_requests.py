"""P2's transport by hand: handshakes, polls, bodies, the change to a WebSocket, limits and ends."""

import asyncio
import contextlib
import gzip
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from chat_core import Rate
from chat_web.http.rate_limits import CONNECTIONS_PER_SOURCE_MAX
from chat_web.sockets.endpoints import ENGINE, SOCKET_IO
from chat_web.sockets.open_connections import close_sockets
from chat_web.sockets.pump import INBOX_MAX, PumpLimits
from chat_web.transports.engine_io import websocket as engine_websocket
from chat_web.transports.engine_io.session import PACKET_BYTES_MAX
from chat_web.transports.interfaces import SocketLimits
from tests.support.http_clients import code
from tests.support.long_polling import PATH, Poller, asked, close_of, connected, gone, said, until, websocket
from tests.support.memory_wire import masked
from tests.support.servers import Server, browser, serving, settings


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving(settings(rate_limits=False)) as server:
        tasks = len(asyncio.all_tasks())
        yield server
        await gone(server)
        await server.app[ENGINE].finished()
        await until(lambda: len(asyncio.all_tasks()) <= tasks)  # nothing is left of a connection
        assert server.app[ENGINE].sessions == {} == server.app[ENGINE].sockets


@contextlib.asynccontextmanager
async def limited(
    *, pump: PumpLimits | None = None, socket: SocketLimits | None = None, **given: Any
) -> AsyncIterator[tuple[Server, aiohttp.ClientSession]]:
    async with serving(settings(**given), limits=pump) as server, browser(server) as http:
        if socket is not None:
            server.app[ENGINE].limits = socket
        yield server, http


async def refusal(answer: Any) -> tuple[int, str]:
    """The status and the code of an answer that refuses."""
    async with answer as response:
        return response.status, code(await response.json())


async def paired(ann: Poller, bob: Poller) -> None:
    for person in (ann, bob):
        await person.say('42["search"]')
    assert (await ann.event())[0] == (await bob.event())[0] == "matched"


# Handshakes and what is refused before there is a session


async def test_the_handshake_says_what_there_is(http: aiohttp.ClientSession) -> None:
    async with http.get(PATH, params=asked()) as answer:
        text = await answer.text()
        assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert text.startswith("0")
    told = json.loads(text[1:])
    assert told.pop("sid")
    assert told == {
        "upgrades": ["websocket"],
        "pingInterval": 25000,
        "pingTimeout": 10000,
        "maxPayload": PACKET_BYTES_MAX,
    }
    left = Poller(http, json.loads(text[1:])["sid"])
    await left.say("1")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"EIO": "3", "transport": "polling"}, "bad_request"),
        ({"EIO": "3", "transport": "websocket"}, "bad_request"),
        ({"transport": "polling"}, "bad_request"),
        ({}, "bad_request"),
        (asked("polling", j="0"), "bad_request"),
        (asked("carrier-pigeon"), "bad_request"),
        (asked(sid="nobody's"), "bad_request"),
        (asked("websocket", sid="nobody's"), "upgrade_required"),
        (asked("websocket"), "upgrade_required"),
    ],
)
async def test_what_is_no_engine_io_4_is_refused(
    http: aiohttp.ClientSession, server: Server, query: dict[str, str], expected: str
) -> None:
    status = 426 if expected == "upgrade_required" else 400
    assert await refusal(http.get(PATH, params=query)) == (status, expected)
    assert len(server.pumps.open) == 0


async def test_other_methods_and_a_post_without_a_session_are_refused(http: aiohttp.ClientSession) -> None:
    assert await refusal(http.post(PATH, params=asked(), data="40")) == (400, "bad_request")
    assert await refusal(http.post(PATH, params=asked(sid="nobody's"), data="40")) == (400, "bad_request")
    assert await refusal(http.put(PATH, params=asked())) == (405, "method_not_allowed")
    async with http.head(PATH, params=asked()) as answer:
        assert answer.status == 405


async def test_a_handshake_that_is_none_leaves_nothing_behind(
    http: aiohttp.ClientSession, server: Server
) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    assert await refusal(http.get(PATH, params=asked("websocket"), headers=headers)) == (400, "bad_request")
    assert await refusal(http.get(PATH, params=asked("websocket"), headers={"Upgrade": "websocket"})) == (
        426,
        "upgrade_required",
    )
    assert len(server.pumps.open) == 0


async def test_the_path_without_its_slash_is_the_same(http: aiohttp.ClientSession) -> None:
    async with http.get("/socket.io", params=asked()) as answer:
        assert answer.status == 200
        await Poller(http, json.loads((await answer.text())[1:])["sid"]).say("1")


async def test_origins_are_judged_at_every_request() -> None:
    good, evil = "https://good.example", "https://evil.example"
    async with limited(allowed_origins=(good,)) as (server, http):
        for query in (asked(), asked("websocket")):
            refused_get = http.get(PATH, params=query, headers={"Origin": evil, "Upgrade": "websocket"})
            assert await refusal(refused_get) == (403, "forbidden")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(PATH, params=asked("websocket"), origin=evil)
        assert refused.value.status == 403
        assert len(server.pumps.open) == 0
        async with http.get(PATH, params=asked(), headers={"Origin": good}) as answer:
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == good
            assert "Access-Control-Allow-Credentials" not in answer.headers
            sid = json.loads((await answer.text())[1:])["sid"]
        stolen = asked(sid=sid)
        assert await refusal(http.get(PATH, params=stolen, headers={"Origin": evil})) == (403, "forbidden")
        assert await refusal(http.post(PATH, params=stolen, data="40", headers={"Origin": evil})) == (
            403,
            "forbidden",
        )
        await Poller(http, sid).say("1")


async def test_a_full_node_and_a_source_with_its_share_take_no_more() -> None:
    async with limited(max_connections=1) as (_, http):
        ann = await Poller.opened(http)
        assert await refusal(http.get(PATH, params=asked())) == (503, "unavailable")
        await ann.say("1")
        await (await Poller.opened(http)).say("1")
    async with limited(source_limits="on", pump=PumpLimits(first_command_s=60.0)) as (server, http):
        opened = [await Poller.opened(http) for _ in range(CONNECTIONS_PER_SOURCE_MAX)]
        assert await refusal(http.get(PATH, params=asked())) == (429, "too_many")
        assert len(server.pumps.open) == CONNECTIONS_PER_SOURCE_MAX
        for one in opened:
            await one.say("1")


async def test_guests_count_against_their_source() -> None:
    async with limited(source_limits="on", rate_limits=True) as (_, http):
        for _ in range(50):
            await (await Poller.connected(http)).say("1")
        late = await Poller.opened(http)
        await late.say("40")
        told = await late.heard()
        assert told.startswith("44{")
        assert json.loads(told[2:])["data"] == {"code": "too_many"}
        await late.say("1")


async def test_health_and_metrics_count_sessions(http: aiohttp.ClientSession) -> None:
    ann, bob = await Poller.connected(http), await connected(http)
    async with http.get("/health") as answer:
        assert (await answer.json())["connections"] == 2
    async with http.get("/metrics") as answer:
        assert "parley_connections 2.0" in await answer.text()
    await ann.say("1")
    await bob.close()


# Polling


async def test_two_talk_by_polls(http: aiohttp.ClientSession) -> None:
    ann, bob = await Poller.connected(http), await Poller.connected(http)
    await paired(ann, bob)
    await ann.say('421["message","a"]', '42["message",{"message":"b"}]')
    assert await ann.heard() == '431[{"ok":true}]'
    assert [await bob.event(), await bob.event()] == [("message", "a"), ("message", "b")]
    await bob.say("41")
    assert await ann.event() == ("partner_left", {"reason": "disconnected"})
    assert await bob.heard() == "1"
    await ann.say("1")


async def test_a_poll_whose_peer_leaves_ends_the_session_at_once(
    server: Server, http: aiohttp.ClientSession
) -> None:
    ann, bob = await Poller.connected(http), await Poller.connected(http)
    await paired(ann, bob)
    poll = asyncio.ensure_future(bob.poll())
    session = server.app[ENGINE].sessions[bob.sid]
    await until(lambda: session.is_polled)
    poll.cancel()
    assert await ann.event() == ("partner_left", {"reason": "disconnected"})
    assert (await bob.poll())[0] == 400
    await ann.say("1")


async def test_one_poll_and_one_body_at_a_time(server: Server, http: aiohttp.ClientSession) -> None:
    ann = await Poller.connected(http)
    session = server.app[ENGINE].sessions[ann.sid]
    first = asyncio.ensure_future(ann.poll())
    await until(lambda: session.is_polled)
    assert (await ann.poll())[0] == 400
    await ann.say('421["search"]')
    assert await first == (200, '431[{"ok":true}]')

    held = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'422["sea'
        await held.wait()
        yield b'rch"]'

    slow = asyncio.ensure_future(_post(http, ann, slowly()))
    await until(lambda: session.is_posting)
    assert (await ann.post(b'423["search"]'))[0] == 400
    held.set()
    assert await slow == 200
    assert await ann.heard() == '432[{"ok":true}]'  # whole, though it came in two pieces
    await ann.say("1")


async def _post(http: aiohttp.ClientSession, poller: Poller, body: Any) -> int:
    async with http.post(PATH, params=poller.asked, data=body) as answer:
        return answer.status


async def test_a_body_that_is_too_big_compressed_or_no_utf_8_is_refused(
    http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    for sent_as in (lambda body: body, _in_chunks):
        ann = await Poller.connected(http)
        assert await _post(http, ann, sent_as(b"4" * (PACKET_BYTES_MAX + 1))) == 413
        assert await ann.heard() == "1"
        assert (await ann.poll())[0] == 400
    bob = await Poller.connected(http)
    for packed in (gzip.compress(b'42["search"]'), b"no gzip at all"):
        answer = http.post(PATH, params=bob.asked, data=packed, headers={"Content-Encoding": "gzip"})
        assert await refusal(answer) == (415, "unsupported_media_type")
    assert (await bob.post(b"\xff"))[0] == 400
    assert await bob.heard() == "1"
    full = await Poller.connected(http)
    most = '42["message","' + "x" * (PACKET_BYTES_MAX - 16) + '"]'
    await full.say(most)
    assert (await full.event())[1]["code"] == "wrong_state"
    await full.say("1")
    assert "Traceback" not in caplog.text


async def _in_chunks(body: bytes) -> AsyncIterator[bytes]:
    for n in range(0, len(body), 1000):
        yield body[n : n + 1000]


async def test_who_does_not_poll_any_more_is_gone() -> None:
    async with limited(socket=SocketLimits(progress_s=0.5)) as (server, http):
        await Poller.opened(http)
        await gone(server)
        await Poller.connected(http)
        await gone(server)


async def test_who_leaves_too_much_unread_is_closed() -> None:
    socket = SocketLimits(outbox_bytes_max=20_000, close_s=0.05)
    async with limited(socket=socket, rate_limits=False) as (server, http):
        ann, bob = await Poller.connected(http), await Poller.connected(http)
        await paired(ann, bob)
        for _ in range(25):
            await ann.say(f'42["message","{"x" * 1000}"]')
        assert await ann.event() == ("partner_left", {"reason": "disconnected"})
        await gone(server, 1)
        await ann.say("1")


# WebSocket, and the change to it


async def test_a_session_moves_to_a_websocket(http: aiohttp.ClientSession) -> None:
    ann = await Poller.connected(http)
    wire = await websocket(http, sid=ann.sid)
    poll = asyncio.ensure_future(ann.poll())
    await wire.send_str("2probe")
    assert await said(wire) == "3probe"
    assert await poll == (200, "6")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:  # one at a time
        await websocket(http, sid=ann.sid)
    assert refused.value.status == 400
    await ann.say('421["search"]')  # what is sent meanwhile the old way counts
    await wire.send_str("5")
    assert await said(wire) == '431[{"ok":true}]'
    await wire.send_str('422["skip"]')
    assert await said(wire) == '432[{"ok":true}]'
    assert (await ann.poll())[0] == 400
    assert (await ann.post(b'42["search"]'))[0] == 400
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await websocket(http, sid=ann.sid)
    await wire.close()


@pytest.mark.parametrize("probe", ["2", "2probed", "5", "40", "", "x", '42["search"]'])
async def test_a_probe_that_is_none_changes_nothing(http: aiohttp.ClientSession, probe: str) -> None:
    ann = await Poller.connected(http)
    wire = await websocket(http, sid=ann.sid)
    await wire.send_str(probe)
    assert await close_of(wire) == 1002
    await ann.say('421["search"]')
    assert await ann.heard() == '431[{"ok":true}]'
    again = await websocket(http, sid=ann.sid)
    await again.send_str("2probe")
    assert await said(again) == "3probe"
    await again.send_str("4")
    assert await close_of(again) == 1002
    await ann.say('422["search"]')
    assert await ann.heard() == '432[{"ok":true}]'
    await ann.say("1")


async def test_a_probe_that_says_nothing_ends(
    http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_websocket, "PROBE_S", 0.05)
    ann = await Poller.connected(http)
    silent = await websocket(http, sid=ann.sid)
    assert await close_of(silent) == 1002
    half = await websocket(http, sid=ann.sid)
    await half.send_str("2probe")
    assert await close_of(half) == 1002
    await ann.say('421["search"]')
    assert await ann.heard() == '431[{"ok":true}]'
    await ann.say("1")


async def test_a_session_that_ends_takes_its_probe_along(server: Server, http: aiohttp.ClientSession) -> None:
    ann = await Poller.connected(http)
    wire = await websocket(http, sid=ann.sid)
    await wire.send_str("2probe")
    assert await said(wire) == "3probe"
    await ann.say("1")
    await close_of(wire)
    await server.app[ENGINE].finished()


async def test_frames_that_are_too_big_close_a_websocket(http: aiohttp.ClientSession) -> None:
    wire = await connected(http)
    await wire.send_str("4" * (PACKET_BYTES_MAX + 1))
    assert await close_of(wire) == 1009
    binary = await connected(http)
    await binary.send_bytes(bytes(PACKET_BYTES_MAX + 1))
    assert await close_of(binary) == 1009


async def test_a_goodbye_over_a_websocket(server: Server, http: aiohttp.ClientSession) -> None:
    for goodbye in ("1", "41"):
        wire = await connected(http)
        await wire.send_str(goodbye)
        assert await close_of(wire) == 1000
        await gone(server)


# Binary, rates, deadlines


async def test_attachments_are_passed_over(http: aiohttp.ClientSession) -> None:
    wire = await connected(http)
    for n in range(20):  # each packet is one mistake, its attachments are none
        if n % 9 == 8:
            await wire.close()
            wire = await connected(http)
        packet = f'45{n % 11}-{n}["message",{{"_placeholder":true,"num":0}}]'
        await wire.send_str(packet)
        for _ in range(n % 11):
            await wire.send_bytes(b"x" * 1000)
        answer = await said(wire)
        assert answer.startswith(f'43{n}[{{"ok":false,"code":"bad_request"')
    await wire.send_str('4521["message"]')
    assert "bad_request" in await said(wire)
    await wire.close()


async def test_attachments_that_nobody_announced_are_counted(http: aiohttp.ClientSession) -> None:
    wire = await connected(http)
    await wire.send_str('459999999999-["message",{"_placeholder":true,"num":0}]')
    for _ in range(9):
        await wire.send_bytes(b"x")
    assert await close_of(wire) == 3509


async def test_who_is_fast_is_told_so_by_the_acknowledgement() -> None:
    pump = PumpLimits(frames=Rate(per_second=0.001, burst=2.0))
    async with limited(pump=pump) as (_, http):
        wire = await connected(http)
        await wire.send_str('421["search"]')
        assert await said(wire) == '431[{"ok":true}]'
        await wire.send_str('427["search"]')
        answer = await said(wire)
        assert answer.startswith('437[{"ok":false,"code":"too_many"')
        await wire.send_str('42["search"]')
        assert (await said(wire)).startswith('42["error",{"code":"too_many"')
        await wire.close()


@pytest.mark.parametrize("ways", ["polling", "websocket"])
async def test_who_never_says_connect_is_closed(ways: str) -> None:
    async with limited(pump=PumpLimits(first_command_s=0.1)) as (server, http):
        if ways == "polling":
            ann = await Poller.opened(http)
            assert [await ann.heard(), await ann.heard()] == ["41", "1"]
        else:
            wire = await websocket(http)
            assert await close_of(wire) == 3502
        await gone(server)


@pytest.mark.parametrize("ways", ["polling", "websocket"])
async def test_pings_want_pongs(ways: str) -> None:
    async with limited(pump=PumpLimits(ping_s=0.05, pong_s=1.0)) as (server, http):
        if ways == "polling":
            ann = await Poller.connected(http)
            assert (await ann.poll())[1] == "2"
            await ann.say("3")
            assert (await ann.poll())[1] == "2"
            assert await ann.heard() == "1"
        else:
            wire = await connected(http)
            assert await wire.receive_str() == "2"
            await wire.send_str("3")
            assert await wire.receive_str() == "2"
            assert await close_of(wire) == 3012
        await gone(server)


@pytest.mark.parametrize("ways", ["polling", "websocket"])
async def test_more_than_can_be_done_at_once_waits_and_is_answered_in_order(
    http: aiohttp.ClientSession, ways: str
) -> None:
    packets = [f'42{n}["search"]' for n in range(3 * INBOX_MAX)]
    answers = [f'43{n}[{{"ok":true}}]' for n in range(3 * INBOX_MAX)]
    if ways == "polling":
        ann = await Poller.connected(http)
        posting = asyncio.ensure_future(ann.say(*packets))
        assert [await ann.heard() for _ in packets] == answers
        await posting
        await ann.say("1")
    else:
        wire = await connected(http)
        for packet in packets:
            await wire.send_str(packet)
        assert [await said(wire) for _ in packets] == answers
        await wire.close()


async def test_a_drain_tells_everybody_to_come_back() -> None:
    async with limited() as (server, http):
        ann, bob = await Poller.connected(http), await connected(http)
        draining = asyncio.ensure_future(close_sockets(server.pumps, spread_s=0.0))
        assert await ann.heard() == "1"
        assert await close_of(bob) == 3001
        await draining
        assert await refusal(http.get(PATH, params=asked())) == (503, "unavailable")


async def test_a_bug_of_ours_ends_one_connection_and_says_nothing_of_what_was_sent(
    server: Server, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("canary")

    ann, bob = await Poller.connected(http), await connected(http)
    with capture_logs() as lines:
        monkeypatch.setattr(SOCKET_IO, "received", fails)
        await ann.say('42["search"]')
        await bob.send_str('42["search"]')
        assert await ann.heard() == "1"
        assert await close_of(bob) == 3004
        monkeypatch.undo()
    assert [line["event"] for line in lines].count("receiver_failed") == 2
    assert "canary" not in str(lines)
    await (await Poller.connected(http)).say("1")


async def test_who_never_reads_a_websocket_is_closed_and_the_partner_is_told() -> None:
    limits = SocketLimits(outbox_bytes_max=64 * 1024, close_s=0.05)
    async with limited(socket=limits, rate_limits=False) as (server, http):
        ann = await connected(http)
        host, _, port = server.url.removeprefix("http://").partition(":")
        deaf = socket.create_connection((host, int(port)))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        handshake = (
            f"GET {PATH}?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}:{port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        deaf.sendall(handshake.encode() + masked(0x1, b"40") + masked(0x1, b'42["search"]'))
        await ann.send_str('42["search"]')
        assert (await said(ann)).startswith('42["matched"')
        answer, sent = "", 0
        while not answer.startswith('42["partner_left"'):
            assert sent < 50_000
            for _ in range(100):
                await ann.send_str(f'42["message","{"x" * 1000}"]')
            await ann.send_str('421["message","answered"]')
            answer, sent = await said(ann), sent + 100
        assert answer == '42["partner_left",{"reason":"disconnected"}]'
        deaf.close()
        await ann.close()
        await gone(server)


async def test_messages_and_searches_of_a_person_have_a_rate() -> None:
    async with limited() as (server, http):
        ann, bob = await connected(http), await Poller.connected(http)
        await ann.send_str('42["search"]')
        await bob.say('42["search"]')
        assert (await said(ann)).startswith('42["matched"')
        for n in range(21):
            await ann.send_str(f'42{n}["message","{n}"]')
        answers = [json.loads((await said(ann))[2 + len(str(n)) :])[0] for n in range(21)]
        assert [answer["ok"] for answer in answers] == [True] * 20 + [False]
        assert answers[20]["code"] == "too_many"
        for n in range(10):
            await bob.say(f'42{n}["search"]')
        heard = [await bob.heard() for _ in range(1 + 20 + 10)]
        assert heard[0].startswith('42["matched"')
        assert sum('"message"' in packet and "too_many" not in packet for packet in heard) == 20
        assert sum('"code":"too_many"' in packet for packet in heard) == 1  # the eleventh search
        await ann.close()
        await bob.say("1")
        await gone(server)
