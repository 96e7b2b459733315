"""One setting: its variable, the parsing of its text, and the error for an invalid value.

Not here: the list of settings (``settings``), and the parsers (``parsers``).
"""

from collections.abc import Callable
from typing import Any

import attrs
import environ


class SettingsError(Exception):
    """The configuration cannot be used. ``str()`` is one line that says how to fix it."""

    def __init__(self, variable: str, wrong: str, *, example: str = "", source: str = "") -> None:
        where = f"{variable} ({source})" if source else variable
        hint = f"; for example {variable}={example}" if example else ""
        super().__init__(f"{where} {wrong}{hint}")
        self.variable = variable
        self.wrong = wrong
        self.example = example
        self.source = source

    def at(self, source: str) -> "SettingsError":
        """The same error, with the source of the value."""
        return SettingsError(self.variable, self.wrong, example=self.example, source=source)


@attrs.frozen
class Reader:
    """Converter for the values of one variable; a value that is not text is already parsed."""

    variable: str
    read: Callable[[str], Any]
    example: str
    is_secret: bool

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.read(value if self.is_secret else value.strip())
        except ValueError as error:
            raise SettingsError(self.variable, str(error), example=self.example) from None


def var(
    name: str,
    default: str,
    read: Callable[[str], Any],
    text: str,
    *,
    example: str = "",
    is_secret: bool = False,
) -> Any:
    """One setting. Its default is text and is parsed like any other value."""
    reader = Reader(name, read, example or default, is_secret)
    return environ.var(default=default, name=name, converter=reader, help=text)
