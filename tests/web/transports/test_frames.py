"""Frames as bytes: what a server sends, and what it makes of what clients send."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_web.transports.frames import (
    FRAGMENTS_MAX,
    Binary,
    Close,
    FrameReader,
    Incoming,
    Ping,
    Pong,
    ProtocolFault,
    Text,
    close_frame,
    is_close_code,
    ping_frame,
    pong_frame,
    text_frame,
)

MESSAGE_BYTES_MAX = 1000
MASK = bytes((0x37, 0xFA, 0x21, 0x3D))


def sent(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes = MASK) -> bytes:
    """A client's frame, made byte by byte so that it shares nothing with the code under test."""
    first = bytes(((0x80 if fin else 0) | rsv | opcode,))
    if len(payload) < 126:
        head = first + bytes((0x80 | len(payload),))
    elif len(payload) < 0x10000:
        head = first + struct.pack("!BH", 0xFE, len(payload))
    else:
        head = first + struct.pack("!BQ", 0xFF, len(payload))
    return head + mask + bytes(byte ^ key for byte, key in zip(payload, itertools.cycle(mask), strict=False))


def read(*chunks: bytes, binary: bool = False) -> list[Incoming]:
    reader = FrameReader(message_bytes_max=MESSAGE_BYTES_MAX, allows_binary=binary)
    return [incoming for chunk in chunks for incoming in reader.feed(chunk)]


def fault_of(*chunks: bytes, before: int = 0) -> int:
    """The close code of the fault that comes after so many good messages."""
    reader = FrameReader(message_bytes_max=MESSAGE_BYTES_MAX)
    seen: list[Incoming] = []

    def read_all() -> None:
        for chunk in chunks:
            seen.extend(reader.feed(chunk))

    with pytest.raises(ProtocolFault) as caught:
        read_all()
    assert len(seen) == before
    assert caught.value.reason
    assert list(reader.feed(sent(1, b"more"))) == []
    return caught.value.code


def close_payload(code: int, reason: bytes = b"") -> bytes:
    return code.to_bytes(2, "big") + reason


RIGHT: dict[str, tuple[bytes, list[Incoming]]] = {
    "text": (sent(1, b"hello"), [Text("hello")]),
    "empty text": (sent(1), [Text("")]),
    "text of 125 bytes": (sent(1, b"x" * 125), [Text("x" * 125)]),
    "text of 126 bytes": (sent(1, b"x" * 126), [Text("x" * 126)]),
    "text of 127 bytes": (sent(1, b"x" * 127), [Text("x" * 127)]),
    "text of the greatest size": (sent(1, b"x" * 1000), [Text("x" * 1000)]),
    "a mask of zeros": (sent(1, b"hi", mask=bytes(4)), [Text("hi")]),
    "two texts in one chunk": (sent(1, b"a") + sent(1, b"b"), [Text("a"), Text("b")]),
    "two fragments": (sent(1, b"a", fin=False) + sent(0, b"b"), [Text("ab")]),
    "three fragments": (sent(1, b"a", fin=False) + sent(0, b"b", fin=False) + sent(0, b"c"), [Text("abc")]),
    "empty fragments": (sent(1, fin=False) + sent(0, fin=False) + sent(0), [Text("")]),
    "a code point cut in two": (sent(1, b"\xe2\x82", fin=False) + sent(0, b"\xac"), [Text("€")]),
    "a ping between fragments": (
        sent(1, b"a", fin=False) + sent(9, b"?") + sent(0, b"b"),
        [Ping(b"?"), Text("ab")],
    ),
    "a pong between fragments": (sent(1, b"a", fin=False) + sent(10) + sent(0), [Pong(b""), Text("a")]),
    "a close between fragments": (sent(1, b"a", fin=False) + sent(8) + sent(0), [Close(1005, "")]),
    "ping of 125 bytes": (sent(9, b"x" * 125), [Ping(b"x" * 125)]),
    "ping of no text at all": (sent(9, b"\x00\xff\xfe"), [Ping(b"\x00\xff\xfe")]),
    "close without a code": (sent(8), [Close(1005, "")]),
    "close with a code": (sent(8, close_payload(1000)), [Close(1000, "")]),
    "close with a reason": (sent(8, close_payload(4000, "adé".encode())), [Close(4000, "adé")]),
    "close with a long reason": (sent(8, close_payload(1000, b"r" * 123)), [Close(1000, "r" * 123)]),
    "nothing counts after a close": (sent(8) + sent(1, b"late") + b"\xff\xff", [Close(1005, "")]),
    "the highest code point": (sent(1, b"\xf4\x8f\xbf\xbf"), [Text("\U0010ffff")]),
    "a byte order mark": (sent(1, b"\xef\xbb\xbfa"), [Text("\ufeffa")]),
    "NUL": (sent(1, b"\x00"), [Text("\x00")]),
    "a noncharacter": (sent(1, b"\xef\xbf\xbf"), [Text("\uffff")]),
}

