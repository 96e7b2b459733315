"""Turns of P1, P3 and P4 that a server rarely brings about: the dialects alone, as pure values."""

import json
from typing import Any, Final

import pytest

from chat_core import (
    Channel,
    ChannelChange,
    ChannelsChanged,
    Done,
    InitialState,
    Message,
    Persistence,
    Person,
    PersonKind,
    Recent,
    Recovery,
    Refused,
    Unavailable,
)
from chat_core.model.person import Card
from chat_web.dialects.channel_chat import ChannelChat, ClientState
from chat_web.dialects.intents import (
    Authenticated,
    Barrier,
    Disconnect,
    Follow,
    InitialStateResult,
    Send,
    Unfollow,
)
from chat_web.dialects.notifications import Notifications
from chat_web.dialects.open_rooms import OpenRooms
from chat_web.dialects.timed_rooms import TimedRooms

ANN: Final = Person(id="ann", username="ann", display_name="Ann", kind=PersonKind.USER)
WHO: Final = Authenticated(person=ANN, connection="c", expires_in_s=None)
GENERAL: Final = Channel(
    id="g", epoch="e", persistence=Persistence.PERSISTENT, created_at=0.0, name="general"
)
CATS: Final = Channel(id="c", epoch="e", persistence=Persistence.PERSISTENT, created_at=0.0, name="cats")
NOW: Final = 1000.0


def shown(intent: Any) -> dict[str, Any]:
    """The object of a frame (which has a head of two or four bytes)."""
    assert isinstance(intent, Send)
    return dict(json.loads(intent.frame[intent.frame.index(b"{") :]))


def stands(*channels: Channel) -> InitialStateResult:
    return InitialStateResult(initial_state=InitialState(channels=channels), last_positions={})


def message(text: str) -> Message:
    card = Card(id="bob", username="bob", display_name="Bob")
    return Message(
        id=text,
        conversation="g",
        seq=3,
        by="bob",
        author=card,
        content=text,
        created_at=NOW,
        deleted=not text,
    )


def changed(change: ChannelChange, channel: Channel = CATS) -> ChannelsChanged:
    return ChannelsChanged(at=NOW, to="ann", change=change, channel=channel)


class P1:
    """One P1 client under test."""

    def __init__(self, *channels: Channel, **since: int) -> None:
        self.dialect = ChannelChat(since=since)
        self.client: ClientState = self.dialect.client_state()
        self.dialect.opened(self.client, WHO)
        *self.follows, self.turn = self.answered(None, stands(*channels))

    def answered(self, ref: Any, answer: Any) -> tuple[Any, ...]:
        return self.dialect.answered(self.client, ref, answer, now=NOW)

    def heard(self, event: Any) -> tuple[Any, ...]:
        return self.dialect.pushed(self.client, event, now=NOW)

    def ready(self) -> list[Any]:
        for follow in self.follows:
            self.answered(follow.ref, Recovery(conversation=GENERAL, offset=0))
        return [*self.answered(self.turn.ref, Done())]


def test_p1_follows_its_channels_from_where_the_client_was() -> None:
    p1 = P1(GENERAL, CATS, general=7)
    assert [follow.recent for follow in p1.follows] == [Recent(after=7), Recent()]
    (ready,) = p1.ready()
    assert shown(ready)["channels"] == ["general", "cats"]


def test_p1_tells_changes_that_came_before_it_was_ready_after_that() -> None:
    p1 = P1(GENERAL)
    assert p1.heard(changed(ChannelChange.JOINED)) == ()
    assert p1.heard(changed(ChannelChange.LEFT, GENERAL)) == ()
    assert p1.heard(changed(ChannelChange.JOINED, GENERAL)) == ()
    ready, joined, cats, unfollow, left, again, general = p1.ready()
    assert [shown(one)["type"] for one in (ready, joined, left, again)] == [
        "ready",
        "subscription",
        "subscription",
        "subscription",
    ]
    assert [follow.address.id for follow in (cats, general)] == ["c", "g"]
    assert unfollow == Unfollow("g")


def test_p1_says_nothing_of_a_join_that_the_standing_told_already() -> None:
    p1 = P1(GENERAL)
    p1.heard(changed(ChannelChange.JOINED, GENERAL))
    p1.heard(changed(ChannelChange.LEFT, CATS))
    assert len(p1.ready()) == 1


