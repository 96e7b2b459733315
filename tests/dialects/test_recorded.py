"""Every recorded conversation, played: the specification of the dialects."""

from pathlib import Path

import pytest

from tests.dialects.stories import Story, play, stories

FOLDER = Path(__file__).parent


@pytest.mark.parametrize(
    "story", list(stories(FOLDER)), ids=lambda story: f"{story.file.removesuffix('.txt')}: {story.title}"
)
async def test_recorded(story: Story) -> None:
    await play(story)
