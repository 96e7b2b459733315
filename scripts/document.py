"""Writes the parts of documents that come from the code: ``python scripts/document.py``.

Writes the room's state diagram to ARCHITECTURE.md and the settings to docs/settings.md.
``--check`` writes nothing; the exit status is 1 if a file differs from the code.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import attrs

from chat_core.model.conversation import RoomState
from chat_core.rules.room import TRANSITIONS
from chat_web.config.settings import Settings, load, shown, variables

ROOT: Final = Path(__file__).parents[1]


def diagram() -> str:
    """The room's transitions as a Mermaid diagram: one arrow per pair of states, in the table's order."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {RoomState.IDLE}"]
    for state, events in TRANSITIONS.items():
        targets: dict[RoomState, list[str]] = {}
        for event, target in events.items():
            targets.setdefault(target, []).append(event.__name__)
        lines += [f"    {state} --> {target}: {', '.join(names)}" for target, names in targets.items()]
        if not events:
            lines.append(f"    {state} --> [*]")
    return "\n".join([*lines, "```"]) + "\n"


def settings() -> str:
    """A row per setting: variable, default and meaning."""
    attributes = variables()
    fields = attrs.fields_dict(Settings)
    lines = ["| Variable | Default | Meaning |", "|---|---|---|"]
    for variable, value, _ in shown(load({}, Path("/nonexistent"))):
        entries = [
            entry for entry in fields[attributes[variable]].metadata.values() if hasattr(entry, "help")
        ]
        default = "empty" if value in ("", "not set") else f"`{value}`"
        lines.append(f"| `{variable}` | {default} | {entries[0].help} |")
    return "\n".join(lines) + "\n"


PARTS: Final[Mapping[str, tuple[str, Callable[[], str]]]] = {
    "diagram": ("ARCHITECTURE.md", diagram),
    "settings": ("docs/settings.md", settings),
}


def renewed(text: str, name: str, part: str) -> str:
    """The text of a file, with the part between its marks replaced. Raises ``ValueError`` without marks."""
    begin, end = f"<!-- {name}: by scripts/document.py -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = text.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise ValueError(f"the marks of {name} are missing")
    return before + begin + part + end + after


def main() -> int:
    is_current = True
    for name, (file, part) in PARTS.items():
        path = ROOT / file
        text = path.read_text(encoding="utf-8")
        new = renewed(text, name, part())
        is_current = is_current and new == text
        if "--check" not in sys.argv:
            path.write_text(new, encoding="utf-8")
    return 0 if is_current or "--check" not in sys.argv else 1


if __name__ == "__main__":
    raise SystemExit(main())
