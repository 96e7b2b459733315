"""The model: ids, people, messages, conversations, commands, events, errors, limits.

Values only. Not here: a clock, randomness, a network, a disk or a logger; times
and random numbers are arguments. Names give the units: ``_s`` seconds, ``_bytes``,
and ``_at`` for seconds since 1970-01-01 UTC as a float.
"""
