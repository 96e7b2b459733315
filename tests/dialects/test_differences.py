"""What PROTOCOLS.md says about how the protocols differ is what the recordings show, no more and no less."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.recorded_stories import headed, pattern
from tests.support.recording_player import OPENERS, Recording, Step, recordings

PROTOCOLS: Final = Path(__file__).parents[2] / "PROTOCOLS.md"
HEADING: Final = "## How the protocols differ"
DIALECTS: Final = sorted(OPENERS)
NOTHING: Final = "–"


def rows() -> dict[str, dict[str, str]]:
    """What stands there: a line of the table to each protocol's cell."""
    text = PROTOCOLS.read_text("utf-8").partition(HEADING)[2].partition("\n## ")[0]
    table = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    names = [name.strip().lower() for name in table[0][1:]]
    assert names == DIALECTS
    return {
        row[0].strip(): dict(zip(names, (cell.strip() for cell in row[1:]), strict=True)) for row in table[1:]
    }


def told(dialect: str) -> Iterator[Recording]:
    return (one for one in recordings() if one.name.endswith(f".{dialect}"))


def frames(dialect: str, recording: Recording) -> Iterator[tuple[Step, str, Any]]:
    """Every frame that somebody saw: its word, and what it holds."""
    for step in recording.steps:
        if step.mark == "<":
            head, text = headed(step.rest)
            frame = pattern(text) if text else None
            yield step, _word(dialect, head, frame), frame


def _word(dialect: str, head: str, frame: Any) -> str:
    """What a frame is called in its protocol."""
    match dialect, frame:
        case "p2", [str() as event, *_] if head == "42":
            return event
        case "p2", _:
            return head[:2]
        case "p5", {"push": {"pub": {"data": {"type": kind}}}}:
            return str(kind)
        case "p5", {"push": push}:
            return str(next(name for name in push if name != "channel"))
        case "p5", _:
            return str(next(name for name in frame if name != "id"))
        case _:
            return str(frame.get("event") or frame["type"])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_word_that_the_recordings_show_stands_there_and_no_other(dialect: str) -> None:
    written = {word for row in rows().values() for word in re.findall(r"`([^`]+)`", row[dialect])}
    seen = {word for one in told(dialect) for _, word, _ in frames(dialect, one)}
    assert written == seen


# What no word tells


def _is_message(word: str) -> bool:
    return word in ("message", "message_posted")


def hears_itself(dialect: str, recording: Recording) -> bool:
    """Somebody sees at once what it said on that very connection."""
    return any(
        _is_message(word)
        and any(
            s.mark == ">" and (s.who, s.at) == (step.who, step.at) and _text(frame) in s.rest
            for s in recording.steps
        )
        for step, word, frame in frames(dialect, recording)
    )


def waits_unasked(dialect: str, recording: Recording) -> bool:
    """Who was left is told at once of waiting again."""
    seen = [(step.who, step.at, word) for step, word, _ in frames(dialect, recording)]
    return any(
        one[2] == "partner_left"
        and (*one[:2], "waiting") in seen[n:]
        and not _asks(recording, one[0], one[1])
        for n, one in enumerate(seen)
    )


def counts_messages(dialect: str, recording: Recording) -> bool:
    """A message has its ``seq``."""
    return any(_is_message(word) and '"seq":' in step.rest for step, word, _ in frames(dialect, recording))


def tells_what_was_missed(dialect: str, recording: Recording) -> bool:
    """Who comes back sees, unasked over HTTP, what others said while it was away."""
    left: dict[str, float] = {}
    missed: dict[str, list[str]] = {}
    for step in recording.steps:
        if step.mark == "-":
            left[step.who] = step.at
        elif step.mark == "+" and step.who in left:
            others = [one for one in recording.steps if one.mark in (">", ":") and one.who != step.who]
            during = [one.rest for one in others if left[step.who] < one.at < step.at]
            missed[step.who] = [text for rest in during for text in _texts(rest)]
        elif step.mark == "<" and any(f'"{text}"' in step.rest for text in missed.get(step.who, ())):
            return True
    return False


def tells_old_notices(dialect: str, recording: Recording) -> bool:
    """Who comes is told of what happened before."""
    came = {(step.who, step.at) for step in recording.steps if step.mark == "+"}
    return any(
        word == "invited" and (step.who, step.at) in came for step, word, _ in frames(dialect, recording)
    )


def admits_a_hole(dialect: str, recording: Recording) -> bool:
    """Who comes back is told that something is missing."""
    return any('"gap":true' in step.rest or '"recovered":false' in step.rest for step in recording.steps)


def names_who_speaks(dialect: str, recording: Recording) -> bool:
    """A message tells who wrote it."""
    return any(
        _is_message(word) and any(f'"{name}":' in step.rest for name in ("user", "user_id", "author"))
        for step, word, _ in frames(dialect, recording)
    )


def _asks(recording: Recording, who: str, at: float) -> bool:
    return any(s.mark == ">" and (s.who, s.at) == (who, at) for s in recording.steps)


def _text(frame: Any) -> str:
    """The text of a message."""
    match frame:
        case [_, str() as text] | {"message": str() as text} | {"content": str() as text}:
            return text
        case {"push": {"pub": {"data": {"message": {"content": text}}}}}:
            return str(text)
        case _:
            raise AssertionError(frame)


def _texts(said: str) -> list[str]:
    """What a line says, if it says anything."""
    return re.findall(r'(?:"(?:content|message)":|\["message",)"([^"]+)"', said) or [said]


FACTS: Final[dict[str, Callable[[str, Recording], bool]]] = {
    "the sender receives its own message": hears_itself,
    "a message names its author": names_who_speaks,
    "a message has its seq": counts_messages,
    "after the partner leaves, the server searches again by itself": waits_unasked,
    "a returning client receives the messages it missed": tells_what_was_missed,
    "a returning client is notified of a gap": admits_a_hole,
    "notifications from the time away are sent": tells_old_notices,
}


@pytest.mark.parametrize("fact", FACTS)
def test_what_no_word_tells_is_as_the_recordings_show_it(fact: str) -> None:
    found: dict[str, bool] = defaultdict(bool)
    for dialect in DIALECTS:
        found[dialect] = any(FACTS[fact](dialect, one) for one in told(dialect))
    assert len(set(found.values())) == 2, "then it is no difference"
    assert rows()[fact] == {dialect: "yes" if found[dialect] else NOTHING for dialect in DIALECTS}
