"""Messages over HTTP: posted once, changed, reacted to, paged through both ways, and found."""

from typing import Any

import pytest

from chat_web.api import schemas
from tests.support.http_clients import HttpClient, RunningServer, code

NOWHERE = "018bcfe5-6800-7e80-ba59-b849de305d16"


def contents(page: Any) -> list[str]:
    return [message["content"] for message in page["items"]]


async def test_a_message_looks_as_the_contract_says(ann: HttpClient) -> None:
    channel = await ann.channel("cats")
    message = await ann.says(channel["id"], "  <b>hi</b>\n\t")
    assert message.keys() == set(schemas.Message.__annotations__)
    assert (message["content"], message["channel"], message["seq"]) == ("  <b>hi</b>\n\t", "cats", 2)
    assert message["author"] == {"id": ann.person.id, "username": "ann", "display_name": "ann"}
    assert message["created_at"].endswith("Z")
    assert len(message["created_at"]) == len("2026-01-01T12:00:00.000Z")


async def test_the_same_client_id_is_the_same_message(ann: HttpClient, bob: HttpClient) -> None:
    channel = await ann.channel("cats", bob)
    path = f"/api/conversations/{channel['id']}/messages"
    body = {"content": "hi", "client_id": "c-1"}
    status, first = await ann.post(path, body)
    assert status == 201
    assert await ann.post(path, body) == (200, first)
    status, answer = await ann.post(path, {**body, "content": "other"})
    assert (status, code(answer)) == (409, "client_id_reused")
    status, theirs = await bob.post(path, body)
    assert (status, theirs["id"] == first["id"]) == (201, False)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"content": ""}, 422),
        ({"content": " \n"}, 422),
        ({"content": "a" * 1001}, 422),
        ({"content": "a\x00b"}, 422),
        ({"content": "hi", "client_id": ""}, 422),
        ({"content": "hi", "client_id": "c" * 129}, 422),
        ({"content": "hi", "attachments": ["a"] * 11}, 422),
        ({"content": "hi", "attachments": "a"}, 422),
        ({"content": "hi", "reply_to": NOWHERE}, 404),
        ({"content": "a" * 70_000}, 413),
    ],
)
async def test_what_cannot_be_posted(ann: HttpClient, body: dict[str, Any], status: int) -> None:
    channel = await ann.channel("cats")
    assert (await ann.post(f"/api/conversations/{channel['id']}/messages", body))[0] == status
    assert contents((await ann.get("/api/messages"))[1]) == []


