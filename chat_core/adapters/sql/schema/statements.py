"""The SQL texts, for both SQLite and PostgreSQL. A comment names the index that serves each.

``$n`` is the n-th value. ``{rows}`` is any number of rows with the types in ``…_ROW``:
one call per group is cheaper than one per row. Each driver passes them in its own way:
``listed`` for SQLite, ``unnested`` for PostgreSQL.
"""

# ruff: noqa: S608 - the texts are composed of constants; values are always bound

from collections.abc import Sequence
from functools import cache
from typing import Final

from chat_core.adapters.sql.schema import search_terms

# Appending. The compare-and-set of the head decides which write comes first.

OPEN: Final = """
insert into conversations (id, kind, epoch, retention, created_at, state, name, is_public, live, deadline)
{rows} on conflict do nothing"""
OPEN_ROW: Final = ("text", "text", "text", "text", "float8", "text", "text", "boolean", "boolean", "float8")
OPEN_HEADS: Final = "insert into heads (conversation, head) {rows}"
OPEN_HEADS_ROW: Final = ("text", "bigint")

MOVE_HEADS: Final = """
update heads set head = moved.column3 from ({rows}) as moved
where heads.conversation = moved.column1 and heads.head = moved.column2"""  # heads' key
MOVE_HEADS_ROW: Final = ("text", "bigint", "bigint")

SET_STATE: Final = """
update conversations set epoch = $2, state = $3, name = $4, is_public = $5, live = $6, deadline = $7
where id = $1"""  # conversations' key

INSERT_EVENTS: Final = """
insert into events (conversation, seq, at, person, kind, message, body) {rows}"""
INSERT_EVENTS_ROW: Final = ("text", "bigint", "float8", "text", "text", "text", "text")

INSERT_MESSAGES: Final = """
insert into messages (
    conversation, seq, id, person, card_id, username, display_name, content,
    reply_to, attachments, created_at, edited_at, deleted, client_id, digest, terms
) {rows} on conflict do nothing"""
INSERT_MESSAGES_ROW: Final = (
    *("text", "bigint", "text", "text", "text", "text", "text", "text"),
    *("text", "text", "float8", "float8", "boolean", "text", "text", "text"),
)

# The effect of events on messages: the same as rules.messages.apply. By messages_id and reactions' key.

EDIT: Final = "update messages set content = $2, edited_at = $3, terms = $4 where id = $1"
BLANK: Final = """
update messages set content = '', attachments = null, deleted = true, digest = null, terms = null
where id = $1"""
DROP_REACTIONS: Final = "delete from reactions where message = $1"
REACT: Final = """
insert into reactions (message, emoji, person, place, seq) values (
    $1, $2, $3, coalesce((select max(place) from reactions where message = $1 and emoji = $2), $4), $4
) on conflict do nothing"""
UNREACT: Final = "delete from reactions where message = $1 and emoji = $2 and person = $3"
LAST_EMOJI: Final = "update reactions set place = $3 where message = $1 and emoji = $2"

# Members, by their key. Inserting an existing member keeps their place.

PUT_MEMBER: Final = """
insert into members (
    conversation, person, kind, card_id, username, display_name, role, joined_at, has_left, place
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (conversation, person) do update set
    card_id = excluded.card_id, username = excluded.username, display_name = excluded.display_name,
    role = excluded.role, joined_at = excluded.joined_at, has_left = excluded.has_left"""
DROP_MEMBER: Final = "delete from members where conversation = $1 and person = $2"
DROP_MEMBERS: Final = "delete from members where conversation = $1"
DEMOTE_OWNERS: Final = "update members set role = 'member' where conversation = $1 and role = 'owner'"

# Why an append was not possible. By heads' key, conversations_name, messages_client_id.

HEAD: Final = "select head from heads where conversation = $1"
NAMED: Final = "select id from conversations where name = $1"
CLIENT_ID: Final = "select id from messages where conversation = $1 and person = $2 and client_id = $3"

# Conversations with their members: a row per member, or one row without members.

_STATE: Final = "c.id, c.kind, c.epoch, c.retention, c.created_at, h.head, c.state"
_MEMBER: Final = "m.person, m.card_id, m.username, m.display_name, m.role, m.joined_at, m.has_left"
_WITH_MEMBERS: Final = f"""
select {_STATE}, {_MEMBER} from {{source}} c
join heads h on h.conversation = c.id
left join members m on m.conversation = c.id"""  # heads' key, members' key

