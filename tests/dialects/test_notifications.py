"""P3's notifications over a real server: to every device, and once to the next one when there was none."""

import aiohttp
import pytest

from chat_core.model.limits import NOTIFICATIONS_KEPT_MAX
from chat_web.app_keys import CHAT
from tests.support.dialect_sockets import DialectServer, Socket
from tests.support.http_clients import HttpClient


async def listens(here: DialectServer, caller: HttpClient) -> Socket:
    return await here.joins(caller, "/ws/notifications")


async def two(here: DialectServer) -> tuple[HttpClient, HttpClient]:
    return await here.user("ann"), await here.user("bob")


async def test_whoever_is_invited_hears_of_it_on_every_device(here: DialectServer) -> None:
    ann, bob = await two(here)
    devices = [await listens(here, bob) for _ in range(3)]
    asker = await listens(here, ann)
    _, room = await ann.post("/chat/rooms", {"with": "bob"})
    for device in devices:
        (invited,) = await device.seen()
        assert invited == {
            "type": "invited",
            "room_id": room["id"],
            "room": {**room, "me": {"id": bob.person.id}},
            "from": {"id": ann.person.id, "username": "ann", "display_name": "ann"},
            "at": room["created_at"],
        }
    assert await asker.seen() == []
    later = await listens(here, bob)
    assert await later.seen() == []


async def test_who_is_paired_and_what_becomes_of_it(here: DialectServer) -> None:
    ann, bob = await two(here)
    one, other = await listens(here, ann), await listens(here, bob)
    await ann.post("/chat/rooms", {})
    _, room = await bob.post("/chat/rooms", {})
    for socket in (one, other):
        found, started = await socket.sees("match_found", "countdown_started")
        assert found["room_id"] == started["room_id"] == room["id"]
        assert started["room"]["state"] == "COUNTDOWN"
    await ann.post(f"/chat/keep/{room['id']}")
    (asked,) = await other.sees("keep_request")
    assert asked["from"]["username"] == "ann"
    assert await one.seen() == []
    await here.advance(300)
    for socket in (one, other):
        (decision,) = await socket.sees("decision")
        assert (decision["room"]["state"], decision["room"]["remaining"]) == ("NOTIFICATION", 30.0)
    await bob.post(f"/simple-countdown/response/{room['id']}", {"response": "keep"})
    (kept,) = (await one.seen())[1:]
    assert (kept["type"], kept["room"]["outcome"]) == ("room_kept", "kept")
    await other.sees("room_kept")
    await bob.post(f"/simple-countdown/response/{room['id']}", {"response": "end"})
    (ended,) = await one.sees("room_ended")
    assert "from" not in ended
    await other.sees("room_ended")


async def test_what_came_while_no_device_was_there_comes_first_and_once(here: DialectServer) -> None:
    ann, bob = await two(here)
    room = (await ann.post("/chat/rooms", {"with": "bob"}))[1]["id"]
    await ann.post(f"/simple-countdown/start/{room}")
    await here.advance(331)
    device = await listens(here, bob)
    invited, started, decision, ended = await device.sees(
        "invited", "countdown_started", "decision", "room_ended"
    )
    assert invited["from"]["username"] == "ann"
    assert [frame["room"]["state"] for frame in (invited, started, decision, ended)] == [
        "IDLE",
        "COUNTDOWN",
        "NOTIFICATION",
        "ENDED",
    ]
    assert started["room"]["remaining"] == 0.0
    assert started["at"] < decision["at"] < ended["at"]
    await device.close()
    assert await (await listens(here, bob)).seen() == []
    first = await listens(here, ann)
    second = await listens(here, ann)
    await first.sees("countdown_started", "decision", "room_ended")
    assert await second.seen() == []


async def test_other_connections_are_no_device_that_shows_notifications(here: DialectServer) -> None:
    ann, bob = await two(here)
    chat = await here.p1(bob)
    await chat.seen()
    room = (await ann.post("/chat/rooms", {"with": "bob"}))[1]["id"]
    talk = await here.joins(bob, f"/ws/chat/{room}")
    await talk.seen()
    assert await chat.seen() == []
    device = await listens(here, bob)
    await device.sees("invited")


