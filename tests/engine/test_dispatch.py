"""What one person may ask for: rates, the policy hook, and who is remembered."""

import pytest

from chat_core import Command, Config, MessagePosted, Person, Post, Refused, Search, Unavailable
from chat_core.engine.presence import people as people_module
from chat_core.model.commands import Skip
from chat_core.testing import World


async def test_messages_have_a_rate() -> None:
    async with World(Config(messages_per_second=1, messages_burst=3)) as world:
        ann, bob = await world.pair("ann", "bob")
        for number in range(3):
            await ann.says(f"{number}")
        refusal = await ann.is_refused(Post(conversation=ann.room, content="too fast"))
        assert (refusal.code, refusal.retry_after_s) == ("too_many", 1.0)
        await bob.says("mine is another")
        await world.advance(1)
        await ann.says("slower")


async def test_searches_have_a_rate_but_who_was_left_does_not_pay() -> None:
    async with World(Config(searches_per_minute=60, searches_burst=2)) as world:
        ann, bob = await world.pair("ann", "bob")
        await ann.skips()
        assert (await ann.is_refused(Skip(room=ann.room))).code == "too_many"
        assert (await ann.is_refused(Search(lobby="timed"))).code == "too_many"
        await bob.searches()
        await bob.searches(again=True)


async def test_a_policy_refuses_with_its_own_reason() -> None:
    def policy(person: Person, command: Command, *, now: float) -> None:
        if isinstance(command, Post) and "spam" in command.content:
            raise Refused("invalid", "No spam here.")

    async with World(Config(policy=policy)) as world:
        ann, bob = await world.pair("ann", "bob")
        refusal = await ann.is_refused(Post(conversation=ann.room, content="spam"))
        assert str(refusal) == "No spam here."
        bob.sees_no(MessagePosted)
        await ann.says("ham")


async def test_a_policy_that_breaks_lets_nobody_by(caplog: pytest.LogCaptureFixture) -> None:
    def policy(person: Person, command: Command, *, now: float) -> None:
        raise ZeroDivisionError

    async with World(Config(policy=policy)) as world:
        ann = await world.comes("ann")
        with pytest.raises(Unavailable):
            await ann.searches()
    assert "policy" in caplog.text


async def test_who_only_asked_is_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_module, "VISITORS_MAX", 3)
    async with World() as world:
        ann = await world.comes("ann")
        for name in ("bob", "cid", "dan", "eve"):
            visitor = world.chat.guest(name)
            with pytest.raises(Refused):
                await world.chat.do(visitor, Post(conversation="nowhere", content="hi"))
            await world.advance(60)
        assert len(list(world.chat.people)) == 3
        assert world.chat.people.is_here(ann.id)


async def test_only_the_latest_pseudonyms_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_module, "MET_MAX", 1)
    async with World() as world:
        ann, bob = await world.pair("ann", "bob")
        cid = await world.comes("cid")
        await ann.leaves()
        await world.match(ann, cid)
        online = world.chat.people.get(ann.id)
        assert online is not None
        assert list(online.met.values()) == [cid.id]
        assert bob.id not in online.met.values()
