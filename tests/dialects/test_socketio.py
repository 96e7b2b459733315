"""P2's turns that no recorded conversation can bring about: the dialect alone, as the pure value it is."""

import json
from typing import Any, Final

from chat_core import ANONYMOUS, Person, Placed, Refused, Search, Skip, Unavailable
from chat_web.dialects.intents import Address, Authenticate, Execute, Follow, Intents, Send, Unfollow
from chat_web.dialects.socketio import SEPARATOR, ClientState, SocketIO

P2 = SocketIO()
NO_ROOM = Refused("unknown_room", "Room not found.")
SEARCH = Search(lobby=ANONYMOUS)


def client(room: str | None = None) -> ClientState:
    return ClientState(person=Person(id="ann", username="ann", display_name="Ann"), room=room)


def ref_of(intents: Intents) -> Any:
    """The note that the one intent is answered with."""
    (intent,) = intents
    assert isinstance(intent, Authenticate | Follow)
    assert intent.ref is not None
    return intent.ref


CONNECT: Final = ref_of(P2.received(ClientState(), "40"))
HOLE: Final = ref_of(P2.unsubscribed(client("room"), "room", recoverable=True))


def said(intents: Intents) -> list[str]:
    """The packets that are sent, without their separators."""
    frames = [intent.frame.decode() for intent in intents if isinstance(intent, Send)]
    assert all(frame.endswith(SEPARATOR) and frame.count(SEPARATOR) == 1 for frame in frames)
    return [frame.removesuffix(SEPARATOR) for frame in frames]


def test_a_hole_in_the_log_is_followed_on_without_a_word() -> None:
    state = client("room")
    assert P2.unsubscribed(state, "room", recoverable=True) == (Follow(Address(id="room"), ref=HOLE),)
    assert state.room == "room"
    assert P2.unsubscribed(state, "another", recoverable=True) == ()


def test_a_hole_that_cannot_be_followed_is_a_partner_who_left() -> None:
    state = client("room")
    intents = P2.answered(state, HOLE, NO_ROOM, now=0.0)
    assert Unfollow("room") in intents
    assert said(intents) == ['42["partner_left",{"reason":"disconnected"}]']
    assert state.room is None
    assert P2.answered(state, HOLE, NO_ROOM, now=0.0) == ()


def test_a_skip_whose_partner_was_faster_becomes_a_search() -> None:
    state = client("room")
    (skip,) = P2.received(state, '427["skip"]')
    assert isinstance(skip, Execute)
    assert skip.command == Skip(room="room")
    assert said(P2.received(state, '428["message","hi"]'))[0].startswith(
        '438[{"ok":false,"code":"wrong_state"'
    )
    P2.unsubscribed(state, "room", recoverable=False)
    (search,) = P2.answered(state, skip.ref, NO_ROOM, now=0.0)
    assert isinstance(search, Execute)
    assert search.command == SEARCH
    assert said(P2.answered(state, search.ref, Placed(lobby=ANONYMOUS), now=0.0)) == ['437[{"ok":true}]']


def test_a_skip_that_is_too_fast_leaves_everything_as_it_was() -> None:
    state = client("room")
    (skip,) = P2.received(state, '42["skip"]')
    assert isinstance(skip, Execute)
    fast = Refused("too_many", "You are searching fast.")
    (told,) = said(P2.answered(state, skip.ref, fast, now=0.0))
    assert json.loads(told[2:])[1]["code"] == "too_many"
    assert (state.room, state.is_skipping) == ("room", False)


def test_what_the_store_cannot_do_is_unavailable() -> None:
    (search,) = P2.received(client(), '42["search"]')
    assert isinstance(search, Execute)
    (told,) = said(P2.answered(client(), search.ref, Unavailable("away"), now=0.0))
    assert json.loads(told[2:])[1]["code"] == "unavailable"
    (told,) = said(P2.answered(ClientState(), CONNECT, Unavailable("away"), now=0.0))
    assert told.startswith("44{")


def test_who_was_refused_may_say_connect_again() -> None:
    state = ClientState()
    assert P2.received(state, "40") == (Authenticate("", CONNECT),)
    P2.answered(state, CONNECT, Refused("too_many", "Too many guests from one place."), now=0.0)
    assert P2.received(state, '40{"token":"x"}') == (Authenticate("", CONNECT),)


def test_a_namespace_is_echoed_only_where_it_is_one() -> None:
    assert said(P2.received(client(), "40/admin?token=x,{}")) == ['44/admin,{"message":"Invalid namespace"}']
    for odd in ("/a\x1eb", "/" + "x" * 65, '/"', "/é"):
        (told,) = said_complaints(P2.received(client(), f"40{odd},"))
        assert "Invalid namespace" not in told


def said_complaints(intents: Intents) -> list[str]:
    return [getattr(intent, "frame", b"").decode() for intent in intents]
