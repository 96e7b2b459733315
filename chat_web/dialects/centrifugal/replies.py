"""Replies of the Centrifugal protocol, except publications."""

from collections.abc import Mapping
from typing import Any

import attrs

from chat_core import VERSION, Recovery
from chat_web.dialects.centrifugal import errors, publications
from chat_web.dialects.centrifugal.commands import History, Subscribe
from chat_web.dialects.centrifugal.encoding import reply
from chat_web.dialects.intents import Authenticated, Page, PresenceResult
from chat_web.encoding import wire


@attrs.frozen(kw_only=True)
class Ticket:
    """The credentials that a client sends with each command in a request of its own."""

    session: str
    node: str


def client(authenticated: Authenticated, ticket: Ticket | None = None) -> dict[str, Any]:
    """The identity that the client receives, and how long its token is valid."""
    result: dict[str, Any] = {"client": authenticated.connection, "version": f"Parley {VERSION}"}
    if ticket is not None:
        result["session"] = ticket.session
        result["node"] = ticket.node
    if authenticated.expires_in_s is not None:
        result["expires"] = True
        result["ttl"] = max(1, int(authenticated.expires_in_s))
    return result


def subscribed(asked: Subscribe, answer: Recovery, now: float) -> dict[str, Any]:
    """From where the client follows, and what it missed."""
    result: dict[str, Any] = {
        "recoverable": True,
        "positioned": True,
        "epoch": answer.conversation.epoch,
        "offset": answer.offset,
    }
    if asked.recover:
        result["was_recovering"] = True
        result["recovered"] = answer.recovered
        result["publications"] = [
            publications.publication(event, answer.conversation, now=now) for event in answer.events
        ]
    return result


def history(id: int, asked: History, page: Page, now: float) -> bytes:
    conversation = page.conversation
    if asked.since is not None and asked.since.epoch not in ("", conversation.epoch):
        return reply(id, error=errors.UNRECOVERABLE)
    shown = [publications.publication(event, conversation, now=now) for event in page.events]
    result = {"publications": shown, "offset": conversation.head, "epoch": conversation.epoch}
    return reply(id, history=result)


def presence(id: int, presence: PresenceResult, is_stats: bool) -> bytes:
    people = presence.people.values()
    if is_stats:
        stats = {"num_clients": sum(count for _, count in people), "num_users": len(people)}
        return reply(id, presence_stats=stats)
    clients: dict[str, Mapping[str, Any]] = {}
    for card, count in people:
        for n in range(count):
            name = card.id if n == 0 else f"{card.id}.{n + 1}"
            clients[name] = {"client": name, "user": card.id, "conn_info": wire.person(card)}
    return reply(id, presence={"presence": clients})
