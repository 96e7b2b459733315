"""Rooms over HTTP: P4's list, and P3's rooms with a countdown, without any socket."""

from typing import Any

import pytest

from chat_web.api import schemas
from tests.support.http_clients import HttpClient, RunningServer, code

NOWHERE = "018bcfe5-6800-7e80-ba59-b849de305d16"
ROOM_FIELDS = set(schemas.Room.__annotations__) - {"you", "waiting_for"}


async def matched(ann: HttpClient, bob: HttpClient) -> str:
    """The id of the timed room of two who waited."""
    assert (await ann.post("/chat/rooms", {}))[0] == 202
    status, room = await bob.post("/chat/rooms", {})
    assert (status, room["state"]) == (201, "COUNTDOWN")
    return str(room["id"])


# P3: rooms and the line


async def test_who_waits_over_http_is_matched_with_the_next(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    assert await ann.get("/chat/queue") == (200, {"status": "idle"})
    status, waiting = await ann.post("/chat/rooms")
    assert (status, waiting["status"], waiting["position"]) == (202, "waiting", 1)
    assert await ann.get("/chat/queue") == (200, waiting)
    assert await ann.post("/chat/rooms", {}) == (202, waiting), "asked twice, the place stays"
    status, room = await bob.post("/chat/rooms", {"with": None})
    assert (status, room.keys()) == (201, ROOM_FIELDS)
    assert room["remaining"] == 300.0
    assert await ann.get("/chat/queue") == (200, {"status": "idle"})
    _, rooms = await ann.get("/chat/rooms")
    assert [one["id"] for one in rooms] == [room["id"]]
    status, again = await ann.post("/chat/rooms", {})
    assert (status, again["id"]) == (200, room["id"]), "one place in a lobby"


async def test_who_leaves_the_line_or_asks_no_more_is_in_it_no_longer(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    await ann.post("/chat/rooms", {})
    for _ in range(2):
        assert await ann.delete("/chat/queue") == (204, None)
    assert (await bob.post("/chat/rooms", {}))[0] == 202
    await home.world.advance(59)
    assert (await bob.get("/chat/queue"))[1]["status"] == "waiting"
    await home.world.advance(59)
    assert (await bob.get("/chat/queue"))[1]["status"] == "waiting", "each request counts"
    await home.world.advance(60)
    assert await bob.get("/chat/queue") == (200, {"status": "idle"})


async def test_a_room_with_somebody_is_made_once(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    status, room = await ann.post("/chat/rooms", {"with": "BOB"})
    assert (status, room["state"], room["deadline"]) == (201, "IDLE", None)
    assert [member["username"] for member in room["members"]] == ["ann", "bob"]
    status, same = await bob.post("/chat/rooms", {"with": "ann"})
    assert (status, same["id"]) == (200, room["id"])
    for who in (ann, bob):
        assert [one["id"] for one in (await who.get("/chat/rooms"))[1]] == [room["id"]]


async def test_who_blocked_the_caller_is_not_to_be_found(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    await home.world.store.block(bob.person.id, ann.person.id, 0.0)
    hidden = await ann.post("/chat/rooms", {"with": "bob"})
    assert hidden == await ann.post("/chat/rooms", {"with": "nobody"})
    assert (hidden[0], code(hidden[1])) == (404, "unknown_user")
    status, answer = await ann.post("/chat/rooms", {"with": "ann"})
    assert (status, answer["error"]["fields"].keys()) == (422, {"with"})
    guest = await home.guest()
    assert code((await guest.post("/chat/rooms", {"with": "ann"}))[1]) == "guests_may_not"
    assert (await guest.post("/chat/rooms", {}))[0] == 202, "lobbies are for guests too"


# P3: a room's life


async def test_both_keep_early(ann: HttpClient, bob: HttpClient) -> None:
    room = await matched(ann, bob)
    status, kept = await ann.post(f"/chat/keep/{room}")
    assert (status, kept["you"], kept["waiting_for"]) == (200, "keep", 1)
    assert await ann.post(f"/chat/keep/{room}") == (200, kept)
    status, mine = await bob.post(f"/chat/like/{room}", {"like": False})
    assert (status, mine["state"], mine["you"]) == (200, "COUNTDOWN", "declined")
    assert (await bob.post(f"/chat/like/{room}", {"like": False}))[0] == 200
    status, kept = await bob.post(f"/chat/like/{room}", {"like": True})
    assert (status, kept["state"], kept["outcome"], kept["waiting_for"]) == (200, "IDLE", "kept", 0)
    assert code((await ann.post(f"/chat/keep/{room}"))[1]) == "wrong_state"
    status, again = await ann.post(f"/simple-countdown/start/{room}")
    assert (status, again["state"], again["outcome"]) == (200, "COUNTDOWN", None)


async def test_nobody_asked(ann: HttpClient, bob: HttpClient) -> None:
    room = await matched(ann, bob)
    for like in (True, False):
        status, answer = await ann.post(f"/chat/like/{room}", {"like": like})
        assert (status, code(answer)) == (409, "nothing_to_answer")


async def test_a_decision_is_kept_by_both_or_ended_by_one(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    room = await matched(ann, bob)
    await home.world.advance(300)
    status, shown = await ann.get(f"/simple-countdown/status/{room}")
    assert (status, shown["state"], shown["remaining"]) == (200, "NOTIFICATION", 30.0)
    assert (await ann.post(f"/simple-countdown/response/{room}", {"response": "keep"}))[0] == 200
    status, ended = await bob.post(f"/simple-countdown/response/{room}", {"response": "end"})
    assert (status, ended["state"], ended["outcome"]) == (200, "ENDED", "ended")
    assert ended["reason"] == "ended_by_member"
    for path, body in (
        ("/chat/keep/{}", None),
        ("/simple-countdown/start/{}", None),
        ("/simple-countdown/response/{}", {"response": "end"}),
    ):
        status, answer = await ann.post(path.format(room), body)
        assert (status, code(answer)) == (409, "wrong_state"), path
    assert [one["state"] for one in (await ann.get("/chat/rooms"))[1]] == ["ENDED"]


async def test_a_countdown_is_started_once(ann: HttpClient, bob: HttpClient) -> None:
    _, room = await ann.post("/chat/rooms", {"with": "bob"})
    assert code((await ann.post(f"/chat/keep/{room['id']}"))[1]) == "wrong_state"
    status, started = await bob.post(f"/simple-countdown/start/{room['id']}")
    assert (status, started["state"], started["remaining"]) == (200, "COUNTDOWN", 300.0)
    status, answer = await ann.post(f"/simple-countdown/start/{room['id']}")
    assert (status, code(answer)) == (409, "wrong_state")


ROOM_ROUTES: list[tuple[str, str, Any]] = [
    ("POST", "/chat/keep/{}", None),
    ("POST", "/chat/like/{}", {"like": True}),
    ("POST", "/chat/like/{}", {"like": False}),
    ("POST", "/simple-countdown/start/{}", None),
    ("POST", "/simple-countdown/response/{}", {"response": "keep"}),
    ("POST", "/simple-countdown/response/{}", {"response": "end"}),
    ("GET", "/simple-countdown/status/{}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ROOM_ROUTES)
async def test_outsiders_find_no_room(home: RunningServer, method: str, path: str, body: Any) -> None:
    ann, bob, eve = [await home.user(name) for name in ("ann", "bob", "eve")]
    room = await matched(ann, bob)
    channel = await eve.channel("cats")
    hidden = await eve.asks(method, path.format(room), body)
    assert (hidden[0], code(hidden[1])) == (404, "unknown_room")
    for other in (NOWHERE, channel["id"], "x"):
        assert await eve.asks(method, path.format(other), body) == hidden
    assert (await ann.get(f"/simple-countdown/status/{room}"))[1]["state"] == "COUNTDOWN"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/chat/like/x", {}, "like"),
        ("/chat/like/x", {"like": "yes"}, "like"),
        ("/simple-countdown/response/x", {"response": "no"}, "response"),
        ("/chat/rooms", {"with": 5}, "with"),
        ("/chat/rooms", [], "body"),
    ],
)
async def test_an_answer_that_is_none(ann: HttpClient, path: str, body: object, field: str) -> None:
    status, answer = await ann.post(path, body)
    assert (status, answer["error"]["fields"].keys()) == (422, {field})


# P4


async def test_open_rooms_are_the_public_channels_and_ones_own_rooms(
    ann: HttpClient, bob: HttpClient
) -> None:
    status, made = await ann.post("/api/rooms", {"name": "cats"})
    assert (status, made["kind"], made["state"], made["member_count"]) == (201, "channel", None, 1)
    await ann.channel("team", private=True)
    room = await matched(ann, bob)
    status, listed = await ann.get("/api/rooms/")
    assert status == 200
    assert all(one.keys() == set(schemas.OpenRoom.__annotations__) for one in listed)
    assert [(one["name"], one["kind"], one["state"]) for one in listed] == [
        ("cats", "channel", None),
        ("general", "channel", None),
        (None, "room", "COUNTDOWN"),
    ]
    assert listed[-1]["id"] == room
    assert code((await bob.post("/api/rooms", {"name": "cats"}))[1]) == "channel_exists"
    assert (await bob.post("/api/rooms", {"name": "Cats"}))[0] == 422


async def test_messages_of_a_room_are_paged_by_seq(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    room = await matched(ann, bob)
    seqs = [(await ann.says(room, f"number {n}"))["seq"] for n in range(5)]
    path = f"/api/rooms/{room}/messages"

    async def page(**query: int) -> list[int]:
        status, messages = await bob.get(path, **query)
        assert status == 200
        return [message["seq"] for message in messages]

    assert await page() == seqs
    assert await page(limit=2) == seqs[-2:]
    assert await page(limit=2, before=seqs[3]) == seqs[1:3]
    assert await page(limit=2, after=seqs[1]) == seqs[2:4]
    assert await page(before=seqs[4], after=seqs[1]) == seqs[2:4]
    assert (await bob.get(path, before="x"))[0] == 422
    eve = await home.user("eve")
    hidden = await eve.get(path)
    assert hidden == await eve.get(f"/api/rooms/{NOWHERE}/messages")
    assert (hidden[0], code(hidden[1])) == (404, "unknown_room")