@pytest.mark.parametrize(
    ("raw", "headers", "status", "said"),
    [
        (b"", {}, 400, "bad_request"),
        (b"{", {"Content-Type": "application/json"}, 400, "bad_request"),
        (b"\xff", {"Content-Type": "application/json"}, 400, "bad_request"),
        (b'{"content":"hi"}', {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b'{"content":"hi"}', {}, 415, "unsupported_media_type"),
        (
            b'{"content":"hi"}',
            {"Content-Type": "application/json", "Content-Encoding": "gzip"},
            415,
            "unsupported_media_type",
        ),
        (b"[" * 100 + b"]" * 100, {"Content-Type": "application/json"}, 400, "bad_request"),
        (b'{"content":NaN}', {"Content-Type": "application/json"}, 400, "bad_request"),
    ],
)
async def test_a_body_that_is_none(
    ann: HttpClient, raw: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    channel = await ann.channel("cats")
    path = f"/api/conversations/{channel['id']}/messages"
    found, answer = await ann.asks("POST", path, data=raw, headers=headers)
    assert (found, code(answer)) == (status, said)


async def test_who_is_no_member_posts_nothing_and_learns_nothing(ann: HttpClient, bob: HttpClient) -> None:
    public, private = await ann.channel("cats"), await ann.channel("team", private=True)
    status, answer = await bob.post(f"/api/conversations/{public['id']}/messages", {"content": "hi"})
    assert (status, code(answer)) == (403, "not_member")
    body = {"content": "hi"}
    hidden = await bob.post(f"/api/conversations/{private['id']}/messages", body)
    assert hidden == await bob.post(f"/api/conversations/{NOWHERE}/messages", body)
    assert (hidden[0], code(hidden[1])) == (404, "unknown_room")


async def test_an_author_edits_and_deletes_and_moderators_delete(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    cat = await home.user("cat")
    channel = await ann.channel("cats", bob, cat)
    message = await bob.says(channel["id"], "hi")
    path = f"/api/messages/{message['id']}"
    status, edited = await bob.patch(path, {"content": "hi all"})
    assert (status, edited["content"], edited["edited_at"] is None) == (200, "hi all", False)
    for who in (ann, cat):
        assert code((await who.patch(path, {"content": "no"}))[1]) == "not_yours"
    assert code((await cat.delete(path))[1]) == "not_yours"
    assert await ann.delete(path) == (204, None)
    assert await bob.delete(path) == (204, None)
    assert code((await bob.patch(path, {"content": "again"}))[1]) == "wrong_state"
    _, page = await bob.get("/api/messages", channel="cats")
    assert [(one["deleted"], one["content"]) for one in page["items"]] == [(True, "")]


async def test_reactions_come_and_go(ann: HttpClient, bob: HttpClient) -> None:
    channel = await ann.channel("cats", bob)
    message = await ann.says(channel["id"], "hi")
    path = f"/api/messages/{message['id']}/reactions/👍"
    for _ in range(2):
        assert await bob.put(path) == (200, {"reactions": {"👍": [bob.person.id]}})
    assert await ann.put(path) == (200, {"reactions": {"👍": [bob.person.id, ann.person.id]}})
    assert await bob.delete(path) == (200, {"reactions": {"👍": [ann.person.id]}})
    assert (await bob.put(f"/api/messages/{message['id']}/reactions/{'x' * 33}"))[0] == 422


async def test_a_message_that_one_may_not_see_is_not_there(ann: HttpClient, bob: HttpClient) -> None:
    channel = await ann.channel("team", private=True)
    message = await ann.says(channel["id"], "hi")
    for method, rest, body in (
        ("PATCH", "", {"content": "x"}),
        ("DELETE", "", None),
        ("PUT", "/reactions/x", None),
        ("DELETE", "/reactions/x", None),
    ):
        hidden = await bob.asks(method, f"/api/messages/{message['id']}{rest}", body)
        assert hidden == await bob.asks(method, f"/api/messages/{NOWHERE}{rest}", body)
        assert (hidden[0], code(hidden[1])) == (404, "unknown_message")


async def test_a_read_mark_is_kept(home: RunningServer, ann: HttpClient, bob: HttpClient) -> None:
    channel = await ann.channel("team", private=True)
    await ann.says(channel["id"], "hi")
    path = f"/api/conversations/{channel['id']}/read"
    assert await ann.put(path, {"seq": 2}) == (204, None)
    assert await home.world.store.read_marks(channel["id"]) == {ann.person.id: 2}
    for seq in (3, -1, 2**60, "2"):
        assert (await ann.put(path, {"seq": seq}))[0] in (400, 422)
    assert (await bob.put(path, {"seq": 1}))[0] == 404


@pytest.mark.parametrize("query", [{"channel": "cats"}, {}], ids=["one channel", "all channels"])
async def test_pages_go_both_ways_without_holes_or_doubles(
    home: RunningServer, ann: HttpClient, query: dict[str, str]
) -> None:
    cats, dogs = await ann.channel("cats"), await ann.channel("dogs")
    for number in range(7):
        await ann.says(cats["id"], f"cats {number}")
        if not query:
            await ann.says(dogs["id"], f"dogs {number}")
            await home.world.advance(0.5)
    _, whole = await ann.get("/api/messages", **query, limit=100)
    assert (whole["next"], whole["previous"]) == (None, None)
    assert len(whole["items"]) == (7 if query else 14)
    _, page = await ann.get("/api/messages", **query, limit=3)
    assert (contents(page), page["next"]) == (contents(whole)[-3:], None)
    back = contents(page)
    while page["previous"] is not None:
        _, page = await ann.get("/api/messages", **query, limit=3, before=page["previous"])
        assert page["next"] is not None
        back = contents(page) + back
    assert back == contents(whole)
    forward = contents(page)
    while page["next"] is not None:
        _, page = await ann.get("/api/messages", **query, limit=3, after=page["next"])
        forward += contents(page)
    assert forward == contents(whole)


async def test_ones_own_messages_are_newest_first(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    channel = await ann.channel("cats", bob)
    for number in range(5):
        await ann.says(channel["id"], f"ann {number}")
        await bob.says(channel["id"], f"bob {number}")
        await home.world.advance(1)
    _, whole = await ann.get("/api/messages/me")
    assert contents(whole) == [f"ann {number}" for number in (4, 3, 2, 1, 0)]
    _, first = await ann.get("/api/messages/me", limit=2)
    assert (contents(first), first["previous"]) == (["ann 4", "ann 3"], None)
    _, second = await ann.get("/api/messages/me", limit=2, after=first["next"])
    assert contents(second) == ["ann 2", "ann 1"]
    _, third = await ann.get("/api/messages/me", limit=2, after=second["next"])
    assert (contents(third), third["next"]) == (["ann 0"], None)
    _, again = await ann.get("/api/messages/me", limit=2, before=third["previous"])
    assert contents(again) == ["ann 2", "ann 1"]


async def test_a_page_goes_in_one_direction_from_a_cursor_of_its_list(ann: HttpClient) -> None:
    channel = await ann.channel("cats")
    for number in range(3):
        await ann.says(channel["id"], str(number))
    _, page = await ann.get("/api/messages", channel="cats", limit=1)
    cursor = page["previous"]
    status, answer = await ann.get("/api/messages", channel="cats", before=cursor, after=cursor)
    assert (status, answer["error"]["fields"].keys()) == (422, {"after"})
    for path in ("/api/messages", "/api/messages/me"):
        status, answer = await ann.get(path, before=cursor)
        assert (status, answer["error"]["fields"].keys()) == (422, {"before"})
    assert (await ann.get("/api/messages", channel="none"))[0] == 404


async def test_a_search_finds_what_one_may_read(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    public, private = await ann.channel("cats"), await ann.channel("team", private=True)
    for number, channel in enumerate((public, private, public)):
        await ann.says(channel["id"], f"The CAT sat {number}")
        await home.world.advance(1)
    _, found = await ann.get("/api/search", q="cat")
    assert contents(found) == [f"The CAT sat {number}" for number in (2, 1, 0)]
    assert found["next"] is None
    _, found = await bob.get("/api/search", q="cat")
    assert contents(found) == ["The CAT sat 2", "The CAT sat 0"]
    _, first = await bob.get("/api/search", q="cat", limit=1)
    _, second = await bob.get("/api/search", q="cat", limit=1, before=first["next"])
    assert (contents(first) + contents(second), second["next"]) == (contents(found), None)
    for within in ("team", private["id"]):
        _, found = await ann.get("/api/search", **{"q": "cat", "in": within, "from": "ANN"})
        assert contents(found) == ["The CAT sat 1"]
        assert (await bob.get("/api/search", **{"q": "cat", "in": within}))[0] == 404
    _, found = await ann.get("/api/search", **{"q": "cat", "from": "bob"})
    assert contents(found) == []
    _, found = await ann.get("/api/search", q="cat", before="2000-01-01")
    assert contents(found) == []
    _, found = await ann.get("/api/search", q="cat", before="2999-01-01T00:00:00Z")
    assert len(found["items"]) == 3


@pytest.mark.parametrize("query", [{}, {"q": ""}, {"q": " "}, {"q": "x" * 201}, {"q": "x", "before": "now"}])
async def test_what_cannot_be_searched(ann: HttpClient, query: dict[str, str]) -> None:
    status, answer = await ann.get("/api/search", **query)
    assert (status, code(answer)) == (422, "invalid")
