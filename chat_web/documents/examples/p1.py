"""The frames of P1, the channel chat."""

from typing import Final

from chat_web.dialects.channel_chat import ChannelChatFrame
from chat_web.documents.dialect_docs import Dialogue, Frame
from chat_web.documents.examples.frame_example import ANN, AT, MESSAGE, error, frame

_SHOWN: Final = {
    **MESSAGE,
    "channel": "general",
    "user": {"id": ANN["id"], "username": "ann"},
    "content": "hi",
    "timestamp": AT,
}

CHANNEL_CHAT: Final = Dialogue(
    name="channel_chat",
    shapes=(ChannelChatFrame,),
    title="P1, the channel chat",
    address="/api/ws/{name}",
    summary="All channels of the user of this name, with ?token=; ?since=general:41,random:7 on coming back.",
    asked=(
        frame(
            "message",
            "Write to a channel; the type may be left out.",
            type="message",
            channel="general",
            content="hi",
            client_id="c-1",
        ),
        Frame(name="text", summary="To the only channel, or the one written to last.", example="hi"),
        frame("typing", "Say that one types.", type="typing", channel="general"),
    ),
    told=(
        frame(
            "history",
            "The last messages of one channel.",
            type="history",
            channel="general",
            messages=[_SHOWN],
        ),
        frame(
            "history_gap",
            "More came than is sent: the last ones.",
            type="history",
            channel="general",
            messages=[_SHOWN],
            gap=True,
        ),
        frame(
            "ready", "Every history was sent.", type="ready", username="ann", channels=["general", "random"]
        ),
        frame("posted", "Somebody wrote.", **_SHOWN),
        frame("posted_own", "One's own message, on every connection.", **_SHOWN, client_id="c-1"),
        frame(
            "presence",
            "Somebody who shares a channel is seen otherwise.",
            type="presence",
            username="bob",
            status="online",
            last_seen=AT,
        ),
        *(
            frame(f"channel_{action}", summary, type="subscription", action=action, channel="cats")
            for action, summary in (
                ("joined", "One is a member now; its history follows."),
                ("left", "One is no member any more."),
                ("deleted", "The channel is gone."),
            )
        ),
        frame("types", "Somebody types.", type="typing", channel="general", username="bob"),
        error("channel_required", "Say which channel this is for.", client_id="c-1"),
    ),
)
