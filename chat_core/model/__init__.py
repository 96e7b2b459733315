"""The words of Parley: ids, people, messages, conversations, commands, events, errors, limits.

Values only. Nothing here knows a clock, chance, a network, a disk or a logger;
time and chance come in as arguments. Units stand in the names (``_s`` seconds,
``_bytes``) or in ``_at``: seconds since 1970-01-01 UTC as a float.
"""
