"""SQL: the store in a database. One text for SQLite and PostgreSQL; each driver has a file of its own.

``statements`` are the texts, ``rows`` and ``bodies`` turn values into rows and
back, ``batch`` is what a group of changes writes, ``migrate`` brings a database
up to date. Kept out: rules. What a row says, an event said before.
"""