def test_p1_sends_no_history_of_what_was_left_meanwhile() -> None:
    p1 = P1()
    p1.ready()
    _, follow = p1.heard(changed(ChannelChange.JOINED))
    p1.heard(changed(ChannelChange.LEFT))
    assert p1.answered(follow.ref, Recovery(conversation=CATS, offset=0)) == ()
    _, again = p1.heard(changed(ChannelChange.JOINED))
    assert p1.answered(follow.ref, Recovery(conversation=CATS, offset=0)) == ()
    (history,) = p1.answered(again.ref, Recovery(conversation=CATS, offset=0))
    assert shown(history)["type"] == "history"


def test_p1_takes_a_hole_in_the_log_for_a_gap() -> None:
    p1 = P1(GENERAL)
    p1.ready()
    (follow,) = p1.dialect.unsubscribed(p1.client, "g", recoverable=True)
    assert isinstance(follow, Follow)
    assert follow.recent == Recent(after=0, most=0)
    answer = Recovery(conversation=GENERAL, offset=9, messages=(message("hi"), message("")), has_gap=True)
    (history,) = p1.answered(follow.ref, answer)
    assert ([one["content"] for one in shown(history)["messages"]], shown(history)["gap"]) == (["hi"], True)
    assert p1.dialect.unsubscribed(p1.client, "g", recoverable=False) == ()
    assert p1.dialect.unsubscribed(p1.client, "nowhere", recoverable=True) == ()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unavailable("not now"), Disconnect(3004, "server error: come back")),
        (Refused("unknown_room", "gone"), None),
        (Refused("too_many", "This connection follows too many conversations."), "too_many"),
    ],
)
def test_p1_when_a_channel_cannot_be_followed(error: Any, expected: Any) -> None:
    p1 = P1(GENERAL, CATS)
    told = p1.answered(p1.follows[0].ref, error)
    if isinstance(expected, Disconnect):
        assert told == (expected,)
        return
    assert [shown(one)["code"] for one in told] == ([expected] if expected else [])
    assert list(p1.client.channels) == ["cats"]


def test_p1_hangs_up_when_nobody_knows_where_the_person_stands() -> None:
    dialect = ChannelChat()
    client = dialect.client_state()
    dialect.opened(client, WHO)
    told = dialect.answered(client, None, Unavailable("not now"), now=NOW)
    assert told == (Disconnect(3004, "server error: come back"),)


def test_what_is_asked_before_p1_is_ready_waits() -> None:
    dialect = ChannelChat()
    assert dialect.received(dialect.client_state(), "hi") == (Barrier("hi"),)


def test_p3_begins_again_where_the_log_has_a_hole_and_p4_is_told_to_come_back() -> None:
    p3, p4 = TimedRooms(room="r"), OpenRooms(room="r")
    client = p3.client_state()
    (follow,) = p3.opened(client, WHO)
    assert p3.unsubscribed(client, "r", recoverable=True) == (follow,)
    (closed,) = p4.unsubscribed(p4.client_state(), "r", recoverable=True)
    assert isinstance(closed, Disconnect)
    assert closed.code == 3010


@pytest.mark.parametrize("dialect", [TimedRooms(room="r"), OpenRooms(room="r")])
def test_p3_and_p4_close_where_the_room_cannot_be_opened(dialect: Any) -> None:
    client = dialect.client_state()
    follow = dialect.opened(client, WHO)[-1]
    refused = Refused("unknown_room", "Room not found.")
    error, closed = dialect.answered(client, follow.ref, refused, now=NOW)
    assert (shown(error)["code"], closed.code) == ("unknown_room", 3501)
    assert dialect.answered(client, follow.ref, Unavailable("not now"), now=NOW)[0].code == 3004
    error, closed = dialect.answered(
        client, follow.ref, Refused("wrong_state", "This channel is full."), now=NOW
    )
    assert shown(error)["code"] == "wrong_state"


def test_notifications_hang_up_where_the_older_ones_cannot_be_read() -> None:
    dialect = Notifications()
    told = dialect.answered(dialect.client_state(), None, Unavailable("not now"), now=NOW)
    assert told == (Disconnect(3004, "server error: come back"),)
    assert dialect.unsubscribed(dialect.client_state(), "r", recoverable=True) == ()


@pytest.mark.parametrize(
    "dialect", [ChannelChat(), TimedRooms(room="r"), OpenRooms(room="r"), Notifications()]
)
def test_none_of_them_pings_by_itself_or_follows_unasked(dialect: Any) -> None:
    assert dialect.ping_frame is None
    assert not dialect.follows_unasked(GENERAL)


@pytest.mark.parametrize("dialect", [ChannelChat(), TimedRooms(room="r")])
def test_an_address_without_a_person_is_a_mistake_of_ours(dialect: Any) -> None:
    with pytest.raises(TypeError):
        dialect.opened(dialect.client_state(), None)
