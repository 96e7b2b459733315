"""The world of a simulation: its clock, loop, store, nodes and people, and what is true of them.

Kept out: what people do (``actions``) and see (``crowd``), what fails (``faults``),
and in what order it all happens (``simulator``).
"""

import random
from collections import deque
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, NoReturn

import attrs

from chat_core.adapters.clock import Ids
from chat_core.adapters.memory.backplane import InProcessBackplane
from chat_core.adapters.memory.store import MemoryStore
from chat_core.compose import Config, lobbies
from chat_core.engine.assemble import assemble
from chat_core.engine.dependencies import Dependencies
from chat_core.engine.results import Committed, Result
from chat_core.model.commands import Block, Command, Post, Unblock
from chat_core.model.conversation import Channel, Persistence
from chat_core.model.errors import ChatError, InvariantBroken, Refused, Unavailable
from chat_core.model.ids import ConversationId, PersonId
from chat_core.model.person import Person, PersonKind
from chat_core.ports import Change, Store
from chat_core.rules.matching import MATCHERS
from chat_core.testing.clock import FakeClock
from chat_core.testing.passwords import no_accounts
from chat_core.testing.simulation.crowd import Somebody
from chat_core.testing.simulation.faults import Faults, FaultyBackplane, FaultyStore
from chat_core.testing.simulation.invariants import Journal, check_at_rest, check_deadlines, check_lines
from chat_core.testing.simulation.seeded_loop import SeededLoop
from chat_core.testing.simulation.state import Asked, Node

LAST_EVENTS: Final = 40  # that a failure shows
CONFIG: Final = Config(countdown_s=20.0, notification_s=5.0, resume_s=10.0, rate_limits=False)


