"""The rules: pure functions and tables. A command and the time go in, facts come out.

    decide(conversation, command, ...) -> events     may refuse; changes nothing
    evolve(conversation, event) -> conversation      never refuses: an event is a fact

One file for each noun: ``room``, ``channel``, ``messages``, ``lobby``,
``presence``, ``notifications``, ``rate``. ``log`` puts the first three together.
Nothing here knows asyncio, a clock, chance or a disk.
"""
