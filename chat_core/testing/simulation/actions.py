"""Actions of the people in a simulation, and their frequencies."""

from collections.abc import Callable
from itertools import accumulate
from typing import Final

from chat_core.engine.results import Position
from chat_core.model import commands as c
from chat_core.model.conversation import Role, Room
from chat_core.model.errors import Disconnected
from chat_core.model.ids import ConversationId
from chat_core.testing.simulation.crowd import Device, Somebody, turned_away
from chat_core.testing.simulation.state import Node
from chat_core.testing.simulation.world import SimulatedWorld

NAMES: Final = ("tea", "jazz", "go")
INTERESTS: Final = ((), (), ("tea",), ("jazz", "go"))


def act(world: SimulatedWorld) -> None:
    """One step: somebody does something, or time passes, or a process dies."""
    draw = world.rng.random()
    if draw < 0.16:
        _pass_time(world)
        return
    if draw < 0.163:
        world.crash(int(world.rng.random() * len(world.nodes)))
        return
    people = world.people
    # A few are busy, most come by now and then.
    somebody = people[int(world.rng.random() ** 2 * len(people))]
    if not somebody.devices and world.rng.random() < 0.9:
        _come(world, somebody)
        return
    index = world.rng.random() * _WEIGHTS[-1]
    for weight, (_, action) in zip(_WEIGHTS, ACTIONS, strict=True):
        if index < weight:
            nowhere = action in _IN_ROOM and not somebody.live and world.rng.random() < 0.7
            (_search if nowhere else action)(world, somebody)
            return


def _pass_time(world: SimulatedWorld) -> None:
    rng = world.rng
    draw = rng.random()
    if draw < 0.08 and world.journal.deadlines:
        # Somebody answers just before a deadline, or at its very instant before the alarm rings.
        room, deadline = min(world.journal.deadlines.items(), key=lambda item: (item[1], item[0]))
        if deadline >= world.clock.now():
            world.pass_time(max(0.0, deadline - world.clock.now() - 1e-3))
            if deadline >= world.clock.now() and rng.random() < 0.6:
                world.clock.set(deadline)
            _answer_in(world, room)
        return
    if draw < 0.12:
        world.pass_time(rng.random() * 30)
        return
    world.pass_time(rng.random() * (0.2 if draw < 0.7 else 2.5))


def _answer_in(world: SimulatedWorld, room: ConversationId) -> None:
    state = world.journal.books[room].state
    for somebody in world.people:
        if somebody.person.id in state.members and isinstance(state, Room):
            world.ask(_node(world, somebody), somebody.person, c.Keep(room=room))


def _node(world: SimulatedWorld, somebody: Somebody) -> Node:
    return world.nodes[somebody.node]


def _any_node(world: SimulatedWorld, somebody: Somebody) -> Node:
    """Mostly the person's own; a request over HTTP may reach any."""
    if len(world.nodes) > 1 and world.rng.random() < 0.3:
        return world.nodes[int(world.rng.random() * len(world.nodes))]
    return _node(world, somebody)


def _room(world: SimulatedWorld, somebody: Somebody) -> ConversationId:
    if somebody.live and world.rng.random() < 0.9:
        return somebody.live
    return world.rng.choice(somebody.rooms) if somebody.rooms else "nowhere"


def _channel(world: SimulatedWorld, somebody: Somebody) -> ConversationId | None:
    name = world.rng.choice(somebody.channels) if somebody.channels else NAMES[0]
    return next((conversation for conversation in world.channel_ids(name) if world.rng.random() < 0.9), None)


def _conversation(world: SimulatedWorld, somebody: Somebody) -> ConversationId:
    if world.rng.random() < 0.25 and (channel := _channel(world, somebody)) is not None:
        return channel
    return _room(world, somebody)


def _text(world: SimulatedWorld) -> str:
    world.texts += 1
    return f"text {world.texts}"


def _message(world: SimulatedWorld, somebody: Somebody) -> str:
    if not somebody.messages:
        return "no such message"
    return somebody.messages[-1] if world.rng.random() < 0.6 else world.rng.choice(somebody.messages)


# Coming and going


