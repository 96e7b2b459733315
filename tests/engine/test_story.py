"""The whole story of two strangers, in sentences."""

from chat_core.testing import World
from chat_core.words.events import DecisionOpened, MessagePosted


async def test_two_strangers_talk_and_are_asked(parley_world: World) -> None:
    ann, bob = await parley_world.pair("ann", "bob", lobby="timed")
    await ann.says("hi")
    assert bob.sees(MessagePosted).message.content == "hi"
    await parley_world.advance(300)
    assert bob.sees(DecisionOpened).deadline == parley_world.clock.now() + 30
