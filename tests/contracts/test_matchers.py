"""The matchers that come with Parley keep the contract of matchers."""

from chat_core.rules.lobby import Matcher
from chat_core.rules.matching import at_random, first_come
from chat_core.testing.contracts import MatcherContract


class TestFirstCome(MatcherContract):
    def matcher(self) -> Matcher:
        return first_come


class TestAtRandom(MatcherContract):
    def matcher(self) -> Matcher:
        return at_random
