"""The documents that the server gives of itself say what the code does, and their pages show all of it."""

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any, Final

import aiohttp
import jsonschema_rs
import msgspec
import pytest

from chat_core import NotificationKind, Person
from chat_web import dialects
from chat_web.dialects.anonymous import AnonymousPair
from chat_web.dialects.centrifugal import commands, rpc
from chat_web.dialects.channel_chat import ChannelChat
from chat_web.dialects.intents import RejectFrame
from chat_web.dialects.notifications import Notifications
from chat_web.dialects.open_rooms import OpenRooms
from chat_web.dialects.socketio import ClientState as P2Session
from chat_web.dialects.socketio import SocketIO
from chat_web.dialects.timed_rooms import TimedRooms
from chat_web.documents.asyncapi import DIALOGUES, STREAMED, document
from chat_web.documents.dialect_docs import CLOSE_CODES, Frame
from chat_web.documents.examples.p0 import ANONYMOUS_PAIR
from chat_web.documents.examples.p2 import SOCKET_IO
from chat_web.documents.examples.p5 import CENTRIFUGE
from chat_web.documents.frame_schemas import schema_of
from chat_web.encoding.strict_json import decoded
from chat_web.routes import ROUTES

ROOT: Final = Path(__file__).parents[3]
LINE: Final = msgspec.json.Decoder(commands.Command)


def named(frames: Any) -> dict[str, Frame]:
    by_name = {frame.name: frame for frame in frames}
    assert len(by_name) == len(frames)
    return by_name


# Frames


@pytest.mark.parametrize("frame", CENTRIFUGE.asked, ids=lambda frame: frame.name)
def test_every_command_of_p5_is_understood(frame: Frame) -> None:
    command = decoded(LINE, frame.text)
    if frame.name == "pong":
        assert frame.text == "{}"
        return
    asked = command.asked()
    assert asked is not None
    if isinstance(asked, commands.Rpc):
        assert rpc.understood(asked) is not None


def test_every_command_and_method_of_p5_has_a_frame() -> None:
    examples = [frame.example for frame in CENTRIFUGE.asked]
    fields = set(commands.Command.__struct_fields__) - {"id"}
    assert {name for example in examples for name in example} - {"id"} == fields
    assert {example["rpc"]["method"] for example in examples if "rpc" in example} == set(rpc.METHODS)


@pytest.mark.parametrize("frame", ANONYMOUS_PAIR.asked, ids=lambda frame: frame.name)
def test_every_frame_of_p0_is_understood(frame: Frame) -> None:
    dialect = AnonymousPair()
    client = dialect.client_state()
    client.is_settled = True
    assert not any(isinstance(intent, RejectFrame) for intent in dialect.received(client, frame.text))


@pytest.mark.parametrize("frame", SOCKET_IO.asked, ids=lambda frame: frame.name)
def test_every_packet_of_p2_is_understood(frame: Frame) -> None:
    dialect, client = SocketIO(), P2Session(person=Person(id="ann", username="ann", display_name="Ann"))
    if frame.name == "connect":
        client.person = None
    assert not any(isinstance(intent, RejectFrame) for intent in dialect.received(client, frame.text))


def test_every_packet_of_p2_stands_in_its_section_and_was_seen_in_a_recorded_conversation() -> None:
    section = (ROOT / "PROTOCOLS.md").read_text("utf-8").split("\n## P2, Socket.IO\n")[1].split("\n## ")[0]
    written = {
        line for block in re.findall(r"```text\n(.*?)```", section, re.DOTALL) for line in block.splitlines()
    }
    frames = {frame.text for frame in (*SOCKET_IO.asked, *SOCKET_IO.told)}
    transports = {frame.text for frame in SOCKET_IO.told if frame.name == "open"} | {"2", "3", "41"}
    assert written == frames - transports
    story = (ROOT / "tests" / "dialects" / "p2.txt").read_text("utf-8")
    seen = {_kind(line) for line in re.findall(r"^\w+< (\d.*)$", story, re.MULTILINE)}
    told = {
        _kind(frame.text) for frame in SOCKET_IO.told if frame.name not in ("open", "not_connected", "ping")
    }
    assert told <= seen


