"""Assembly: builds the parts of a chat from its ``Dependencies``, each after the parts that it uses.

A part gets the parts that it uses as arguments. What goes the other way, from
below, is an event: a part subscribes to it here, once both are there.
"""

import attrs

from chat_core.engine.accounts.erasure import Erasure
from chat_core.engine.accounts.export import Export
from chat_core.engine.accounts.service import AccountService
from chat_core.engine.accounts.sessions import Sessions
from chat_core.engine.after_commit import AfterCommit
from chat_core.engine.chat import Chat
from chat_core.engine.conversations.channels import Channels
from chat_core.engine.conversations.commit import Commits
from chat_core.engine.conversations.ephemeral import EphemeralEvents
from chat_core.engine.conversations.loaded import LoadedConversations
from chat_core.engine.conversations.reading import Reading
from chat_core.engine.conversations.retention import Retention
from chat_core.engine.conversations.rooms import Rooms
from chat_core.engine.conversations.turns import Conversations
from chat_core.engine.delivery.flush_queue import FlushQueue
from chat_core.engine.delivery.hub import Hub
from chat_core.engine.delivery.notifications import Notifications
from chat_core.engine.dependencies import Dependencies
from chat_core.engine.dispatch import Dispatch
from chat_core.engine.lobby.blocks import Blocks
from chat_core.engine.lobby.lobbies import Lobbies
from chat_core.engine.lobby.pairing import Matchmaking
from chat_core.engine.lobby.pairing_records import PairingRecords
from chat_core.engine.presence.followers import Followers
from chat_core.engine.presence.people import OnlinePerson, People
from chat_core.engine.presence.status import StatusFeed
from chat_core.engine.runtime.alarms import Alarms
from chat_core.engine.runtime.logs import Logs
from chat_core.engine.runtime.tasks import Tasks
from chat_core.model.commands import Leave


@attrs.frozen(kw_only=True)
class _Ground:
    """The parts that all others are built on."""

    tasks: Tasks
    alarms: Alarms
    flush_queue: FlushQueue
    logs: Logs
    hub: Hub
    people: People


@attrs.frozen(kw_only=True)
class _Talk:
    """Conversations, and what is delivered of them."""

    commits: Commits
    loaded: LoadedConversations
    conversations: Conversations
    notifications: Notifications
    channels: Channels
    reading: Reading
    followers: Followers
    status_feed: StatusFeed


@attrs.frozen(kw_only=True)
class _Pairs:
    """Lobbies, and what keeps two people apart."""

    pairing_records: PairingRecords
    lobbies: Lobbies
    blocks: Blocks


def assemble(dependencies: Dependencies) -> Chat:
    """A chat that was not started yet."""
    ground = _ground(dependencies)
    talk = _talk(dependencies, ground)
    pairs = _pairs(dependencies, ground, talk)
    dispatch = _dispatch(dependencies, ground, talk, pairs)
    accounts = _accounts(dependencies, ground, talk, pairs, dispatch)
    after_commit = AfterCommit(
        clock=dependencies.clock,
        alarms=ground.alarms,
        people=ground.people,
        hub=ground.hub,
        lobbies=pairs.lobbies,
        channels=talk.channels,
        conversations=talk.conversations,
        pairing_records=pairs.pairing_records,
        notifications=talk.notifications,
    )
    retention = Retention(
        clock=dependencies.clock,
        store=dependencies.store,
        alarms=ground.alarms,
        tasks=ground.tasks,
        conversations=talk.conversations,
        texts_kept_s=dependencies.texts_kept_s,
    )
    _subscribe(ground, talk, pairs, accounts, after_commit)
    return Chat(
        clock=dependencies.clock,
        store=dependencies.store,
        new_id=dependencies.new_id,
        tasks=ground.tasks,
        alarms=ground.alarms,
        flush_queue=ground.flush_queue,
        hub=ground.hub,
        people=ground.people,
        followers=talk.followers,
        status_feed=talk.status_feed,
        notifications=talk.notifications,
        conversations=talk.conversations,
        reading=talk.reading,
        channels=talk.channels,
        retention=retention,
        lobbies=pairs.lobbies,
        accounts=accounts,
        backplane=dependencies.backplane,
        dispatch=dispatch,
        after_commit=after_commit,
        pairing_records=pairs.pairing_records,
        end_listening=dependencies.backplane.listen(talk.loaded.on_published),
    )


def _subscribe(
    ground: _Ground, talk: _Talk, pairs: _Pairs, accounts: AccountService, after_commit: AfterCommit
) -> None:
    def gone(online: OnlinePerson) -> None:
        """The person's grace is over: removes them from queues and anonymous pairs, and notifies others."""
        person = online.person
        pairs.lobbies.gone(person.id)
        for room in tuple(online.ephemeral_rooms):
            talk.conversations.ask_with_retry(room, Leave(room=room, disconnected=True), person)
        talk.followers.gone(online)
        talk.status_feed.look(online)
        accounts.left(person)

    ground.people.subscribe(gone=gone, back=talk.followers.back)
    talk.commits.subscribe(after_commit)


