-- Conversations with their events, messages, members and read marks; sessions; blocks.
-- Portable: what stands in a comment that begins with "sqlite:" is for SQLite alone.
-- Times are seconds since 1970-01-01 UTC. Ids and times are made by the application.

-- The state as it is after `head` events, beside the log: loading is one row and its members.
-- `name` is null for a room and for a deleted channel, so that the name is free again.
create table conversations (
    id text primary key,
    kind text not null,
    epoch text not null,
    retention text not null,
    created_at double precision not null,
    state text not null,
    name text unique,
    live boolean not null,
    deadline double precision
) /*sqlite: without rowid */;

-- What every append compares and sets. By itself, since a commit is as dear as the pages that
-- it changes: a hundred heads fit into one, ten states do. Here, in events and in messages,
-- PostgreSQL would look up and lock the conversation for each row, so it is not asked to.
create table heads (
    conversation text primary key /*sqlite: references conversations (id) on delete cascade */,
    head bigint not null
) /*sqlite: without rowid */;

create index conversations_live on conversations (id) where live;

-- `place` orders the members of a conversation as they came. `kind` is the conversation's.
create table members (
    conversation text not null references conversations (id) on delete cascade,
    person text not null,
    kind text not null,
    card_id text not null,
    username text not null,
    display_name text not null,
    role text not null,
    joined_at double precision not null,
    has_left boolean not null,
    place bigint not null,
    primary key (conversation, person)
) /*sqlite: without rowid */;

create index members_person on members (person, kind);

-- What happened but for the posting of messages: that stands in `messages`, as it is now.
create table events (
    conversation text not null /*sqlite: references conversations (id) on delete cascade */,
    seq bigint not null,
    at double precision not null,
    person text,
    kind text not null,
    message text,
    body text,
    primary key (conversation, seq)
) /*sqlite: without rowid */;

-- `person` is the author's real id, the card is what others see. The rows stand in the order of
-- writing: so the messages of many conversations, written at once, fill the same few pages.
create table messages (
    conversation text not null /*sqlite: references conversations (id) on delete cascade */,
    seq bigint not null,
    id text not null unique,
    person text not null,
    card_id text not null,
    username text not null,
    display_name text not null,
    content text not null,
    reply_to text,
    attachments text,
    created_at double precision not null,
    edited_at double precision,
    deleted boolean not null,
    client_id text,
    digest text,
    primary key (conversation, seq)
);

create unique index messages_client_id on messages (conversation, person, client_id)
    where client_id is not null;

-- `place` orders the emoji of a message, `seq` the people of an emoji. `person` is a card's id.
create table reactions (
    message text not null references messages (id) on delete cascade,
    emoji text not null,
    person text not null,
    place bigint not null,
    seq bigint not null,
    primary key (message, emoji, person)
) /*sqlite: without rowid */;

create table read_marks (
    conversation text not null,
    person text not null,
    seq bigint not null,
    primary key (conversation, person)
) /*sqlite: without rowid */;

create table chat_sessions (
    id text primary key,
    lobby text not null,
    user_a text not null,
    user_b text not null,
    started_at double precision not null,
    ended_at double precision
) /*sqlite: without rowid */;

create index chat_sessions_open on chat_sessions (id) where ended_at is null;

create table blocks (
    by_person text not null,
    person text not null,
    at double precision not null,
    primary key (by_person, person)
) /*sqlite: without rowid */;

create index blocks_person on blocks (person, by_person);

-- One row, written to find out whether a write would succeed.
create table probe (
    id bigint primary key,
    writes bigint not null
) /*sqlite: without rowid */;

insert into probe (id, writes) values (1, 0);
