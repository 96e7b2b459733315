"""The frames of P2, Socket.IO, as they stand on a WebSocket."""

from typing import Final

from chat_web.dialects.socketio import InterestsArgument, TextArgument
from chat_web.documents.dialect_docs import Dialogue, Frame
from chat_web.documents.examples.frame_example import ROOM

SOCKET_IO: Final = Dialogue(
    name="socketio",
    title="P2, Socket.IO 4",
    address="/socket.io/",
    query="?EIO=4&transport=websocket",
    summary="Strangers, one to one, for clients of Socket.IO; nothing is stored but that they met.",
    asked=(
        Frame(name="connect", summary="The first packet.", example="40"),
        Frame(name="search", summary="Look for a partner.", example='42["search"]'),
        Frame(
            name="search_interests",
            summary="The same with interests, and with an acknowledgement of the number 1.",
            example='421["search",{"interests":["music"]}]',
            inner=InterestsArgument,
        ),
        Frame(
            name="message",
            summary="Say something to the partner, who alone gets it.",
            example='42["message","hi"]',
        ),
        Frame(
            name="message_object",
            summary="The same as an object, with an acknowledgement.",
            example='422["message",{"message":"hi"}]',
            inner=TextArgument,
        ),
        Frame(name="skip", summary="Leave the partner, and search again.", example='42["skip"]'),
        Frame(name="disconnect", summary="The end.", example="41"),
        Frame(name="pong", summary="The answer to a ping.", example="3"),
    ),
    told=(
        Frame(
            name="open",
            summary="Engine.IO's handshake.",
            example='0{"sid":"GnQ4DU3Tqz1IbXcmAAAA","upgrades":[],"pingTimeout":10000,"pingInterval":25000,"maxPayload":16384}',
        ),
        Frame(
            name="connected",
            summary="The answer to the first packet.",
            example='40{"sid":"018bcfe5-6800-7dd4-b36d-71eacd0549a3"}',
        ),
        Frame(
            name="not_connected",
            summary="The other answer to it.",
            example='44{"message":"Too many guests from your network.","data":{"code":"too_many"}}',
        ),
        Frame(
            name="matched",
            summary="Two are paired; the id is that of their row in chat_sessions.",
            example=f'42["matched",{{"sessionId":"{ROOM}"}}]',
        ),
        Frame(name="partner_message", summary="The partner said something.", example='42["message","hi"]'),
        Frame(
            name="partner_left",
            summary="The partner is gone (or disconnected); nobody is looked for until the next search.",
            example='42["partner_left",{"reason":"skipped"}]',
        ),
        Frame(name="ack", summary="It was done.", example='431[{"ok":true}]'),
        Frame(
            name="ack_refused",
            summary="It was refused.",
            example='432[{"ok":false,"code":"wrong_state","message":"You have no partner yet."}]',
        ),
        Frame(
            name="error",
            summary="Something without an acknowledgement was refused, or not understood.",
            example='42["error",{"code":"bad_request","message":"This packet was not understood."}]',
        ),
        Frame(name="ping", summary="Every 25 seconds.", example="2"),
        Frame(name="disconnected", summary="Do not come back: a close code from 3500 on.", example="41"),
    ),
)
