-- What concerns people in stored conversations, until a device of theirs was told.

-- `state` is a room's own state after event `seq`, beside its members, and empty where a message
-- mentions the person. `place` orders the notices of one change. `sender` is a card's id: the names
-- stand with the members.
create table notices (
    person text not null,
    conversation text not null references conversations (id) on delete cascade,
    seq bigint not null,
    kind text not null,
    at double precision not null,
    place bigint not null,
    sender text,
    state text not null,
    primary key (person, conversation, seq, kind)
) /*sqlite: without rowid */;

create index notices_conversation on notices (conversation);
