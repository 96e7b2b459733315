"""People, and their cards: how others see them.

A ``Person`` is an account or a guest, never a socket. A ``Card`` is the person as
others see them in one conversation: in an anonymous pair, a pseudonym made for that
room alone; elsewhere, the person's own id and names.
"""

import enum

from chat_core.model.ids import PersonId
from chat_core.model.values import value


class PersonKind(enum.StrEnum):
    USER = "user"
    GUEST = "guest"


@value(kw_only=True)
class Card:
    """A person as others see them in one conversation."""

    id: PersonId
    username: str
    display_name: str


@value(kw_only=True)
class Person:
    """A participant. A matcher never pairs across ``partition`` (for example age groups)."""

    id: PersonId
    username: str
    display_name: str
    kind: PersonKind = PersonKind.GUEST
    partition: str = ""

    @property
    def card(self) -> Card:
        return Card(id=self.id, username=self.username, display_name=self.display_name)


def pseudonym(card_id: PersonId) -> Card:
    """The card of a person in an anonymous room: a pseudonym."""
    return Card(id=card_id, username="stranger", display_name="Stranger")


def guest(person: PersonId, display_name: str) -> Person:
    """A person without an account."""
    return Person(id=person, username=f"guest-{person[-12:]}", display_name=display_name)


def nobody(card_id: PersonId) -> Card:
    """The card of a person who has been erased."""
    return Card(id=card_id, username="deleted", display_name="Deleted")