async def test_a_page_of_parley_is_a_device_too(here: DialectServer) -> None:
    ann, bob = await two(here)
    page = await here.joins(HttpClient(bob.http, bob.person, None), "/connection/websocket")
    await page.say({"id": 1, "connect": {"token": bob.token}})
    await page.seen()
    await ann.post("/chat/rooms", {"with": "bob"})
    (push,) = await page.seen()
    assert push["push"]["pub"]["data"]["type"] == "invited"
    device = await listens(here, bob)
    assert await device.seen() == []


async def test_a_device_that_came_back_hears_only_what_came_meanwhile(here: DialectServer) -> None:
    ann, bob = await two(here)
    device = await listens(here, bob)
    room = (await ann.post("/chat/rooms", {"with": "bob"}))[1]["id"]
    await device.sees("invited")
    await device.drop()
    await ann.post(f"/simple-countdown/start/{room}")
    again = await listens(here, bob)
    await here.advance(300)
    await again.sees("countdown_started", "decision")


async def test_only_the_newest_are_kept(here: DialectServer) -> None:
    ann, bob = await two(here)
    for _ in range(NOTIFICATIONS_KEPT_MAX + 5):
        room = (await ann.post("/chat/rooms", {"with": "bob"}))[1]["id"]
        await bob.post(f"/simple-countdown/response/{room}", {"response": "end"})
        await here.server.world.advance(1)
    kinds = [frame["type"] for frame in await (await listens(here, bob)).seen()]
    assert kinds == ["invited", "room_ended"] * (NOTIFICATIONS_KEPT_MAX // 2)


async def test_notices_outlive_a_restart(here: DialectServer) -> None:
    """Nothing is told twice, nothing is lost: the store knows what no device has heard."""
    ann, bob = await two(here)
    await ann.post("/chat/rooms", {"with": "bob"})
    store = here.server.app[CHAT].store
    assert [notification.key[2] for notification in await store.notifications_of(bob.person.id)] == [
        "invited"
    ]
    device = await listens(here, bob)
    await device.sees("invited")
    assert await store.notifications_of(bob.person.id) == []


async def test_nothing_is_asked_for_here(here: DialectServer) -> None:
    ann, _ = await two(here)
    device = await listens(here, ann)
    for _ in range(9):
        await device.say("{}")
    assert {frame["code"] for frame in await device.seen()} == {"bad_request"}
    await device.say("hi")
    await device.sees("bad_request", 3509)


async def test_no_token_no_notifications(here: DialectServer) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await here.server.http.ws_connect("/ws/notifications")
    assert refused.value.status == 401


async def test_strangers_notices_are_never_stored(here: DialectServer) -> None:
    callers = [await here.server.guest(name) for name in ("ann", "bob")]
    device = await listens(here, callers[0])
    for caller in callers:
        await (await here.joins(caller, "/ws/x")).seen()
    (found,) = await device.sees("match_found")
    assert callers[1].person.id not in str(found)
    store = here.server.app[CHAT].store
    assert [await store.notifications_of(caller.person.id) for caller in callers] == [[], []]


async def test_who_is_named_in_a_channel_hears_of_it(here: DialectServer) -> None:
    ann, bob = await here.user("ann", "general"), await here.user("bob", "general")
    channel = (await ann.get("/api/channels/general"))[1]["id"]
    message = await ann.says(channel, "@Bob, are you there?")
    device = await listens(here, bob)
    mention = {
        "type": "mention",
        "room_id": channel,
        "from": {"id": ann.person.id, "username": "ann", "display_name": "ann"},
        "at": message["created_at"],
    }
    assert await device.seen() == [mention]
    page = await here.joins(HttpClient(bob.http, bob.person, None), "/connection/websocket")
    await page.say({"id": 1, "connect": {"token": bob.token}})
    await page.seen()
    await ann.says(channel, "and @bob again; not @ann")
    assert [frame["type"] for frame in await device.seen()] == ["mention"]
    (push,) = await page.seen()
    assert push["push"]["pub"]["data"]["type"] == "mention"
    assert await (await listens(here, ann)).seen() == []


@pytest.mark.parametrize("is_here", [True, False])
async def test_nobody_is_named_by_who_is_blocked(here: DialectServer, is_here: bool) -> None:
    ann, bob = await here.user("ann", "general"), await here.user("bob", "general")
    chat = here.server.app[CHAT]
    channel = (await ann.get("/api/channels/general"))[1]["id"]
    await chat.store.block(bob.person.id, ann.person.id, chat.clock.now())
    device = await listens(here, bob) if is_here else None
    await ann.says(channel, "@bob!")
    device = device or await listens(here, bob)
    assert await device.seen() == []
