"""State of a simulation: its nodes, and the commands in flight."""

import attrs

from chat_core.engine.chat import Chat
from chat_core.model.commands import Command
from chat_core.model.person import Person
from chat_core.testing.simulation.faults import FaultyBackplane, FaultyStore


@attrs.define(eq=False)
class Node:
    """One chat, and its own way to the store and the backplane."""

    chat: Chat
    store: FaultyStore
    backplane: FaultyBackplane
    alive: bool = True


@attrs.define(eq=False)
class Asked:
    """A command under way, and where it was asked."""

    node: Node
    person: Person
    command: Command
    fresh: str = ""  # the text of a post that nobody ever sent before
    answered: bool = False
