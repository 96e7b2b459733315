"""Mentions of members, as ``@name``, in persistent conversations."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from chat_core.model.conversation import Conversation, Persistence
from chat_core.model.events import Logged, Mentioned, MessagePosted
from chat_core.model.limits import MENTIONS_MAX

_NAME: Final = re.compile(r"(?<![\w@])@([A-Za-z0-9_.-]{3,32})")


def mentions(state: Conversation, events: Sequence[Logged]) -> Sequence[Mentioned]:
    """The notifications for people whom these messages mention, in member order."""
    found: Sequence[Mentioned] = ()
    if state.persistence is Persistence.PERSISTENT:
        for event in events:
            if type(event) is MessagePosted and "@" in event.message.content:  # rare
                found = (*found, *_of(state, event))
    return found


def _of(state: Conversation, event: MessagePosted) -> Iterator[Mentioned]:
    wanted: set[str] = set()
    for match in islice(_NAME.finditer(event.message.content), MENTIONS_MAX):
        name = match[1].casefold()
        wanted |= {name, name.rstrip(".-_")}  # the name may end a sentence
    for person in state.present() if wanted else ():
        if person != event.by and state.members[person].card.username.casefold() in wanted:
            yield Mentioned(
                at=event.at,
                by=event.by,
                to=person,
                conversation=state.id,
                message_seq=event.seq,
                sender=event.message.author,
            )
