-- Channels listed and searched by whoever may read them; messages found by their author.

alter table conversations add column is_public boolean not null default false;

-- Before this, only the state told which channels are private; it has no space after its colons.
update conversations set is_public = true where name is not null and state like '%"private":false%';

create index messages_person on messages (person, created_at);
