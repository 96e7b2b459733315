"""Matchers: plain functions over the waiting people (see ``rules.lobby.Matcher``)."""

from collections.abc import Mapping
from typing import Final

from chat_core.rules.lobby import Matcher
from chat_core.rules.matching.first_come import first_come
from chat_core.rules.matching.random import at_random

MATCHERS: Final[Mapping[str, Matcher]] = {"first_come": first_come, "random": at_random}

__all__ = ["MATCHERS", "at_random", "first_come"]