def _kind(packet: str) -> str:
    """A packet without numbers and words of its own: its kind, and the event or whether it was done."""
    found = re.match(r'(4[0-4])\d*(?:\["(\w+)"|\[\{"ok":(\w+))?', packet)
    return packet if found is None else " ".join(filter(None, found.groups()))


def recorded(path: str) -> list[dict[str, Any]]:
    """Every frame that somebody saw in a recorded conversation, a line each."""
    text = "".join(file.read_text("utf-8") for file in sorted((ROOT / "tests" / "dialects").glob(path)))
    return [json.loads(match[1]) for match in re.finditer(r"^[ .\d]*\w+ ?< (\{.*\})$", text, re.MULTILINE)]


def test_every_kind_of_publication_has_a_frame_that_looks_as_recorded() -> None:
    seen: dict[str, set[frozenset[str]]] = {}
    for told in recorded("p5.txt"):
        data = told.get("push", {}).get("pub", {}).get("data", {})
        if "type" in data:
            seen.setdefault(data["type"], set()).add(frozenset(data))
    shown = {}
    for frame in named(CENTRIFUGE.told).values():
        data = frame.example.get("push", {}).get("pub", {}).get("data")
        if data is not None:
            shown[data["type"]] = frozenset(data)
    assert set(seen) <= set(shown)
    assert {kind.value for kind in NotificationKind} <= set(shown)
    for kind, fields in seen.items():
        assert shown[kind] in fields, kind


def test_every_event_of_p0_has_a_frame_in_its_words() -> None:
    shown = {
        (frame.example["event"], frame.example["message"])
        for frame in ANONYMOUS_PAIR.told
        if frame.example["type"] == "system"
    }
    seen = {(frame["event"], frame["message"]) for frame in recorded("p0.txt") if frame["type"] == "system"}
    assert {event for event, _ in seen} == {event for event, _ in shown}
    assert {one for one in shown if one[0] != "error"} <= seen


OLDER: Final[dict[str, Any]] = {
    "channel_chat": ChannelChat(),
    "timed_rooms": TimedRooms(room="018bcfe5-6800-7e80-ba59-b849de305d16"),
    "notifications": Notifications(),
    "open_rooms": OpenRooms(room="018bcfe5-6800-7e80-ba59-b849de305d16"),
}
SPOKEN: Final = {dialogue.name: dialogue for dialogue in DIALOGUES}
RECORDED: Final = {"channel_chat": "p1", "timed_rooms": "p3", "notifications": "p3", "open_rooms": "p4"}


@pytest.mark.parametrize("name", OLDER)
def test_every_frame_of_the_older_dialects_is_understood(name: str) -> None:
    for frame in SPOKEN[name].asked:
        client = OLDER[name].client_state()
        if name == "channel_chat":
            client.is_ready = True
        assert not any(isinstance(intent, RejectFrame) for intent in OLDER[name].received(client, frame.text))


@pytest.mark.parametrize("name", OLDER)
def test_every_frame_that_was_recorded_is_described_and_looks_as_described(name: str) -> None:
    """And every frame that is described was recorded."""
    shown = {_look(frame.example) for frame in named(SPOKEN[name].told).values()}
    told = [frame for frame in recorded(f"recordings/*.{RECORDED[name]}.txt") if "type" in frame]
    if RECORDED[name] == "p3":
        both = ("error",)
        told = [
            frame
            for frame in told
            if frame["type"] in both or (frame["type"] in NOTICES) == (name == "notifications")
        ]
    seen = {_look(frame) for frame in told}
    assert shown <= seen, "described, and never recorded"
    assert seen <= shown, "recorded, and not described"


