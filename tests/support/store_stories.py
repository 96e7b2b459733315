"""Conversations and changes that the tests of both databases write."""

from random import Random

import attrs

from chat_core.model.events import MessagePosted
from chat_core.ports import Change
from chat_core.testing.contracts.stories import Author, Story


def rooms(count: int, seed: int = 0) -> list[Story]:
    author = Author(Random(seed))
    ann, bob = author.person("ann"), author.person("bob")
    return [author.room(ann, bob) for _ in range(count)]


def hello(story: Story) -> Change:
    return story.post(story.people[0], "hello", client_id=str(story.state.head))


def crooked(change: Change) -> Change:
    """The same with a text that no database can store: a lone surrogate."""
    post = change.events[0]
    assert isinstance(post, MessagePosted)
    broken = attrs.evolve(post, message=attrs.evolve(post.message, content="\ud800"))
    return attrs.evolve(change, events=(broken,))
