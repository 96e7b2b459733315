-- Messages are found by the words in them. `terms` are those words, one after the other, in the one
-- spelling of rules/terms.py; null where there are none, as in a tombstone.
-- What stands in a comment "sqlite only:" or "postgresql only:" is one statement for that one alone.

alter table messages add column terms text;

/*postgresql only:
create index messages_terms on messages using gin (array_to_tsvector(string_to_array(terms, ' ')))
    where terms is not null
*/

-- The index has no text of its own. It is kept by the rowid of a message, which nothing changes in a
-- table that has other indexes, VACUUM neither. What is there already goes in at once; for PostgreSQL,
-- which has no such function, the driver does it.
/*sqlite only:
create virtual table message_terms using fts5 (terms, content = 'messages', tokenize = 'ascii', columnsize = 0)
*/
/*sqlite only: update messages set terms = terms_of(content) where not deleted */
/*sqlite only: insert into message_terms (message_terms) values ('rebuild') */

-- Messages that are not in the index yet, by their rowid.
/*sqlite only: create table terms_waiting (number integer primary key) */

-- Until it is merged the index keeps what it has been told to forget. One row says that it is to.
/*sqlite only: create table terms_to_forget (id integer primary key, texts integer not null) */

/*sqlite only:
create trigger messages_terms_in after insert on messages when new.terms is not null begin
    insert into terms_waiting (number) values (new.rowid);
end
*/
/*sqlite only:
create trigger messages_terms_out after delete on messages when old.terms is not null begin
    insert into message_terms (message_terms, rowid, terms) select 'delete', old.rowid, old.terms
        where not exists (select 1 from terms_waiting where number = old.rowid);
    insert into terms_to_forget (id, texts) select 1, 1
        where not exists (select 1 from terms_waiting where number = old.rowid)
        on conflict (id) do update set texts = texts + 1;
    delete from terms_waiting where number = old.rowid;
end
*/
/*sqlite only:
create trigger messages_terms_other after update of terms on messages when old.terms is not new.terms begin
    insert into message_terms (message_terms, rowid, terms) select 'delete', old.rowid, old.terms
        where old.terms is not null and not exists (select 1 from terms_waiting where number = old.rowid);
    insert into terms_to_forget (id, texts) select 1, 1
        where old.terms is not null and not exists (select 1 from terms_waiting where number = old.rowid)
        on conflict (id) do update set texts = texts + 1;
    delete from terms_waiting where number = old.rowid and new.terms is null;
    insert or ignore into terms_waiting (number) select new.rowid where new.terms is not null;
end
*/