LOAD: Final = (
    _WITH_MEMBERS.format(source="conversations") + " where c.id = $1 order by m.place"  # conversations' key
)
LIVE_ROOMS: Final = (
    _WITH_MEMBERS.format(source="conversations")
    + " where c.live order by c.id, m.place"  # conversations_live
)
CHANNEL_NAMED: Final = (
    _WITH_MEMBERS.format(source="conversations") + " where c.name = $1 order by m.place"  # conversations_name
)
ROOMS_OF: Final = (  # members_person
    _WITH_MEMBERS.format(
        source="""(
    select r.* from members l join conversations r on r.id = l.conversation
    where l.person = $1 and l.kind = 'room' order by r.created_at desc, r.id desc limit $2
)"""
    )
    + " order by c.created_at desc, c.id desc, m.place"
)
CHANNELS_OF: Final = """
select conversation from members
where person = $1 and kind = 'channel' and not has_left order by conversation"""  # members_person
# A scalar query, because PostgreSQL turns "not exists" into a scan of all events.
_IS_OPEN: Final = """(
        select e.seq from events e where e.conversation = l.conversation and e.kind = 'room_ended' limit 1
    ) is null"""  # events_room_ended_of
OPEN_ROOMS_OF: Final = (  # members_person
    _WITH_MEMBERS.format(
        source=f"""(
    select r.* from members l
    join conversations r on r.id = l.conversation
    where l.person = $1 and l.kind = 'room' and not l.has_left and {_IS_OPEN}
)"""
    )
    + " order by c.created_at desc, c.id desc, m.place"
)
OPEN_ROOMS_OF_TWO: Final = (  # members_person, members' key
    _WITH_MEMBERS.format(
        source=f"""(
    select r.* from members l
    join members o on o.conversation = l.conversation and o.person = $2 and not o.has_left
    join conversations r on r.id = l.conversation
    where l.person = $1 and l.kind = 'room' and not l.has_left and {_IS_OPEN}
)"""
    )
    + " order by c.created_at desc, c.id desc, m.place"
)

# Whether person $1 may read conversation ``c``: it is public, or they are a member. Members' key.
_READABLE: Final = """(c.is_public or exists (
    select 1 from members l where l.conversation = c.id and l.person = $1 and not l.has_left
))"""
CHANNELS_LISTED: Final = f"""
select c.id from conversations c
where c.name > $2 and c.name like $3 escape '\\' and {_READABLE}
order by c.name limit $4"""  # conversations_name

# Messages in their current state.

_MESSAGE: Final = """
m.id, m.conversation, m.seq, m.person, m.card_id, m.username, m.display_name, m.content, m.created_at,
m.reply_to, m.attachments, m.edited_at, m.deleted, m.client_id, m.digest"""

MESSAGES_BEFORE: Final = f"""
select {_MESSAGE} from messages m where m.conversation = $1 and m.seq < $2
order by m.seq desc limit $3"""  # messages' key
MESSAGES_AFTER: Final = f"""
select {_MESSAGE} from messages m where m.conversation = $1 and m.seq > $2
order by m.seq limit $3"""  # messages' key
MESSAGE: Final = f"select {_MESSAGE} from messages m where m.id = $1"  # messages_id
POSTED: Final = f"""
select {_MESSAGE} from messages m
where m.conversation = $1 and m.person = $2 and m.client_id = $3"""  # messages_client_id

# By time, across conversations: a cursor is (created_at, conversation, seq).

