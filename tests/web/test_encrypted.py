"""A server that keeps texts encrypted: all goes as ever, but for search."""

# ruff: noqa: ASYNC240 - a test looks at its own files

from pathlib import Path

import aiohttp

from tests.support.servers import PASSWORD, serving, settings

KEY = "a random key 7Qx9 zK3mW8vT1pL5 of the tests"


async def test_people_sign_in_by_their_address_and_read_what_was_written_but_cannot_search(
    tmp_path: Path,
) -> None:
    chosen = settings(database_url=f"sqlite:///{tmp_path / 'parley.db'}", message_keys=(KEY,))
    names = {"username": "ann", "email": "Canary51@example.org", "password": PASSWORD}
    async with serving(chosen) as server, aiohttp.ClientSession(server.url) as http:
        async with http.post("/api/auth/register", json=names) as answer:
            assert answer.status == 201
        async with http.post("/api/auth/register", json={**names, "username": "bob"}) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (409, "email_taken")
        by_address = {"username": "canary51@EXAMPLE.org", "password": PASSWORD}
        async with http.post("/api/auth/login", json=by_address) as answer:
            found = await answer.json()
            assert found["user"]["email"] == "Canary51@example.org"
        bearer = {"Authorization": f"Bearer {found['access_token']}"}
        async with http.get("/api/channels/general", headers=bearer) as answer:
            home = (await answer.json())["id"]
        said = {"content": "canary51 said", "client_id": "1"}
        for status in (201, 200):
            async with http.post(f"/api/conversations/{home}/messages", json=said, headers=bearer) as answer:
                assert (answer.status, (await answer.json())["content"]) == (status, "canary51 said")
        async with http.get("/api/messages?channel=general", headers=bearer) as answer:
            assert [one["content"] for one in (await answer.json())["items"]] == ["canary51 said"]
        async with http.get("/api/search?q=canary51", headers=bearer) as answer:
            error = (await answer.json())["error"]
            assert (answer.status, error["code"], error["retry"]) == (409, "search_off", False)
    files = [file.read_bytes().lower() for file in tmp_path.iterdir()]
    assert files
    assert not any(b"canary51" in file for file in files)
