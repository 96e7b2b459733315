"""The progress display of ``parley rotate-keys``. Not here: the rotation (``chat_core.rotate_keys``)."""

import asyncio
import sys
from typing import Final, TextIO

from chat_core import Config, rotate_keys

__all__ = ["Bar", "rotated"]

_WIDTH: Final = 30  # characters of the bar


class Bar:
    """A progress bar: one line that is overwritten at a terminal, a line per 10 % elsewhere."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._shown = -1

    def __call__(self, done: int, total: int) -> None:
        percent = 100 * done // total if total else 100
        step = percent if self._is_terminal else percent // 10 * 10
        if step == self._shown:
            return
        self._shown = step
        full = _WIDTH * percent // 100
        line = f"[{'#' * full}{'.' * (_WIDTH - full)}] {percent:3} %  {done:,} of {total:,}"
        self._out.write(f"\r{line}" if self._is_terminal else f"{line}\n")
        self._out.flush()

    def end(self) -> None:
        """Ends the line of the bar at a terminal."""
        if self._is_terminal and self._shown >= 0:
            self._out.write("\n")


def rotated(config: Config) -> str:
    """Rotates the keys with a bar on stderr; returns the closing sentence. Raises as ``rotate_keys``."""
    bar = Bar(sys.stderr)
    try:
        written = asyncio.run(rotate_keys(config, bar))
    except KeyboardInterrupt:
        bar.end()
        return "Stopped. Run parley rotate-keys again to continue."
    bar.end()
    return f"{written:,} re-encrypted. Only the first of MESSAGE_KEYS is still needed."
