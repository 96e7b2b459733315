-- Accounts, sessions and their refresh tokens; what is needed to find all that concerns one person.

-- `username_key`, `email_key` and `display_key` are in lower case. `email_key` is null where there is
-- no address. `password` is a hash. `interests` is JSON.
create table accounts (
    id text primary key,
    username text not null,
    username_key text not null unique,
    email text not null,
    email_key text unique,
    password text not null,
    created_at double precision not null,
    display_name text not null,
    display_key text not null,
    bio text not null,
    interests text not null,
    language text not null,
    birth_year bigint,
    avatar_url text not null,
    status text not null,
    last_seen double precision,
    shows_read_marks boolean not null
) /*sqlite: without rowid */;

-- Sessions of users and of guests. `token` and `token_before` are SHA-256 of refresh tokens.
create table logins (
    sid text primary key,
    person text not null,
    kind text not null,
    name text not null,
    created_at double precision not null,
    ends_at double precision not null,
    revoked_at double precision,
    token text,
    token_until double precision,
    token_used boolean,
    token_before text,
    token_before_until double precision
) /*sqlite: without rowid */;

create index logins_person on logins (person);
create index logins_ends_at on logins (ends_at);

-- Every refresh token that a session ever had, so that one which comes twice is known.
create table refresh_tokens (
    hash text primary key,
    sid text not null references logins (sid) on delete cascade
) /*sqlite: without rowid */;

create index refresh_tokens_sid on refresh_tokens (sid);

-- People who are gone, but of whom something may still stand in conversations.
create table erasures (
    person text primary key,
    at double precision not null
) /*sqlite: without rowid */;

-- Every channel that a person was ever a member of: `members` forgets who left. Rooms do not.
create table belonged (
    person text not null,
    conversation text not null references conversations (id) on delete cascade,
    primary key (person, conversation)
) /*sqlite: without rowid */;

create index belonged_conversation on belonged (conversation);

insert into belonged (person, conversation)
select distinct m.person, m.conversation from members m where m.kind = 'channel'
union
select distinct e.person, e.conversation from events e
join conversations c on c.id = e.conversation
where c.kind = 'channel' and e.kind = 'member_joined' and e.person is not null;

create index read_marks_person on read_marks (person);
create index chat_sessions_user_a on chat_sessions (user_a);
create index chat_sessions_user_b on chat_sessions (user_b);
