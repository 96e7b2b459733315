"""Dispatch: takes a command to the part that does it, after policy and rates.

A command that names only a message, or a room that has to be found, is looked up
before its conversation is asked.
"""

import logging
from typing import assert_never

from chat_core.engine.conversations.channels import Channels
from chat_core.engine.conversations.ephemeral import EphemeralEvents
from chat_core.engine.conversations.reading import Reading
from chat_core.engine.conversations.rooms import Rooms
from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.lobby.blocks import Blocks
from chat_core.engine.lobby.lobbies import Lobbies
from chat_core.engine.presence.people import People
from chat_core.engine.results import Reply
from chat_core.engine.runtime.logs import Logs
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model import commands as c
from chat_core.model.conversation import Room
from chat_core.model.errors import ChatError, Refused, Unavailable
from chat_core.model.ids import ConversationId, MessageId
from chat_core.model.person import Person
from chat_core.ports import Clock, Policy
from chat_core.rules import messages as message_rules
from chat_core.rules import room as room_rules

_log = logging.getLogger(__name__)


class Dispatch:
    """Every command of a person comes through ``ask``."""

    def __init__(
        self,
        *,
        clock: Clock,
        policy: Policy | None,
        channels_are_open: bool,
        logs: Logs,
        tasks: Tasks,
        people: People,
        conversations: Conversations,
        reading: Reading,
        channels: Channels,
        rooms: Rooms,
        lobbies: Lobbies,
        ephemeral: EphemeralEvents,
        blocks: Blocks,
    ) -> None:
        self._clock = clock
        self._policy = policy
        self._channels_are_open = channels_are_open
        self._logs = logs
        self._tasks = tasks
        self._people = people
        self._conversations = conversations
        self._reading = reading
        self._channels = channels
        self._rooms = rooms
        self._lobbies = lobbies
        self._ephemeral = ephemeral
        self._blocks = blocks

    def ask(self, person: Person, command: c.Command, reply: Reply) -> None:
        """Ask for something; ``reply`` is called exactly once. Never raises."""
        try:
            if self._policy is not None:
                self._check_policy(self._policy, person, command)
            match command:
                case c.Post():
                    self._people.take_message(person)
                    self._conversations.ask(command.conversation, command, person, reply)
                case c.PublishData():
                    if not self._channels_are_open:
                        raise Refused("not_member", "Only members can post in a channel.")
                    self._people.take_message(person)
                    self._conversations.ask(command.conversation, command, person, reply)
                case c.Start() | c.Keep() | c.Decline() | c.End() | c.Leave():
                    self._conversations.ask(command.room, command, person, reply)
                case c.Edit() | c.React():
                    self._people.take_message(person)
                    self._tasks.spawn(self._about_message(command, person, reply))
                case c.Delete() | c.Unreact():
                    self._tasks.spawn(self._about_message(command, person, reply))
                case c.Search():
                    if not command.again:  # who was left did not ask to be
                        self._people.take_search(person)
                    self._lobbies.search(command, person, reply)
                case c.CancelSearch(lobby=lobby):
                    self._lobbies.cancel(lobby, person, reply)
                case c.Skip():
                    self._people.take_search(person)
                    self._tasks.spawn(self._skip(command, person, reply, self._people.is_here(person.id)))
                case c.CreateChannel():
                    self._tasks.spawn(self._channels.create(command, person, reply))
                case c.JoinChannel() | c.LeaveChannel() | c.DeleteChannel():
                    self._tasks.spawn(self._channels.ask(command, person, reply))
                case c.AddMember() | c.RemoveMember() | c.SetRole():
                    self._tasks.spawn(self._channels.ask(command, person, reply))
                case c.OpenRoom():
                    self._people.take_message(person)
                    self._tasks.spawn(self._rooms.open(command, person, reply))
                case c.MarkRead():
                    self._tasks.spawn(self._mark_read(command, person, reply))
                case c.Type():
                    self._ephemeral.typed(command, person, reply)
                case c.Block() | c.Unblock():
                    self._blocks.ask(command, person, reply)
                case c.Close() | c.Tick() | c.Purge():
                    raise Refused("not_yours", "Only the server can do that.")
                case _:
                    assert_never(command)
        except ChatError as error:
            reply(error)

    def _check_policy(self, policy: Policy, person: Person, command: c.Command) -> None:
        try:
            policy(person, command, now=self._clock.now())
        except ChatError:
            raise
        except Exception as error:
            _log.exception("policy_failed")
            raise Unavailable("The server's policy failed. Try again.") from error

    # Commands whose conversation has to be found before it can be asked

    async def _mark_read(self, command: c.MarkRead, person: Person, reply: Reply) -> None:
        try:
            state = await self._reading.conversation(person, command.conversation)
        except ChatError as error:
            reply(error)
        else:
            await self._ephemeral.marked(command, state, person, reply)

    async def _skip(self, command: c.Skip, person: Person, reply: Reply, was_here: bool) -> None:
        try:
            room = await self._reading.conversation(person, command.room)
        except ChatError as error:
            reply(error)
            return
        if isinstance(room, Room):
            self._lobbies.skip(room, person, reply, was_here=was_here)
        else:
            reply(room_rules.unknown())

    async def _about_message(
        self, command: c.Edit | c.Delete | c.React | c.Unreact, person: Person, reply: Reply
    ) -> None:
        try:
            home = await self._home(command.message)
            await self._reading.conversation(person, home)
        except Refused:
            reply(message_rules.unknown())
        except ChatError as error:
            reply(error)
        else:
            self._conversations.ask(home, command, person, reply)

    async def _home(self, message_id: MessageId) -> ConversationId:
        """The conversation of a message."""
        message = await self._logs.message(message_id)
        if message is None:
            raise message_rules.unknown()
        return message.conversation