def _look(frame: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one kind of frame from another; an error's client_id may be there or not."""
    optional = {"client_id"} if frame["type"] == "error" else set()
    action = frame.get("action", "")
    return frame["type"], action, frozenset(frame) - optional - {"you", "waiting_for"}


NOTICES: Final = frozenset({*(kind.value for kind in NotificationKind), "mention"})


@pytest.mark.parametrize("name", OLDER)
def test_the_protocols_show_the_frames_of_the_registry(name: str) -> None:
    text = (ROOT / "PROTOCOLS.md").read_text("utf-8")
    frames = SPOKEN[name].told if name == "notifications" else (*SPOKEN[name].asked, *SPOKEN[name].told)
    missing = [
        frame.name
        for frame in frames
        if not isinstance(frame.example, str) and frame.example.get("type") != "error"
        if frame.text not in text
    ]
    assert missing == []


def test_close_codes_are_those_of_the_protocols() -> None:
    text = (ROOT / "PROTOCOLS.md").read_text("utf-8").split("## Close codes")[1]
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", text, re.MULTILINE))
    assert {int(code) for code in rows} == set(CLOSE_CODES)
    for number, words in CLOSE_CODES.items():
        assert rows[str(number)].startswith(words)


# AsyncAPI


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(inner) for inner in value.values())) if value else own
    if isinstance(value, list):
        return set().union(*(references(inner) for inner in value))
    return set()


def test_the_asyncapi_document_hangs_together() -> None:
    shown = document(DIALOGUES)
    assert shown["asyncapi"] == "3.0.0"
    assert {its["address"] for its in shown["channels"].values()} == {
        "/connection/websocket",
        "/ws/{user_id}",
        "/socket.io/",
        "/api/ws/{name}",
        "/ws/chat/{room_id}",
        "/ws/notifications",
    }
    addresses = {route.path for route in ROUTES}
    for its in shown["channels"].values():
        assert its["address"] in addresses
        assert set(its.get("parameters", {})) == set(re.findall(r"\{(\w+)\}", its["address"]))
    for reference in references(shown):
        place: Any = shown
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    frames = sum(len(dialogue.asked) + len(dialogue.told) for dialogue in DIALOGUES)
    assert len(shown["components"]["messages"]) == frames


@pytest.mark.parametrize(
    ("example", "schema"),
    [
        ("a", {"type": "string"}),
        (True, {"type": "boolean"}),
        (1.5, {"type": "number"}),
        (None, {}),
        ([], {"type": "array", "items": {}}),
        (
            {"type": "message", "n": [1]},
            {
                "type": "object",
                "properties": {
                    "type": {"const": "message"},
                    "n": {"type": "array", "items": {"type": "number"}},
                },
                "required": ["type", "n"],
            },
        ),
    ],
)
def test_a_schema_is_read_from_its_example(example: Any, schema: dict[str, Any]) -> None:
    assert schema_of(example) == schema


EVERY: Final = document((*DIALOGUES, *STREAMED))


def validator(name: str) -> jsonschema_rs.Validator:
    """Checks a payload by the schema of this message."""
    payload = EVERY["components"]["messages"][name]["payload"]
    return jsonschema_rs.validator_for({**payload, "components": EVERY["components"]})


@pytest.mark.parametrize("name", EVERY["components"]["messages"])
def test_every_example_is_valid_by_the_schema_next_to_it(name: str) -> None:
    (example,) = EVERY["components"]["messages"][name]["examples"]
    validator(name).validate(example["payload"])


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("anonymous_receive_message", {"type": "message", "message": 7}),
        ("channel_chat_receive_typing", {"type": "typing", "channel": ["general"]}),
        ("timed_rooms_receive_keep", {"type": "end"}),
        ("open_rooms_receive_typing", {"type": "typing", "is_typing": "yes"}),
        ("centrifugal_receive_subscribe", {"id": 1, "subscribe": {"channel": "x" * 256}}),
        ("centrifugal_receive_publish", {"id": 1, "subscribe": {"channel": "x"}}),
        ("centrifugal_receive_rpc_read", {"id": 1, "rpc": {"method": "read", "data": {"seq": -1}}}),
        ("centrifugal_sse_receive_connect", {"id": 0, "connect": {}}),
        ("centrifugal_http_stream_receive_emulation", {"data": ""}),
    ],
)
def test_what_a_decoder_refuses_its_schema_refuses(name: str, payload: Any) -> None:
    assert not validator(name).is_valid(payload)


