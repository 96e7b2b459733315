"""Terms in a database: the one condition that SQLite and PostgreSQL word differently, and its upkeep.

Kept out: what a term is (``rules.terms``).
"""

from typing import Final

# What has these terms, which $5 gives one after the other, in the virtual table message_terms.
HAS_TERMS: Final = """m.rowid in (
    select rowid from message_terms where message_terms match '"' || replace($5, ' ', '"* "') || '"*'
)"""
# The same by the index messages_terms.
HAS_TERMS_IN_POSTGRESQL: Final = """(m.terms is not null and array_to_tsvector(string_to_array(m.terms, ' '))
    @@ cast('''' || replace($5, ' ', ''':* & ''') || ''':*' as tsquery))"""

# PostgreSQL: messages of before there were terms. By messages_id.
UNFILLED: Final = "select id, content from messages where id > $1 and not deleted order by id limit $2"
FILL: Final = """
update messages set terms = given.terms from unnest($1::text[], $2::text[]) as given (id, terms)
where messages.id = given.id"""

# SQLite: a merge of all there is leaves out what was to be forgotten. Begun with a negative number of
# pages, it goes on with a positive one, until it changes nothing any more.
TO_FORGET: Final = "select texts from terms_to_forget"
FORGOTTEN: Final = "delete from terms_to_forget where texts = $1"
MERGE: Final = "insert into message_terms (message_terms, rank) values ('merge', $1)"
