"""Testing with Parley: a fake clock, people who act and see, a simulator, and contracts of the ports.

    async with World() as world:
        ann, bob = await world.pair("ann", "bob", lobby="timed")
        await world.advance(300)
        await ann.keeps()
        bob.sees(KeepAsked)

Part of the product: it is tested, typed and kept as stable as the rest.
"""

from chat_core.testing.clock import FakeClock
from chat_core.testing.people import Actor, NotSeen
from chat_core.testing.simulation.simulator import SimulationFailed, simulate
from chat_core.testing.world import World

__all__ = ["Actor", "FakeClock", "NotSeen", "SimulationFailed", "World", "simulate"]
