"""SQL: the store in a database. One set of SQL texts for SQLite and PostgreSQL; a folder per driver.

``schema`` has the SQL texts, the rows and the migrations; ``operations`` has the reads
and writes of several statements; ``encryption`` seals texts. Not here: rules. Every row
comes from an event.
"""
