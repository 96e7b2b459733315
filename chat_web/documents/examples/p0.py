"""The frames of P0, the anonymous pair."""

from typing import Final

from chat_web.dialects.anonymous import AnonymousFrame
from chat_web.documents.dialect_docs import Dialogue, Frame


def _system(event: str, summary: str, message: str, **more: str) -> Frame:
    example = {"type": "system", "message": message, "event": event, **more}
    return Frame(name=event, summary=summary, example=example)


ANONYMOUS_PAIR: Final = Dialogue(
    name="anonymous",
    shapes=(AnonymousFrame,),
    title="P0, the anonymous pair",
    address="/ws/{user_id}",
    summary="Strangers, one to one; nothing is stored. The name in the address means nothing.",
    asked=(
        Frame(
            name="message",
            summary="Say something to the partner, who alone gets it.",
            example={"type": "message", "message": "hi"},
        ),
        Frame(name="text", summary="Bare text is a message too.", example="hi"),
        Frame(
            name="skip",
            summary="Leave the partner, and wait at the end of the line.",
            example={"type": "skip"},
        ),
    ),
    told=(
        _system(
            "connected",
            "The first frame, with the real id.",
            "You are connected.",
            user_id="018bcfe5-6800-715c-8bf3-606d7492eb39",
        ),
        _system("waiting", "In the line.", "Waiting for somebody to talk to."),
        _system("paired", "Two are paired.", "You are now talking to a stranger. Say hello!"),
        Frame(
            name="partner_message",
            summary="The partner said something.",
            example={"type": "message", "message": "hi"},
        ),
        _system("partner_left", "The partner is gone; the next one is looked for.", "Your partner has left."),
        _system(
            "error",
            "Something was refused or not understood.",
            "You have no partner yet.",
            code="wrong_state",
        ),
    ),
)
