"""Every recorded conversation, played: the specification of the dialects."""

from pathlib import Path
from typing import Final

import pytest

from chat_core.adapters.sql.postgres.store import open_postgres
from chat_core.adapters.sql.sqlite.store import open_sqlite
from chat_core.testing.outside import Outside
from chat_core.testing.postgres import Cluster
from tests.support.recorded_stories import Story, play, stories

FOLDER = Path(__file__).parent
LIKE_MEMORY: Final = "relaxed"  # the recordings are of servers that promise nothing


@pytest.mark.parametrize(
    "story", list(stories(FOLDER)), ids=lambda story: f"{story.file.removesuffix('.txt')}: {story.title}"
)
async def test_recorded(story: Story) -> None:
    await play(story)


@pytest.mark.parametrize(
    "story", list(stories(FOLDER)), ids=lambda story: f"{story.file.removesuffix('.txt')}: {story.title}"
)
async def test_recorded_in_a_file(story: Story, tmp_path: Path) -> None:
    with Outside(lambda: open_sqlite(tmp_path / "parley.db", durability=LIKE_MEMORY)) as store:
        await play(story, store=store)


@pytest.mark.parametrize(
    "story", list(stories(FOLDER)), ids=lambda story: f"{story.file.removesuffix('.txt')}: {story.title}"
)
async def test_recorded_in_a_postgresql(story: Story, postgres: Cluster) -> None:
    with Outside(lambda: open_postgres(postgres.schema(), durability=LIKE_MEMORY)) as store:
        await play(story, store=store)
