"""The rules: pure functions and tables. Input: a command and the time. Output: events.

    decide(conversation, command, ...) -> events     may refuse; changes nothing
    evolve(conversation, event) -> conversation      never refuses: an event is a fact

One file for each noun: ``room``, ``channel``, ``messages``, ``lobby``,
``presence``, ``notifications``, ``rate``. ``log`` puts the first three together.
Not here: asyncio, a clock, randomness, a disk.
"""
