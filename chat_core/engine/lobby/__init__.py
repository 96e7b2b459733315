"""Lobbies: queues of seekers, pairing, and blocks."""
