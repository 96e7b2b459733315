"""Conversations: turns, what is loaded, rooms, channels, reading, ephemeral events, retention."""
