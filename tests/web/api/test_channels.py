"""Channels over HTTP: made, listed, joined, left, handed over, and who may do what in them."""

import pytest

from chat_web.api import schemas
from tests.support.http_clients import HttpClient, RunningServer, code


async def test_a_channel_is_made_and_owned(ann: HttpClient) -> None:
    status, channel = await ann.post("/api/channels/", {"name": "cats", "description": "About cats"})
    assert status == 201
    assert channel.keys() == set(schemas.Channel.__annotations__)
    person = {"id": ann.person.id, "username": "ann", "display_name": "ann"}
    assert channel["owner"] == person
    assert (channel["members"], channel["member_count"], channel["private"]) == (["ann"], 1, False)
    assert await ann.get("/api/channels/cats") == (200, channel)
    assert await ann.get("/api/channels/cats/") == (200, channel)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "Cats"}, "name"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"name": "a" * 300}, "name"),
        ({"name": "cats", "description": "d" * 501}, "description"),
        ({"name": "cats", "private": "yes"}, "private"),
        ([], "body"),
        ("cats", "body"),
    ],
)
async def test_what_a_channel_cannot_be(ann: HttpClient, body: object, field: str) -> None:
    status, answer = await ann.post("/api/channels", body)
    assert (status, code(answer)) == (422, "invalid")
    assert answer["error"]["fields"].keys() == {field}
    assert await ann.get("/api/channels/me") == (200, {"items": [], "next": None})


async def test_a_name_is_one_channels(ann: HttpClient, bob: HttpClient) -> None:
    await ann.channel("cats")
    status, answer = await bob.post("/api/channels", {"name": "cats"})
    assert (status, code(answer)) == (409, "channel_exists")


async def test_channels_are_listed_by_name_a_page_at_a_time(ann: HttpClient, bob: HttpClient) -> None:
    for name in ("b", "d", "a_b"):
        await ann.channel(name)
    await ann.channel("c", private=True)
    names = []
    after: dict[str, str] = {}
    while True:
        status, page = await ann.get("/api/channels", limit=2, **after)
        assert status == 200
        assert len(page["items"]) <= 2
        names += [channel["name"] for channel in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert names == ["a_b", "b", "c", "d", "general"]
    _, page = await bob.get("/api/channels/")
    assert [channel["name"] for channel in page["items"]] == ["a_b", "b", "d", "general"]
    _, page = await bob.get("/api/channels", q="_")
    assert [channel["name"] for channel in page["items"]] == ["a_b"]
    _, page = await ann.get("/api/channels/me", limit=3)
    assert [channel["name"] for channel in page["items"]] == ["a_b", "b", "c"]
    _, page = await ann.get("/api/channels/me", limit=3, after=page["next"])
    assert ([channel["name"] for channel in page["items"]], page["next"]) == (["d"], None)


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "after=zz", "after=!", "after=MQ"])
async def test_what_a_list_cannot_be_asked(ann: HttpClient, query: str) -> None:
    status, answer = await ann.asks("GET", f"/api/channels?{query}")
    assert (status, code(answer)) == (422, "invalid")
    assert answer["error"]["fields"].keys() == {query.partition("=")[0]}


async def test_who_joins_and_leaves_gets_the_channel_also_twice(ann: HttpClient, bob: HttpClient) -> None:
    await ann.channel("cats")
    for _ in range(2):
        status, channel = await bob.post("/api/channels/cats/join")
        assert (status, channel["members"]) == (200, ["ann", "bob"])
    for _ in range(2):
        status, channel = await bob.post("/api/channels/cats/leave")
        assert (status, channel["members"]) == (200, ["ann"])


async def test_an_owner_leaves_by_handing_over(ann: HttpClient, bob: HttpClient) -> None:
    await ann.channel("cats", bob)
    for body in (None, {}, {"new_owner": "eve"}, {"new_owner": "ann"}):
        status, answer = await ann.post("/api/channels/cats/leave", body)
        assert (status, code(answer)) == (409, "owner_must_stay")
    status, channel = await ann.post("/api/channels/cats/leave", {"new_owner": "BOB"})
    assert (status, channel["owner"]["username"], channel["members"]) == (200, "bob", ["bob"])