LAST_MESSAGE: Final = "select max(seq) from messages where conversation = $1"  # messages' key
MESSAGE_AT: Final = """
select seq, created_at from messages where conversation = $1 and seq >= $2
order by seq limit 1"""  # messages' key
_CURSOR: Final = "(m.created_at, m.conversation, m.seq)"
_BY: Final = f"""
select {_MESSAGE} from messages m where m.person = $1 and not m.deleted and (
    select c.kind = 'room' or c.name is not null from conversations c where c.id = m.conversation
)"""  # messages_person, conversations' key
MESSAGES_BY_BEFORE: Final = (
    f"{_BY} and m.created_at <= $2 and {_CURSOR} < ($2, $3, $4)"
    " order by m.created_at desc, m.conversation desc, m.seq desc limit $5"
)
MESSAGES_BY_AFTER: Final = (
    f"{_BY} and m.created_at >= $2 and {_CURSOR} > ($2, $3, $4)"
    " order by m.created_at, m.conversation, m.seq limit $5"
)
SEARCH: Final = f"""
select {_MESSAGE} from messages m join conversations c on c.id = m.conversation
where {search_terms.HAS_TERMS} and {_CURSOR} < ($2, $3, $4)
and (cast($6 as text) is null or m.conversation = $6)
and (cast($7 as text) is null or lower(m.username) = lower($7))
and {_READABLE}
order by m.created_at desc, m.conversation desc, m.seq desc limit $8"""  # by terms, then conversations' key

REACTIONS_OF_MANY: Final = """
select message, emoji, person from reactions where message in ({values})
order by message, place, seq"""  # reactions' key
REACTIONS_BETWEEN: Final = """
select r.message, r.emoji, r.person from messages m join reactions r on r.message = m.id
where m.conversation = $1 and m.seq between $2 and $3
order by r.message, r.place, r.seq"""  # messages' key, then reactions' key

# Events, and the posts among them (MESSAGES_AFTER): by the keys of events and messages. The text of
# an edited message is joined from its only place: messages_id.

EVENTS_AFTER: Final = """
select e.seq, e.at, e.person, e.kind, e.message, e.body, m.content
from events e
left join messages m on m.id = e.message and e.kind = 'message_edited'
where e.conversation = $1 and e.seq > $2
order by e.seq limit $3"""

# Notifications, by their key.

PUT_NOTICE: Final = """
insert into notices (person, conversation, seq, kind, at, place, sender, state)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing"""
NOTIFICATIONS_OF: Final = """
select conversation, seq, kind, at, sender, state from notices where person = $1
order by at, conversation, seq, place"""
DROP_OLD_NOTICES: Final = """
delete from notices where person = $1 and (at, conversation, seq, place) <= (
    select n.at, n.conversation, n.seq, n.place from notices n where n.person = $1
    order by n.at desc, n.conversation desc, n.seq desc, n.place desc limit 1 offset $2
)"""
DROP_NOTICE: Final = """
delete from notices where person = $1 and conversation = $2 and seq = $3 and kind = $4"""
FORGET_NOTICES: Final = "delete from notices where person = $1"

# Pairings, by their key and by chat_sessions_open.

OPEN_PAIRING: Final = """
insert into chat_sessions (id, lobby, user_a, user_b, started_at, ended_at)
values ($1, $2, $3, $4, $5, $6) on conflict do nothing"""
CLOSE_PAIRING: Final = "update chat_sessions set ended_at = $2 where id = $1 and ended_at is null"
CLOSE_OPEN_PAIRINGS: Final = "update chat_sessions set ended_at = $1 where ended_at is null"

# Blocks, by their key and by blocks_person.

BLOCK: Final = "insert into blocks (by_person, person, at) values ($1, $2, $3) on conflict do nothing"
UNBLOCK: Final = "delete from blocks where by_person = $1 and person = $2"
BLOCKED_WITH: Final = """
select person from blocks where by_person = $1 union select by_person from blocks where person = $1"""

# Read marks, by their key.

MARK_READ: Final = """
insert into read_marks (conversation, person, seq) values ($1, $2, $3)
on conflict (conversation, person) do update set seq = excluded.seq where read_marks.seq < excluded.seq"""
READ_MARKS: Final = "select person, seq from read_marks where conversation = $1"

# Personal data of one person. By members_person, belonged's key, and then within one conversation.

REMEMBER_MEMBER: Final = """
insert into belonged (person, conversation) values ($1, $2) on conflict do nothing"""
CONVERSATIONS_OF: Final = """
select conversation from members where person = $1
union select conversation from belonged where person = $1 order by conversation"""
WRITTEN_BY: Final = f"""
select {_MESSAGE} from messages m where m.conversation = $1 and m.person = $2 and m.seq > $3
order by m.seq limit $4"""  # messages' key
REACTIONS_BY: Final = """
select m.id, r.emoji from messages m join reactions r on r.message = m.id
where m.conversation = $1 and r.person = $2 order by m.id, r.emoji"""  # messages' key, reactions' key
BLOCKS_OF: Final = "select person, at from blocks where by_person = $1"  # blocks' key
MARKS_OF: Final = "select conversation, seq from read_marks where person = $1"  # read_marks_person
PAIRINGS_OF: Final = """
select id, lobby, user_a, user_b, started_at, ended_at from chat_sessions
where user_a = $1 or user_b = $1 order by started_at, id"""  # chat_sessions_user_a, chat_sessions_user_b