WRONG: dict[str, tuple[bytes, int]] = {
    "not masked": (b"\x81\x02hi", 1002),
    "RSV1, as compressed frames have": (sent(1, b"a", rsv=0x40), 1002),
    "RSV2": (sent(1, b"a", rsv=0x20), 1002),
    "RSV3": (sent(9, rsv=0x10), 1002),
    **{f"opcode {opcode}": (sent(opcode), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "binary": (sent(2, b"\x00"), 1003),
    "fragmented binary": (sent(2, b"\x00", fin=False), 1003),
    "a continuation of nothing": (sent(0, b"a"), 1002),
    "an unfinished continuation of nothing": (sent(0, b"a", fin=False), 1002),
    "a text inside a text": (sent(1, b"a", fin=False) + sent(1, b"b"), 1002),
    "a fragmented ping": (sent(9, fin=False), 1002),
    "a fragmented close": (sent(8, fin=False), 1002),
    "a ping of 126 bytes": (sent(9, b"x" * 126), 1002),
    "a close of 126 bytes": (sent(8, close_payload(1000) + b"x" * 124), 1002),
    "125 written in 16 bits": (b"\x81\xfe\x00\x7d", 1002),
    "65535 written in 64 bits": (b"\x81\xff" + (0xFFFF).to_bytes(8, "big"), 1002),
    "a length with its highest bit": (b"\x81\xff" + (1 << 63).to_bytes(8, "big"), 1002),
    "one byte too many": (sent(1, b"x" * 1001), 1009),
    "a huge header alone": (b"\x81\xff" + (1 << 40).to_bytes(8, "big"), 1009),
    "one byte too many in fragments": (sent(1, b"x" * 600, fin=False) + b"\x80\xfe" + b"\x01\x91", 1009),
    "a lone continuation byte": (sent(1, b"\x80"), 1007),
    "a cut code point": (sent(1, b"\xe2\x82"), 1007),
    "an overlong slash": (sent(1, b"\xc0\xaf"), 1007),
    "a surrogate": (sent(1, b"\xed\xa0\x80"), 1007),
    "beyond the last code point": (sent(1, b"\xf4\x90\x80\x80"), 1007),
    "a byte that UTF-8 never has": (sent(1, b"\xff"), 1007),
    "a bad text in fragments": (sent(1, b"\xe2", fin=False) + sent(0, b"a"), 1007),
    "a bad long text": (sent(1, b"x" * 200 + b"\xff"), 1007),
    "half a close code": (sent(8, b"\x03"), 1002),
    "a close reason that is not UTF-8": (sent(8, close_payload(1000, b"\xff")), 1007),
    **{
        f"close code {code}": (sent(8, close_payload(code)), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_is_right_is_read_in_one_piece_and_byte_by_byte(case: str) -> None:
    wire, expected = RIGHT[case]
    assert read(wire) == expected
    assert read(*(wire[at : at + 1] for at in range(len(wire)))) == expected


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_has_its_close_code_however_it_comes(case: str) -> None:
    wire, code = WRONG[case]
    assert fault_of(wire) == code
    assert fault_of(*(wire[at : at + 1] for at in range(len(wire)))) == code
    assert fault_of(sent(1, b"a") + wire, before=1) == code


@pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_registered_and_private_close_codes_pass(code: int) -> None:
    assert read(sent(8, close_payload(code))) == [Close(code, "")]


def test_binary_is_read_where_it_is_allowed() -> None:
    wire = sent(2, b"\xff") + sent(2, b"\x00", fin=False) + sent(0, b"\x01")
    assert read(wire, binary=True) == [Binary(b"\xff"), Binary(b"\x00\x01")]


def test_endless_empty_fragments_come_to_an_end() -> None:
    reader = FrameReader(message_bytes_max=MESSAGE_BYTES_MAX)
    assert list(reader.feed(sent(1, fin=False))) == []
    for _ in range(FRAGMENTS_MAX - 1):
        assert list(reader.feed(sent(0, fin=False))) == []
    with pytest.raises(ProtocolFault) as caught:
        list(reader.feed(sent(0, fin=False)))
    assert caught.value.code == 1009


def test_who_stops_half_way_finds_the_rest() -> None:
    reader = FrameReader(message_bytes_max=MESSAGE_BYTES_MAX)
    for incoming in reader.feed(sent(1, b"a") + sent(1, b"b") + sent(1, b"c")[:3]):
        assert incoming == Text("a")
        break
    reader.hold(sent(1, b"c")[3:])
    assert list(reader.feed(sent(1, b"d"))) == [Text("b"), Text("c"), Text("d")]
    assert list(reader.feed(b"")) == []


def test_a_fault_does_not_carry_the_text() -> None:
    with pytest.raises(ProtocolFault) as caught:
        read(sent(1, b"secret\xff"))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "secret" not in str(caught.value)


messages = st.one_of(
    st.builds(Text, st.text(max_size=200)),
    st.builds(Ping, st.binary(max_size=125)),
    st.builds(Pong, st.binary(max_size=125)),
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Incoming]]:
    """Messages, some cut into fragments, with pings between those."""
    wire, expected = b"", list[Incoming]()
    for message in draw(st.lists(messages, max_size=6)):
        match message:
            case Text(text):
                payload = text.encode()
                cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
                parts = [payload[a:b] for a, b in itertools.pairwise([0, *cuts, len(payload)])]
                for at, part in enumerate(parts):
                    mask = draw(st.binary(min_size=4, max_size=4))
                    wire += sent(0 if at else 1, part, fin=at == len(parts) - 1, mask=mask)
                    if at < len(parts) - 1 and draw(st.booleans()):
                        wire += sent(9, b"between")
                        expected.append(Ping(b"between"))
            case Ping(payload):
                wire += sent(9, payload)
            case Pong(payload):
                wire += sent(10, payload)
        expected.append(message)
    return wire, expected


@given(conversations(), st.lists(st.integers(0, 2000)))
def test_the_cut_into_chunks_changes_nothing(talk: tuple[bytes, list[Incoming]], cuts: list[int]) -> None:
    wire, expected = talk
    edges = [0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]
    assert read(*(wire[a:b] for a, b in itertools.pairwise(edges))) == expected


def code_or_none(*chunks: bytes) -> int | None:
    try:
        read(*chunks)
    except ProtocolFault as fault:
        return fault.code
    return None


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_random_bytes_raise_nothing_but_a_fault(chunks: list[bytes]) -> None:
    assert code_or_none(*chunks) in {None, 1002, 1003, 1007, 1009}


@given(st.data())
def test_damaged_frames_raise_nothing_but_a_fault(data: st.DataObject) -> None:
    wire = bytearray(data.draw(conversations())[0] or b"\x00")
    wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
    assert code_or_none(bytes(wire)) in {None, 1002, 1003, 1007, 1009}


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536, 70000])
def test_a_text_frame_has_the_shortest_head(length: int) -> None:
    payload = b"x" * length
    head = {length < 126: 2, 126 <= length < 65536: 4, length >= 65536: 10}[True]
    frame = text_frame(payload)
    assert frame[head:] == payload
    assert frame[0] == 0x81
    assert frame[1] == (length if head == 2 else 126 if head == 4 else 127)
    if head > 2:
        assert int.from_bytes(frame[2:head], "big") == length


def test_control_frames_are_as_the_standard_has_them() -> None:
    assert ping_frame(b"Hello") == bytes.fromhex("890548656c6c6f")
    assert pong_frame(b"Hello") == bytes.fromhex("8a0548656c6c6f")
    assert ping_frame() == b"\x89\x00"
    assert close_frame(1000, "bye") == b"\x88\x05\x03\xe8bye"
    assert close_frame(1005, "not said") == b"\x88\x00"
    with pytest.raises(ValueError, match="126"):
        ping_frame(b"x" * 126)


@given(st.integers(3000, 4999), st.text(st.characters(exclude_categories=()), max_size=200))
def test_a_close_reason_is_cut_between_code_points(code: int, reason: str) -> None:
    frame = close_frame(code, reason)
    said = frame[4:]
    assert len(said) == frame[1] - 2 <= 123
    assert reason.encode("utf-8", "replace").decode().startswith(said.decode())
    assert len(said) > 119 or said == reason.encode("utf-8", "replace")


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 2999, 5000])
def test_a_code_that_cannot_be_sent_is_refused(code: int) -> None:
    assert not is_close_code(code)
    with pytest.raises(ValueError, match=str(code)):
        close_frame(code)