def _ground(dependencies: Dependencies) -> _Ground:
    tasks, alarms, flush_queue = Tasks(), Alarms(dependencies.clock), FlushQueue()
    logs = Logs(dependencies.store, dependencies.backplane)
    hub = Hub(flush_s=dependencies.flush_s, flush_queue=flush_queue, spawn=tasks.spawn, read_after=logs.after)
    people = People(
        clock=dependencies.clock,
        alarms=alarms,
        resume_s=dependencies.resume_s,
        messages=dependencies.messages,
        searches=dependencies.searches,
    )
    return _Ground(tasks=tasks, alarms=alarms, flush_queue=flush_queue, logs=logs, hub=hub, people=people)


def _talk(dependencies: Dependencies, ground: _Ground) -> _Talk:
    clock, hub, people = dependencies.clock, ground.hub, ground.people
    tasks, alarms = ground.tasks, ground.alarms
    commits = Commits(hub, dependencies.backplane)
    loaded = LoadedConversations(
        clock=clock, logs=ground.logs, commits=commits, hub=hub, tasks=tasks, alarms=alarms
    )
    conversations = Conversations(
        clock=clock,
        logs=ground.logs,
        is_durable=dependencies.store.durable,
        loaded=loaded,
        commits=commits,
        hub=hub,
        tasks=tasks,
        alarms=alarms,
        new_id=dependencies.new_id,
        guests_may_post=dependencies.guests_may_post,
    )
    channels = Channels(clock, dependencies.store, conversations, dependencies.new_id)
    return _Talk(
        commits=commits,
        loaded=loaded,
        conversations=conversations,
        notifications=Notifications(
            store=dependencies.store, people=people, alarms=alarms, clock=clock, tasks=tasks
        ),
        channels=channels,
        reading=Reading(dependencies.store, ground.logs, conversations, channels, people),
        followers=Followers(clock, hub, conversations.peek),
        status_feed=StatusFeed(
            clock=clock, tasks=tasks, people=people, accounts=dependencies.accounts.accounts, topics=hub
        ),
    )


def _pairs(dependencies: Dependencies, ground: _Ground, talk: _Talk) -> _Pairs:
    pairing_records = PairingRecords(dependencies.store, ground.alarms, dependencies.clock, ground.tasks)
    matchmaking = Matchmaking(
        matchers=dependencies.matchers,
        clock=dependencies.clock,
        rng=dependencies.rng,
        new_id=dependencies.new_id,
        store=dependencies.store,
        conversations=talk.conversations,
        people=ground.people,
        alarms=ground.alarms,
        pairing_records=pairing_records,
        notifications=talk.notifications,
        tasks=ground.tasks,
    )
    lobbies = Lobbies(
        rules=dependencies.lobbies,
        clock=dependencies.clock,
        store=dependencies.store,
        conversations=talk.conversations,
        people=ground.people,
        tasks=ground.tasks,
        matchmaking=matchmaking,
    )
    blocks = Blocks(
        clock=dependencies.clock,
        store=dependencies.store,
        accounts=dependencies.accounts.accounts,
        people=ground.people,
        lobbies=lobbies,
        conversations=talk.conversations,
        reading=talk.reading,
        tasks=ground.tasks,
    )
    return _Pairs(pairing_records=pairing_records, lobbies=lobbies, blocks=blocks)


def _dispatch(dependencies: Dependencies, ground: _Ground, talk: _Talk, pairs: _Pairs) -> Dispatch:
    rooms = Rooms(
        clock=dependencies.clock,
        store=dependencies.store,
        notifications=talk.notifications,
        conversations=talk.conversations,
        new_id=dependencies.new_id,
        rules=dependencies.rooms_by_hand,
    )
    ephemeral = EphemeralEvents(
        dependencies.clock, dependencies.store, ground.hub, talk.conversations, dependencies.accounts.accounts
    )
    return Dispatch(
        clock=dependencies.clock,
        policy=dependencies.policy,
        channels_are_open=dependencies.open_channels,
        logs=ground.logs,
        tasks=ground.tasks,
        people=ground.people,
        conversations=talk.conversations,
        reading=talk.reading,
        channels=talk.channels,
        rooms=rooms,
        lobbies=pairs.lobbies,
        ephemeral=ephemeral,
        blocks=pairs.blocks,
    )


def _accounts(
    dependencies: Dependencies, ground: _Ground, talk: _Talk, pairs: _Pairs, dispatch: Dispatch
) -> AccountService:
    accounts = dependencies.accounts
    sessions = Sessions(
        clock=dependencies.clock,
        alarms=ground.alarms,
        tasks=ground.tasks,
        people=ground.people,
        accounts=accounts.accounts,
        tokens=accounts.tokens,
        new_id=dependencies.new_id,
        refresh_s=accounts.refresh_s,
    )
    erasure = Erasure(
        clock=dependencies.clock,
        store=dependencies.store,
        accounts=accounts.accounts,
        sessions=sessions,
        people=ground.people,
        lobbies=pairs.lobbies,
        conversations=talk.conversations,
        alarms=ground.alarms,
        tasks=ground.tasks,
    )
    return AccountService(
        dependencies=accounts,
        clock=dependencies.clock,
        tasks=ground.tasks,
        new_id=dependencies.new_id,
        people=ground.people,
        status_feed=talk.status_feed,
        dispatch=dispatch,
        sessions=sessions,
        erasure=erasure,
        export=Export(dependencies.store, accounts.accounts),
    )