async def test_a_private_channel_answers_outsiders_as_if_it_were_not_there(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    await ann.channel("secret", private=True)
    for method, rest, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/join", None),
        ("POST", "/leave", None),
        ("POST", "/leave", {"new_owner": "ann"}),
        ("POST", "/members", {"username": "bob"}),
        ("PUT", "/members/ann", {"role": "member"}),
        ("DELETE", "/members/ann", None),
    ):
        hidden = await bob.asks(method, f"/api/channels/secret{rest}", body)
        assert hidden == await bob.asks(method, f"/api/channels/nothing{rest}", body)
        assert (hidden[0], code(hidden[1])) == (404, "unknown_channel")


async def test_members_are_added_named_moderators_and_sent_out(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    cat = await home.user("cat")
    await ann.channel("team", bob, private=True)
    assert (await bob.get("/api/channels/team"))[0] == 200
    assert code((await bob.post("/api/channels/team/members", {"username": "cat"}))[1]) == "not_owner"
    status, channel = await ann.put("/api/channels/team/members/bob", {"role": "moderator"})
    assert (status, channel["name"]) == (200, "team")
    status, channel = await bob.post("/api/channels/team/members", {"username": "CAT"})
    assert (status, channel["members"]) == (200, ["ann", "bob", "cat"])
    assert code((await bob.put("/api/channels/team/members/cat", {"role": "moderator"}))[1]) == "not_owner"
    status, channel = await bob.delete("/api/channels/team/members/cat")
    assert (status, channel["members"]) == (200, ["ann", "bob"])
    assert (await cat.get("/api/channels/team"))[0] == 404
    assert code((await bob.delete("/api/channels/team/members/cat"))[1]) == "unknown_user"
    assert code((await ann.delete("/api/channels/team/members/ann"))[1]) == "owner_must_stay"
    for body in ({"role": "owner"}, {}, {"role": None}):
        status, answer = await ann.put("/api/channels/team/members/bob", body)
        assert (status, answer["error"]["fields"].keys()) == (422, {"role"})


async def test_who_is_added_must_be_there_and_not_have_blocked(
    home: RunningServer, ann: HttpClient, bob: HttpClient
) -> None:
    await ann.channel("team")
    missing = await ann.post("/api/channels/team/members", {"username": "eve"})
    assert (missing[0], code(missing[1])) == (404, "unknown_user")
    await home.world.store.block(bob.person.id, ann.person.id, 0.0)
    assert await ann.post("/api/channels/team/members", {"username": "bob"}) == missing


async def test_a_deleted_channel_is_gone_and_its_name_free(ann: HttpClient, bob: HttpClient) -> None:
    await ann.channel("cats", bob)
    assert code((await bob.delete("/api/channels/cats"))[1]) == "not_owner"
    assert await ann.delete("/api/channels/cats") == (204, None)
    assert (await bob.get("/api/channels/cats"))[0] == 404
    assert (await bob.post("/api/channels", {"name": "cats"}))[0] == 201


async def test_guests_read_public_channels_and_no_more(home: RunningServer, ann: HttpClient) -> None:
    guest = await home.guest()
    channel = await ann.channel("cats")
    await ann.says(channel["id"], "hello")
    assert (await guest.get("/api/channels/cats"))[0] == 200
    assert (await guest.get("/api/messages", channel="cats"))[0] == 200
    for method, path, body in (
        ("POST", "/api/channels", {"name": "dogs"}),
        ("POST", "/api/rooms", {"name": "dogs"}),
        ("POST", "/api/channels/cats/join", None),
        ("POST", f"/api/conversations/{channel['id']}/messages", {"content": "hi"}),
    ):
        status, answer = await guest.asks(method, path, body)
        assert (status, code(answer)) == (403, "guests_may_not"), path