class SimulatedWorld:
    """One world from one seed: what people do goes through it, and is checked against the truth.

    ``store`` is an empty one that answers at once, or while the world stands still (see ``outside``).
    """

    def __init__(self, seed: int, *, trace: bool = False, store: Store | None = None) -> None:
        self.seed = seed
        self.at_step = 0
        self.rng = self._rng("people")
        self.clock = FakeClock()
        self.loop = SeededLoop(self._rng("loop"), self.clock)
        self.faults = Faults(clock=self.clock, rng=self._rng("faults"))
        self.journal = Journal()
        self.store: Store = store or MemoryStore()
        self.shared = InProcessBackplane(self.clock)
        self.people: list[Somebody] = []
        self.nodes: list[Node] = []
        self.asked: list[Asked] = []
        self.refused_texts: list[str] = []
        self.texts = 0
        self.broken: str | None = None
        self.trace_hash = blake2b() if trace else None
        self.last: deque[tuple[object, ...]] = deque(maxlen=LAST_EVENTS)
        self._ids = Ids(self.clock.now, self._rng("ids"))
        self._calm_since = self.clock.now()

    def _rng(self, of: str) -> random.Random:
        return random.Random(f"{self.seed}/{of}")  # noqa: S311 - chance that can be had again

    # What happened

    def traced(self, *what: object) -> None:
        """Write down what happened, for the trace and for who has to understand a failure."""
        entry = (self.at_step, self.clock.now(), *what)
        self.last.append(entry)
        if self.trace_hash is not None:
            self.trace_hash.update(repr(entry).encode())

    def broke(self, why: str) -> NoReturn:
        """Stop the simulation, wherever this is raised."""
        self.broken = self.broken or why
        raise InvariantBroken(why)

    def check(self) -> None:
        """Invariants that are checked after each step."""
        if self.broken is None and self.loop.errors:
            self.broken = f"a callback raised {self.loop.errors[0]!r}"
        if self.broken is not None:
            raise InvariantBroken(self.broken)
        for node in self.nodes:
            check_lines(node.chat)

    def rest(self) -> None:
        """Run until nothing is ready, and check what holds then."""
        self.loop.drain()
        self.check()
        now = self.clock.now()
        calm_since = max(self._calm_since, self.faults.trouble_at)
        check_deadlines(self.journal, now=now, calm_since=calm_since)
        for node in self.nodes:
            check_at_rest(node.chat, self.journal, now=now, calm_since=calm_since, nodes=len(self.nodes))

    def pass_time(self, seconds: float) -> None:
        """Move on, stopping at each alarm."""
        until = self.clock.now() + seconds
        self.rest()
        while (when := self.clock.next_alarm()) is not None and when <= until:
            self.clock.set(max(self.clock.now(), when))
            self.clock.ring()
            self.rest()
        self.clock.set(until)

    # Asking

    def ask(self, node: Node, person: Person, command: Command, *, fresh: str = "") -> None:
        """Ask, and check the answer against the truth when it comes."""
        asked = Asked(node, person, command, fresh)
        self.asked.append(asked)
        self.traced("ask", person.id, command)
        node.chat.ask(person, command, lambda result: self._answered(asked, result))

    def _answered(self, asked: Asked, result: Result | ChatError) -> None:
        if not asked.node.alive:
            return
        if asked.answered:
            self.broke(f"answered twice: {asked.command}")
        asked.answered = True
        self.traced("answer", asked.person.id, result)
        match result:
            case Committed():
                self._acked(asked, result)
            case Refused():
                if asked.fresh:
                    self.refused_texts.append(asked.fresh)
            case Unavailable():
                if not self.faults.ever and len(self.nodes) == 1:
                    self.broke(f"unavailable although nothing failed: {asked.command}: {result}")
            case ChatError():
                self.broke(f"{asked.command} was answered {result!r}")

    def _acked(self, asked: Asked, committed: Committed) -> None:
        command = asked.command
        try:
            self.journal.acked(committed)
        except InvariantBroken as error:
            self.broke(str(error))
        if not isinstance(command, Post):
            return
        message = committed.message
        if message is None or message.by != asked.person.id or message.client_id != command.client_id:
            self.broke(f"{command} was answered {message}")
        if not message.deleted and message.edited_at is None and message.content != command.content:
            self.broke(f"{command} was answered {message}")
        book = self.journal.books.get(message.conversation)
        if command.client_id is not None and book is not None:
            posted = book.posted.get((message.by, command.client_id))
            if posted != message.id:
                self.broke(f"promise 4: {command} was answered {message.id}, stored was {posted}")

    def block(self, node: Node, somebody: Somebody, card: PersonId, *, blocks: bool) -> None:
        """Block or unblock whom a card shows; who that is the person need not know."""
        other = next((real for real, shown in self.cards() if shown == card), card)
        online = node.chat.people.get(somebody.person.id)
        knows = other == card or (online is not None and card in online.met)
        command = Block(user=card) if blocks else Unblock(user=other)
        if not blocks:
            self.journal.unblock(somebody.person.id, other)
        asked = Asked(node, somebody.person, command)
        self.asked.append(asked)
        self.traced("ask", somebody.person.id, command)

        def answered(result: Result | ChatError) -> None:
            self._answered(asked, result)
            if not blocks:
                self.journal.unblock(somebody.person.id, other)
            elif knows and node.alive and not isinstance(result, ChatError):
                self.journal.block(somebody.person.id, other, self.clock.now())

        node.chat.ask(somebody.person, command, answered)

    # What is true

    def cards(self) -> Iterator[tuple[PersonId, PersonId]]:
        """The person behind each card of each room."""
        for book in self.journal.books.values():
            for person, member in book.state.members.items():
                yield person, member.card.id

    def channel_ids(self, name: str) -> list[ConversationId]:
        """The channels that have, or had, this name, newest first."""
        return [
            book.state.id
            for book in reversed(self.journal.books.values())
            if isinstance(book.state, Channel) and book.state.name == name
        ]

    def channels_of(self, somebody: Somebody) -> list[ConversationId]:
        return [conversation for name in somebody.channels for conversation in self.channel_ids(name)[:1]]

    # The world

    def populate(self) -> None:
        rng = self.rng
        for _ in range(2 if rng.random() < 0.35 else 1):
            self.start_node()
        if rng.random() < 0.6:
            rate = rng.choice((0.02, 0.1, 0.3))
            self.faults.before, self.faults.after, self.faults.slow = (rate * rng.random() for _ in range(3))
            self.faults.hints_lost, self.faults.hints_late, self.faults.hints_doubled = (
                rate * rng.random() for _ in range(3)
            )
        for number in range(rng.choice((3, 6, 12, 40, 200))):
            kind = PersonKind.GUEST if rng.random() < 0.3 else PersonKind.USER
            person = Person(
                id=self._ids(),
                username=f"p{number}",
                display_name=f"P{number}",
                kind=kind,
                partition="young" if rng.random() < 0.1 else "",
            )
            self.people.append(Somebody(person, rng.randrange(len(self.nodes))))

    def start_node(self) -> Node:
        """A new chat on what is there."""
        working = attrs.evolve(self.faults, trouble_at=self.faults.trouble_at)
        working.off()
        store = FaultyStore(self.store, working, self._committed)
        backplane = FaultyBackplane(self.shared, working, self._committed)
        dependencies = Dependencies(
            clock=self.clock,
            store=store,
            backplane=backplane,
            rng=self._rng(f"node{len(self.nodes)}"),
            new_id=self._ids,
            lobbies=lobbies(CONFIG),
            rooms_by_hand=lobbies(CONFIG)[1].room,
            matchers={"anonymous": MATCHERS["first_come"], "timed": MATCHERS["random"]},
            resume_s=CONFIG.resume_s,
            flush_s=CONFIG.flush_s,
            guests_may_post=False,
            accounts=no_accounts(),
        )
        chat = assemble(dependencies)
        self.loop.run_until_complete(chat.start())
        store.use(self.faults)
        backplane.use(self.faults)
        node = Node(chat, store, backplane)
        self.nodes.append(node)
        self._calm_since = self.clock.now()
        return node

    def crash(self, index: int) -> None:
        """The process of a node ends as if by ``kill -9``, and another one starts."""
        node = self.nodes[index]
        self.traced("crash", index)
        node.alive = False
        node.store.dead = True
        node.backplane.unplug()
        node.chat.alarms.stop()
        for somebody in self.people:
            for device in tuple(somebody.devices):
                if device.node is node:
                    device.drop()
        if len(self.nodes) == 1:
            self.shared = InProcessBackplane(self.clock)
            for conversation, book in tuple(self.journal.books.items()):
                if book.state.persistence is Persistence.EPHEMERAL:
                    self.journal.forget(conversation)
        replacement = self.start_node()
        self.nodes.pop()
        self.nodes[index] = replacement

    def _committed(self, change: Change) -> None:
        try:
            self.journal.committed(change)
        except InvariantBroken as error:
            self.broke(str(error))
        self.traced("commit", change.after.id, *change.events)
