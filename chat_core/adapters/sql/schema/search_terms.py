"""Search terms in a database: the one condition that differs between SQLite and PostgreSQL, and its index.

Not here: the definition of a term (``rules.search_terms``).
"""

from typing import Final

# Messages with these terms, space-separated in $5: in the virtual table message_terms, or among
# the messages that are not indexed yet. No term contains an operator or a quote.
HAS_TERMS: Final = """m.rowid in (
    select rowid from message_terms where message_terms match '"' || replace($5, ' ', '"* "') || '"*'
    union all
    select w.number from terms_waiting w cross join messages t on t.rowid = w.number where not exists (
        select 1 from json_each('["' || replace($5, ' ', '","') || '"]') s
        where ' ' || t.terms not like '% ' || s.value || '%'
    )
)"""
# The same by the index messages_terms.
HAS_TERMS_IN_POSTGRESQL: Final = """(m.terms is not null and array_to_tsvector(string_to_array(m.terms, ' '))
    @@ cast('''' || replace($5, ' ', ''':* & ''') || ''':*' as tsquery))"""

# PostgreSQL: messages stored before there were terms. By messages_id.
UNFILLED: Final = "select id, content from messages where id > $1 and not deleted order by id limit $2"
FILL: Final = """
update messages set terms = given.terms from unnest($1::text[], $2::text[]) as given (id, terms)
where messages.id = given.id"""

# SQLite: messages go into the index in the order of writing.
ARE_WAITING: Final = "select 1 from terms_waiting limit 1"
TAKE_IN: Final = """
insert into message_terms (rowid, terms)
select m.rowid, m.terms from terms_waiting w cross join messages m on m.rowid = w.number
order by w.number limit $1"""
NO_LONGER_WAITING: Final = """
delete from terms_waiting where number in (select number from terms_waiting order by number limit $1)"""

# SQLite: a merge of the whole index removes deleted words. A negative number of pages starts it, a
# positive one continues it, until it changes nothing more.
TO_FORGET: Final = "select texts from terms_to_forget"
FORGOTTEN: Final = "delete from terms_to_forget where texts = $1"
MERGE: Final = "insert into message_terms (message_terms, rank) values ('merge', $1)"
