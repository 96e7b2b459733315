"""The engine: decide, store, apply, broadcast.

    conversations  turns: one writer a conversation, batched, stored before told
    alarms         one heap of deadlines, one timer
    hub            topic -> connections; encoded once, written once a flush
    people         persons with their connections, the grace, rates, blocks
    lobbies        reserve, confirm, commit
    connection     one open connection, whatever carries it; the embedded one
    chat           the front: commands and questions go in here

It knows asyncio and the ports, and no network, database or dialect.
"""