def _come(world: SimulatedWorld, somebody: Somebody) -> None:
    node = _node(world, somebody)
    may_return = world.rng.random() < 0.8
    try:
        device = Device(world, node, somebody, world.rng, may_return=may_return)
    except Disconnected as error:
        if not turned_away(error) or len(somebody.devices) < 10:
            world.broke(f"a connection was turned away: {error}")
        return
    world.traced("come", somebody.person.id)
    for conversation in (*somebody.rooms[-2:], *world.channels_of(somebody)):
        if world.rng.random() < 0.8:
            _follow(world, device, conversation)


def _follow(world: SimulatedWorld, device: Device, conversation: ConversationId) -> None:
    since = device.owner.positions.get(conversation)
    draw = world.rng.random()
    if draw < 0.1:
        since = None
    elif draw < 0.15 and since is not None:
        since = Position(epoch=since.epoch, seq=since.seq + 1000)
    elif draw < 0.2 and since is not None:
        since = Position(epoch="another", seq=since.seq)
    world.traced("ask to follow", device.owner.person.id, conversation, since)
    device.follow(conversation, since)


def _follow_more(world: SimulatedWorld, somebody: Somebody) -> None:
    if not somebody.devices:
        return
    conversation = _conversation(world, somebody)
    device = world.rng.choice(somebody.devices)
    if world.rng.random() < 0.5:  # away for a moment, so that there is something to recover
        device.unfollow(conversation)
        _talk(world, conversation)
    _follow(world, device, conversation)
    _talk(world, conversation)  # what comes while the history is read is neither lost nor doubled


def _talk(world: SimulatedWorld, conversation: ConversationId) -> None:
    for somebody in world.people:
        if somebody.live == conversation:
            world.loop.run_some(int(world.rng.random() * 4))
            command = c.Post(conversation=conversation, content=_text(world))
            world.ask(_node(world, somebody), somebody.person, command)


def _unfollow(world: SimulatedWorld, somebody: Somebody) -> None:
    if somebody.devices:
        device = world.rng.choice(somebody.devices)
        if device.views:
            conversation = world.rng.choice(list(device.views))
            world.traced("unfollow", somebody.person.id, conversation)
            device.unfollow(conversation)


def _drop(world: SimulatedWorld, somebody: Somebody) -> None:
    if somebody.devices:
        world.traced("drop", somebody.person.id)
        world.rng.choice(somebody.devices).drop()


def _drop_and_return(world: SimulatedWorld, somebody: Somebody) -> None:
    for device in tuple(somebody.devices):
        device.drop()
    world.traced("drop and return", somebody.person.id)
    if world.rng.random() < 0.5:
        world.pass_time(world.rng.random() * 10)
    _come(world, somebody)


# Lobbies and rooms


def _search(world: SimulatedWorld, somebody: Somebody) -> None:
    if not somebody.devices:
        return
    rng = world.rng
    lobby = "anonymous" if rng.random() < 0.5 else "timed"
    command = c.Search(lobby=lobby, interests=rng.choice(INTERESTS), again=rng.random() < 0.5)
    world.ask(_node(world, somebody), somebody.person, command)


def _cancel(world: SimulatedWorld, somebody: Somebody) -> None:
    lobby = "anonymous" if world.rng.random() < 0.5 else "timed"
    world.ask(_node(world, somebody), somebody.person, c.CancelSearch(lobby=lobby))


def _skip(world: SimulatedWorld, somebody: Somebody) -> None:
    if somebody.devices:
        world.ask(_node(world, somebody), somebody.person, c.Skip(room=_room(world, somebody)))


def _step_in_room(world: SimulatedWorld, somebody: Somebody) -> None:
    room = _room(world, somebody)
    draw = world.rng.random()
    command: c.Command = c.Keep(room=room)
    if somebody.is_asked and draw < 0.4:
        command = c.Decline(room=room)
    elif draw > 0.9:
        command = c.Start(room=room) if draw < 0.95 else c.Decline(room=room)
    world.ask(_any_node(world, somebody), somebody.person, command)


def _finish_room(world: SimulatedWorld, somebody: Somebody) -> None:
    room = _room(world, somebody)
    command: c.Command = world.rng.choice((c.End(room=room), c.Leave(room=room)))
    world.ask(_any_node(world, somebody), somebody.person, command)


# Messages


