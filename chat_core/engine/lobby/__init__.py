"""Lobbies: queues of people who look for somebody, pairing them, and what keeps two people apart."""
