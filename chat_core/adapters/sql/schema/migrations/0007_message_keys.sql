-- The keys with which something here was sealed, by their ids. `sealed` is a text that says whether a
-- key of this id is the right one.
create table message_keys (
    id text primary key,
    sealed text not null
) /*sqlite: without rowid */;