def _post(world: SimulatedWorld, somebody: Somebody) -> None:
    rng = world.rng
    conversation = _conversation(world, somebody)
    draw = rng.random()
    if draw < 0.2 and somebody.sent:
        conversation, client_id, text = rng.choice(somebody.sent)
        if rng.random() < 0.2:
            text = _text(world)  # another body: refused while the message is known
        command = c.Post(conversation=conversation, content=text, client_id=client_id)
        world.ask(_any_node(world, somebody), somebody.person, command)
        return
    text = _text(world)
    reply_to = _message(world, somebody) if rng.random() < 0.05 else None
    mark = f"c{world.texts}" if draw < 0.7 else None
    if mark is not None and reply_to is None:
        somebody.sent.append((conversation, mark, text))
        del somebody.sent[:-4]
    command = c.Post(conversation=conversation, content=text, client_id=mark, reply_to=reply_to)
    fresh = "" if mark is not None else text
    world.ask(_any_node(world, somebody), somebody.person, command, fresh=fresh)


def _burst(world: SimulatedWorld, somebody: Somebody) -> None:
    for _ in range(int(world.rng.random() * 12)):
        _post(world, somebody)


def _change_message(world: SimulatedWorld, somebody: Somebody) -> None:
    message = _message(world, somebody)
    command: c.Command = world.rng.choice(
        (
            c.Edit(message=message, content=_text(world)),
            c.Delete(message=message),
            c.React(message=message, emoji=world.rng.choice("👍🎉")),
            c.Unreact(message=message, emoji="👍"),
        )
    )
    world.ask(_any_node(world, somebody), somebody.person, command)


def _mark_or_type(world: SimulatedWorld, somebody: Somebody) -> None:
    conversation = _conversation(world, somebody)
    if world.rng.random() < 0.5:
        command: c.Command = c.Type(conversation=conversation, is_typing=world.rng.random() < 0.5)
    else:
        command = c.MarkRead(conversation=conversation, seq=int(world.rng.random() * 8))
    world.ask(_node(world, somebody), somebody.person, command)


# People and channels


def _block(world: SimulatedWorld, somebody: Somebody) -> None:
    if somebody.cards:
        card = world.rng.choice(somebody.cards)
        blocks = world.rng.random() < 0.7
        world.block(_node(world, somebody), somebody, card, blocks=blocks)


def _join(world: SimulatedWorld, somebody: Somebody) -> None:
    name = world.rng.choice(NAMES)
    somebody.remember(somebody.channels, name)
    if world.rng.random() < 0.3:
        command: c.Command = c.CreateChannel(name=name, private=world.rng.random() < 0.2)
    else:
        command = c.JoinChannel(name=name)
    world.ask(_any_node(world, somebody), somebody.person, command)


def _leave_channel(world: SimulatedWorld, somebody: Somebody) -> None:
    name = world.rng.choice(NAMES)
    heir = world.rng.choice(world.people).person.id if world.rng.random() < 0.5 else None
    command: c.Command = (
        c.DeleteChannel(name=name) if world.rng.random() < 0.3 else c.LeaveChannel(name=name, new_owner=heir)
    )
    world.ask(_any_node(world, somebody), somebody.person, command)


def _moderate(world: SimulatedWorld, somebody: Somebody) -> None:
    name = world.rng.choice(NAMES)
    other = world.rng.choice(world.people).person
    command: c.Command = world.rng.choice(
        (
            c.AddMember(name=name, person=other),
            c.RemoveMember(name=name, member=other.id),
            c.SetRole(name=name, member=other.id, role=world.rng.choice((Role.MEMBER, Role.MODERATOR))),
        )
    )
    world.ask(_any_node(world, somebody), somebody.person, command)


ACTIONS: Final[tuple[tuple[float, Callable[[SimulatedWorld, Somebody], None]], ...]] = (
    (40, _post),
    (2, _burst),
    (16, _search),
    (1, _cancel),
    (4, _skip),
    (9, _step_in_room),
    (4, _finish_room),
    (8, _change_message),
    (4, _mark_or_type),
    (5, _drop),
    (3, _drop_and_return),
    (3, _come),
    (4, _follow_more),
    (2, _unfollow),
    (2, _block),
    (4, _join),
    (4, _leave_channel),
    (2, _moderate),
)
_IN_ROOM: Final = (_post, _skip, _step_in_room, _finish_room, _change_message)
_WEIGHTS: Final = tuple(accumulate(weight for weight, _ in ACTIONS))