NOT_OF_FRAMES: Final = {"_Marked", "Numbered"}  # read of what is refused all the same


def decoded_structs() -> set[str]:
    """The structs of all decoders that a dialect has, in its modules and on its classes."""
    found: set[str] = set()
    for module in pkgutil.walk_packages(dialects.__path__, "chat_web.dialects."):
        for owner in (held := vars(importlib.import_module(module.name))), *map(vars, _classes(held)):
            decoders = [value for value in owner.values() if isinstance(value, msgspec.json.Decoder)]
            found |= {
                decoder.type.__name__ for decoder in decoders if hasattr(decoder.type, "__struct_fields__")
            }
    return found | {method.decoder.type.__name__ for method in rpc.METHODS.values()}


def _classes(held: dict[str, Any]) -> list[type]:
    return [value for value in held.values() if isinstance(value, type)]


def test_every_decoder_of_a_dialect_is_in_the_asyncapi_document() -> None:
    found = decoded_structs()
    assert {"Command", "AnonymousFrame", "PostParams", "OpenRoomFrame"} <= found
    assert found - NOT_OF_FRAMES <= set(EVERY["components"]["schemas"])
    used = references(EVERY["components"]["messages"]) | references(EVERY["components"]["schemas"])
    assert {f"#/components/schemas/{name}" for name in EVERY["components"]["schemas"]} <= used


# Pages and files


@pytest.mark.parametrize("path", ["/openapi.json", "/asyncapi.json", "/openapi.json/"])
async def test_the_documents_are_json_for_programs(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path, allow_redirects=False) as response:
        assert (response.status, response.content_type) == (200, "application/json")
        assert (await response.json())["info"]["title"] == "Parley"


async def test_openapi_is_31_and_names_every_path(http: aiohttp.ClientSession) -> None:
    async with http.get("/openapi.json") as response:
        shown = await response.json()
    assert shown["openapi"].startswith("3.1")
    assert shown["paths"]["/api/channels"]["post"]["responses"].keys() == {
        *("201", "400", "401", "403", "408", "409", "413", "415", "422", "429", "503"),
    }
    in_search = {one["name"]: one["required"] for one in shown["paths"]["/api/search"]["get"]["parameters"]}
    assert in_search == {"q": True, "in": False, "from": False, "before": False, "limit": False}
    for reference in references(shown):
        assert reference.removeprefix("#/components/schemas/") in shown["components"]["schemas"]


@pytest.mark.parametrize("path", ["/docs", "/ws/docs", "/docs/", "/ws/docs/"])
async def test_a_reference_is_a_page_of_this_server_alone(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path, allow_redirects=False) as response:
        assert (response.status, response.content_type) == (200, "text/html")
        policy = response.headers["Content-Security-Policy"]
        text = await response.text()
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\ssrc=)", text), "no script stands in the page itself"
    assert not re.search(r"\son\w+=|\sstyle=", text)
    assert not re.findall(r'(?:src|href)="(?!/|#)', text), "nothing comes from elsewhere"
    for name in re.findall(r'(?:src|href)="(/static/[^"]+)"', text):
        async with http.get(name) as response:
            assert response.status == 200, name


async def test_the_http_reference_shows_every_operation(http: aiohttp.ClientSession) -> None:
    async with http.get("/docs") as response:
        text = await response.text()
    for route in ROUTES:
        path = re.sub(r":[^{}]*\}", "}", route.path)
        assert f'data-method="{route.method}" data-path="{path}"' in text


async def test_the_socket_reference_shows_every_frame_and_close_code(http: aiohttp.ClientSession) -> None:
    async with http.get("/ws/docs") as response:
        text = await response.text()
    for dialogue in DIALOGUES:
        assert dialogue.address in text
        for frame in dialogue.asked:
            assert f'data-dialogue="{dialogue.name}" data-frame="{frame.name}"' in text
        for frame in dialogue.told:
            assert f"<code>{frame.name}</code>" in text
    for number in CLOSE_CODES:
        assert f"<td>{number}</td>" in text