DROP_REACTIONS_TO: Final = """
delete from reactions where message in (
    select id from messages where conversation = $1 and person = $2
)"""  # messages' key, reactions' key
ANONYMISE_MESSAGES: Final = """
update messages set content = '', attachments = null, deleted = true, digest = null, terms = null,
    client_id = null
where conversation = $1 and person = $2"""  # messages' key
# A pseudonym reveals nothing: names change only if a card shows the person's own id.
RENAME_AUTHOR: Final = """
update messages set username = $3, display_name = $4
where conversation = $1 and person = $2 and card_id = $2"""  # messages' key
RENAME_MEMBER: Final = """
update members set username = $3, display_name = $4
where conversation = $1 and person = $2 and card_id = $2"""  # members' key
BODIES_WITH: Final = "select seq, body from events where conversation = $1 and body like $2"  # events' key
SET_BODY: Final = "update events set body = $3 where conversation = $1 and seq = $2"  # events' key

FORGET_BLOCKS_OF: Final = "delete from blocks where by_person = $1"  # blocks' key
FORGET_BLOCKS_BY: Final = "delete from blocks where person = $1"  # blocks_person
FORGET_MARKS: Final = "delete from read_marks where person = $1"  # read_marks_person
FORGET_BELONGED: Final = "delete from belonged where person = $1"  # belonged's key
FORGET_USER_A: Final = "update chat_sessions set user_a = '' where user_a = $1"  # chat_sessions_user_a
FORGET_USER_B: Final = "update chat_sessions set user_b = '' where user_b = $1"  # chat_sessions_user_b

# Retention. By the keys of messages and reactions, events_room_ended, chat_sessions_ended.

CONVERSATIONS_FROM: Final = "select id from conversations where id > $1 order by id limit $2"
ROOMS_ENDED: Final = """
select conversation from events where kind = 'room_ended' and at < $1 order by at, conversation limit $2"""
DROP_REACTIONS_UP_TO: Final = """
delete from reactions where message in (
    select id from messages where conversation = $1 and seq <= $2 and not deleted
)"""
BLANK_UP_TO: Final = """
update messages set content = '', attachments = null, deleted = true, digest = null, terms = null
where conversation = $1 and seq <= $2 and not deleted"""
DROP_ALL_REACTIONS: Final = """
delete from reactions where message in (select id from messages where conversation = $1)"""
DROP_MESSAGES: Final = "delete from messages where conversation = $1"
DROP_EVENTS: Final = "delete from events where conversation = $1"
DROP_MARKS: Final = "delete from read_marks where conversation = $1"
DROP_HEAD: Final = "delete from heads where conversation = $1"
DROP_CONVERSATION: Final = "delete from conversations where id = $1"  # deletes its members too
FORGET_PAIRINGS: Final = "delete from chat_sessions where ended_at < $1"

PROBE: Final = "update probe set writes = writes + 1 where id = 1"  # probe's key


@cache
def among(text: str, count: int) -> str:
    """``text`` with ``count`` placeholders for ``{values}``, from $1."""
    return text.format(values=", ".join(f"${place}" for place in range(1, count + 1)))


@cache
def listed(text: str, row: Sequence[str], count: int) -> str:
    """``text`` for ``count`` rows of n values, numbered in sequence: the second row begins with $(n+1)."""
    width = len(row)
    rows = (", ".join(f"${at * width + place}" for place in range(1, width + 1)) for at in range(count))
    return text.format(rows=f"values {', '.join(f'({values})' for values in rows)}")


@cache
def unnested(text: str, row: Sequence[str], first: int = 1) -> str:
    """``text`` for any number of rows, given column by column from ``$first`` on."""
    arrays = ", ".join(f"${first + at}::{type_}[]" for at, type_ in enumerate(row))
    names = ", ".join(f"column{at}" for at in range(1, len(row) + 1))
    return text.format(rows=f"select * from unnest({arrays}) as given ({names})")
