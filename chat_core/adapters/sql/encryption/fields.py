"""The fields that are encrypted before a change is written, and decrypted after a read.

Encrypted: texts of messages and of open channels, and the digests of posts, from
which a short text could be guessed. Not encrypted: ids, names, times and reactions.
"""

from collections.abc import Sequence

import attrs

from chat_core.adapters.sql.encryption.cipher import Cipher
from chat_core.model.events import DataPublished, Logged, MessageEdited, MessagePosted
from chat_core.model.message import Message
from chat_core.ports import Change


def sealed(change: Change, cipher: Cipher) -> Change:
    if cipher.key_id is None:
        return change
    return attrs.evolve(change, events=[_sealed(event, cipher) for event in change.events])


def opened(message: Message, cipher: Cipher) -> Message:
    """The message with its fields decrypted. Raises ``WrongKeys`` if no key opens them."""
    content, digest = message.content, message.digest
    if cipher.is_plain(content) and (digest is None or cipher.is_plain(digest)):
        return message
    return attrs.evolve(
        message,
        content=cipher.open(content, message.id),
        digest=None if digest is None else cipher.open(digest, message.id),
    )


def all_opened(messages: Sequence[Message], cipher: Cipher) -> Sequence[Message]:
    return [opened(message, cipher) for message in messages]


def events_opened(events: Sequence[Logged], cipher: Cipher) -> Sequence[Logged]:
    return [_opened(event, cipher) for event in events]


def data_about(conversation: str, seq: int) -> str:
    """The owner of a published text that is not a message."""
    return f"{conversation} {seq}"


def _sealed(event: Logged, cipher: Cipher) -> Logged:
    match event:
        case MessagePosted(message=message):
            digest = None if message.digest is None else cipher.seal(message.digest, message.id)
            content = cipher.seal(message.content, message.id)
            return attrs.evolve(event, message=attrs.evolve(message, content=content, digest=digest))
        case MessageEdited(message_id=id_, content=content):
            return attrs.evolve(event, content=cipher.seal(content, id_))
        case DataPublished(data=data):
            return attrs.evolve(event, data=cipher.seal(data, data_about(event.conversation, event.seq)))
        case _:
            return event


def _opened(event: Logged, cipher: Cipher) -> Logged:
    match event:
        case MessagePosted(message=message):
            return attrs.evolve(event, message=opened(message, cipher))
        case MessageEdited(message_id=id_, content=content):
            return attrs.evolve(event, content=cipher.open(content, id_))
        case DataPublished(data=data):
            return attrs.evolve(event, data=cipher.open(data, data_about(event.conversation, event.seq)))
        case _:
            return event