@given(st.text(max_size=400), st.integers(1, 500), st.booleans())
def test_a_lone_text_is_what_feed_makes_of_it(text: str, cut: int, is_final: bool) -> None:
    whole = sent(1, text.encode(), fin=is_final)
    seen = FrameReader(message_bytes_max=MESSAGE_BYTES_MAX).lone_text(whole)
    if seen is not None:
        assert read(whole) == [Text(seen)] == [Text(text)]
    assert FrameReader(message_bytes_max=MESSAGE_BYTES_MAX).lone_text(whole[:-cut]) is None
    assert FrameReader(message_bytes_max=MESSAGE_BYTES_MAX).lone_text(whole + whole) is None


def test_all_but_a_lone_text_is_left_to_feed() -> None:
    halves = sent(1, b"a", fin=False), sent(0, b"b")
    texts = [sent(1, b"xx"), sent(1, b"x" * 125), sent(1, b"x" * 126), sent(1, b"x" * MESSAGE_BYTES_MAX)]
    others = [b"", sent(2, b"x"), sent(9, b"x"), halves[0], sent(1, b"x" * (MESSAGE_BYTES_MAX + 1))]
    others += [b"\x81\xff" + bytes(131), b"\x81\xfe\x00\x01" + bytes(5), b"\x81\x03" + bytes(7)]
    for chunk in texts:
        assert FrameReader(message_bytes_max=MESSAGE_BYTES_MAX).lone_text(chunk) is not None
    for chunk in others:
        assert FrameReader(message_bytes_max=MESSAGE_BYTES_MAX).lone_text(chunk) is None
    reader = FrameReader(message_bytes_max=MESSAGE_BYTES_MAX)
    assert list(reader.feed(halves[0])) == []
    assert reader.lone_text(texts[0]) is None
    assert list(reader.feed(halves[1])) == [Text("ab")]
    assert list(reader.feed(texts[0][:3])) == []
    assert reader.lone_text(texts[0]) is None


def test_a_lone_text_that_is_no_utf_8_is_a_fault() -> None:
    with pytest.raises(ProtocolFault):
        FrameReader(message_bytes_max=MESSAGE_BYTES_MAX).lone_text(sent(1, b"\xff\xff"))
