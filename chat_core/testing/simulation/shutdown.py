"""How a simulation ends: first everything works again, then everybody goes. What is left then is a leak."""

from typing import Any, Final

from chat_core.testing.simulation.crowd import Device
from chat_core.testing.simulation.world import SimulatedWorld

PATIENCE_S: Final = 16.0  # of calm, after which every retry and every heal has had its turn
LONG_S: Final = 200.0  # after which every room has been decided, and every passing log forgotten


def quiesce(world: SimulatedWorld) -> None:
    """Everything works again: after a while every view equals the log, or was told that it lost track."""
    world.faults.off()
    world.pass_time(PATIENCE_S)
    for asked in world.asked:
        if asked.node.alive and not asked.answered:
            world.broke(f"never answered: {asked}")
    for text in world.refused_texts:
        if text in world.journal.contents:
            world.broke(f"I-5: refused, but stored: {text}")
    for somebody in world.people:
        for device in somebody.devices:
            _check_views(world, device)


def _check_views(world: SimulatedWorld, device: Device) -> None:
    for conversation, view in device.views.items():
        head = world.journal.head(conversation)
        if head is not None and view.seq != head:
            world.broke(f"a view of {conversation} stands at {view.seq}, the log at {head}")


def end(world: SimulatedWorld) -> None:
    """Everybody goes: after a while nothing is left but what is to last."""
    for somebody in world.people:
        for device in tuple(somebody.devices):
            device.drop()
    world.pass_time(LONG_S)
    for node in world.nodes:
        chat = node.chat
        left: dict[str, Any] = {
            "topics": chat.hub.topics(),
            "people": [a.person.id for a in chat.people if a.connections or a.last_positions],
            "places": [p for queue in chat.lobbies.queues.values() for p in queue.people()],
            "deadlines": dict(world.journal.deadlines),
            "alarms": len(chat.alarms) - 4,  # comparing heads goes on, and looking after sessions and ages
            "tasks": len(chat.tasks),
        }
        for name, what in left.items():
            if what:
                world.broke(f"I-17: when everybody had gone there were left {name}: {what}")
    run = world.loop.run_until_complete
    still_open = run(world.store.close_open_pairings(world.clock.now()))
    if still_open:
        world.broke(f"{still_open} sessions were never closed")
    live = [room.id for room in run(world.store.live_rooms()) if room.lobby]
    if live:
        world.broke(f"rooms were never decided: {live}")
