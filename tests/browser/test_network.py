"""Nothing a person wrote is lost: not to a reload, a dead network, or a server that starts again."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from chat_core.testing.postgres import Cluster
from tests.support.browser_network import Between
from tests.support.browser_visitors import Arrive, pair
from tests.support.killable_process import Servers

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOST = "WebSocket connection to|net::ERR_"
WORDS = re.compile(
    r"^Reconnecting\. Offline since \d\d:\d\d\. (Next try in \d+ s\.|Trying now\.)Retry now$", re.DOTALL
)


@pytest.mark.parametrize("lobby", ["talk", "timed"])
async def test_a_reload_comes_back_to_the_same_partner_with_the_draft(
    server_url: str, arrive: Arrive, lobby: str
) -> None:
    ann, bob = await arrive(server_url), await arrive(server_url)
    await pair(ann, bob, lobby)
    await ann.writes("before")
    await bob.reads("before")
    await ann.at("composer").fill("half a sent")
    await ann.page.reload()
    await ann.sees("room")
    await expect(ann.at("composer")).to_have_value("half a sent")
    await ann.reads("before")
    await bob.writes("after")
    await ann.reads("before", "after")
    await expect(ann.at("message").first).to_have_attribute("data-own", "true")
    await expect(bob.at("partner")).to_contain_text("online")


async def test_ten_messages_of_an_offline_minute_arrive_once_and_in_order(
    servers: Servers, arrive: Arrive, between: Between
) -> None:
    server = await servers.start(RESUME_SECONDS="60")
    network = await between(server.url)
    ann, bob = await arrive(network.url, forgiving=LOST), await arrive(server.url)
    await pair(ann, bob)
    await ann.writes("online")
    await bob.reads("online")

    network.cut()
    texts = [f"number {n}" if n % 4 else "the same" for n in range(10)]
    await ann.writes(*texts[:5])
    await expect(ann.at("banner")).to_have_text(WORDS)
    await expect(ann.at("composer")).to_be_enabled()
    await ann.writes(*texts[5:])
    await expect(ann.page.locator('[data-state="sending"]')).to_have_count(10)
    assert network.refused > 0
    await ann.at("retry-now").click()
    await expect(ann.at("banner")).to_have_text(WORDS)
    await bob.writes("are you there?")
    await bob.own_are_sent()

    network.mend()
    await ann.hears_of_the_network()
    await expect(ann.at("banner")).to_be_hidden()
    await bob.reads("online", "are you there?", *texts)
    await ann.reads("online", "are you there?", *texts)
    await ann.own_are_sent()
    await expect(ann.at("gap")).to_have_count(0)
    await expect(bob.at("partner")).to_contain_text("online")


async def test_an_answer_given_offline_arrives(servers: Servers, arrive: Arrive, between: Between) -> None:
    server = await servers.start(COUNTDOWN_SECONDS="1", NOTIFICATION_SECONDS="30", RESUME_SECONDS="1")
    network = await between(server.url)
    ann, bob = await arrive(network.url, forgiving=LOST), await arrive(server.url)
    await pair(ann, bob, "timed")
    await bob.at("keep").click()
    network.cut()
    await expect(ann.at("decision")).to_contain_text(re.compile(r"Reconnecting\. \d+ s left to answer\."))
    await ann.at("keep").click()
    await expect(bob.at("partner")).to_contain_text("lost connection")
    await expect(ann.at("result")).to_be_hidden()
    network.mend()
    await ann.hears_of_the_network()
    for one in (ann, bob):
        await expect(one.at("partner")).to_contain_text("online")
        await expect(one.at("result")).to_have_attribute("data-outcome", "kept")


async def test_who_stays_away_longer_than_the_grace_has_lost_the_connection(
    servers: Servers, arrive: Arrive, between: Between
) -> None:
    server = await servers.start(RESUME_SECONDS="1")
    network = await between(server.url)
    ann, bob = await arrive(network.url, forgiving=LOST), await arrive(server.url)
    await pair(ann, bob)
    await bob.at("composer").fill("I was about to say")
    network.cut()
    await ann.writes("into the void")
    await bob.outcome("partner-left", re.compile("lost the connection"))
    await expect(bob.at("unsent")).to_contain_text("I was about to say")
    await expect(bob.at("copy-draft")).to_be_focused()
    network.mend()
    await ann.hears_of_the_network()
    await ann.outcome("over", "This chat ended while you were away")
    await expect(ann.at("message")).to_contain_text("Not sent. The chat has ended.")
    await expect(ann.at("copy")).to_be_visible()
    await expect(ann.at("retry")).to_be_hidden()


@pytest.mark.parametrize("kept_in", ["sqlite", "postgresql"])
async def test_a_timed_room_outlives_the_server(
    request: pytest.FixtureRequest, servers: Servers, arrive: Arrive, kept_in: str
) -> None:
    database = "sqlite:///./parley.db"
    if kept_in == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgres")
        database = cluster.schema()
    settings = {"DATABASE_URL": database, "RESUME_SECONDS": "60"}
    server = await servers.start(**settings)
    ann, bob = await arrive(server.url, forgiving=LOST), await arrive(server.url, forgiving=LOST)
    await pair(ann, bob, "timed")
    await ann.writes("before")
    await bob.reads("before")
    port = str(urlsplit(server.url).port)
    await servers.stop(server)
    await expect(ann.at("banner")).to_be_visible()
    await ann.writes("meanwhile")
    await servers.start(PORT=port, **settings)
    await expect(ann.at("banner")).to_be_hidden()
    await bob.reads("before", "meanwhile")
    await bob.writes("after")
    for one in (ann, bob):
        await one.reads("before", "meanwhile", "after")
        await one.own_are_sent()
        await expect(one.at("countdown")).to_have_text(re.compile(r"4:[0-5]\d"))
        await expect(one.at("gap")).to_have_count(0)


async def test_a_session_that_ran_out_offers_a_new_one(server_url: str, arrive: Arrive) -> None:
    ann = await arrive(server_url, forgiving=r"status of 401")
    await ann.starts()
    await ann.sees("searching")
    await ann.at("cancel").click()
    await ann.page.evaluate(
        """() => {
            const kept = JSON.parse(sessionStorage.getItem('parley.session'));
            const over = { ...kept, due: 0, refresh_token: 'void' };
            sessionStorage.setItem('parley.session', JSON.stringify(over));
        }"""
    )
    await ann.page.reload()
    await expect(ann.at("banner")).to_contain_text(
        "Your session is no longer valid. You were away too long, or the session was ended elsewhere."
    )
    await ann.at("retry-now").click()
    await ann.sees("start")
    await ann.at("talk").click()
    await ann.sees("searching")
    bob = await arrive(server_url)
    await bob.starts()
    for one in (ann, bob):
        await one.sees("room")
