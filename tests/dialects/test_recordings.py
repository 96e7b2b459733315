"""Every recording, played on a real server: the specification of the dialects, with time."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.recorded_stories import Differs
from tests.support.recording_player import FOLDER, OPENERS, Recording, play, read, recordings

ALL: Final = list(recordings())
STORIES: Final = {
    "strangers-talk": {"p0", "p2", "p3", "p5"},
    "skip": {"p0", "p2", "p5"},
    "partner-returns": {"p0", "p1", "p2", "p3", "p4", "p5"},
    "room-kept": {"p3", "p5"},
    "room-ended": {"p3", "p5"},
    "no-response": {"p3", "p5"},
    "history-and-gap": {"p1", "p4", "p5"},
    "typing-and-presence": {"p1", "p3", "p4", "p5"},
}
"""Which stories there are, and who has the words for them at least."""


@pytest.mark.parametrize("recording", ALL, ids=lambda recording: recording.name)
async def test_recorded(recording: Recording) -> None:
    await play(recording)


def test_every_story_is_told_in_every_dialect_that_has_the_words() -> None:
    told: dict[str, set[str]] = {}
    for recording in ALL:
        story, dialect = recording.name.rsplit(".", 1)
        assert dialect in OPENERS
        told.setdefault(story, set()).add(dialect)
    for story, dialects in STORIES.items():
        assert dialects <= told.get(story, set()), story


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (r'"message":"hello"', '"message":"hullo"'),
        (r"(?m)^   2\.0  bob <", "   2.2  bob <"),
        (r'(?m)^   2\.0  bob < .*"hello".*\n', ""),
        (r'(?m)^(   2\.0  bob < .*"hello".*\n)', r"\1\1"),
    ],
)
async def test_a_recording_that_tells_something_else_is_found_out(
    before: str, after: str, tmp_path: Path
) -> None:
    """Another text, another time, a line less, a line more."""
    text = (FOLDER / "strangers-talk.p0.txt").read_text("utf-8")
    changed = re.sub(before, after, text, count=1)
    assert changed != text
    path = tmp_path / "strangers-talk.p0.txt"
    path.write_text(changed, "utf-8")
    with pytest.raises(Differs):
        await play(read(path))
