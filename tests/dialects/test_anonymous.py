"""P0's turns that no recorded conversation can bring about: the dialect alone, as the pure value it is."""

import json

from chat_core import ANONYMOUS, Card, Person, Refused, Search, Unavailable
from chat_web.dialects.anonymous import AnonymousPair, ClientState, Ref
from chat_web.dialects.intents import Authenticated, Disconnect, Execute, Intents, Send

P0 = AnonymousPair()
ANN = Person(id="ann", username="ann", display_name="Ann")
NO_ROOM = Refused("unknown_room", "Conversation not found.")


def client(room: str | None = None, *, has_waited: bool = False) -> ClientState:
    return ClientState(person=ANN, room=room, is_settled=True, has_waited=has_waited)


def errors(intents: Intents) -> list[str]:
    said = [intent.frame for intent in intents if isinstance(intent, Send)]
    return [json.loads(frame[frame.index(b"{") :])["code"] for frame in said]


def test_a_room_that_ended_before_it_could_be_followed_is_searched_anew() -> None:
    for refusal in (NO_ROOM, Unavailable("the store is away")):
        state = client("room")
        assert P0.answered(state, Ref.RETURN, refusal, now=0.0) == (Execute(Search(lobby=ANONYMOUS)),)
        assert state.room is None


def test_who_would_miss_messages_is_told_and_sent_away_to_come_back() -> None:
    state = client("room")
    (gone,) = P0.unsubscribed(state, "room", recoverable=True)
    assert isinstance(gone, Disconnect)
    assert gone.code == 3010
    assert P0.unsubscribed(state, "another", recoverable=True) == ()


def test_a_search_that_was_refused_is_made_again_by_a_skip() -> None:
    state = client()
    refused = Refused("too_many", "Too many searches.")
    assert errors(P0.answered(state, None, refused, now=0.0)) == ["too_many"]
    assert P0.received(state, '{"type":"skip"}') == (Execute(Search(lobby=ANONYMOUS)),)
    assert P0.received(client(has_waited=True), '{"type":"skip"}') == ()


def test_what_the_store_cannot_do_is_unavailable() -> None:
    assert errors(P0.answered(client(), None, Unavailable("away"), now=0.0)) == ["unavailable"]


def test_the_first_frame_names_the_person_and_no_card() -> None:
    card = Card(id="card", username="stranger", display_name="Stranger")
    authenticated = Authenticated(person=ANN, connection="c", expires_in_s=None)
    (said, _) = P0.opened(P0.client_state(), authenticated)
    assert isinstance(said, Send)
    assert b'"user_id":"ann"' in said.frame
    assert card.id.encode() not in said.frame
