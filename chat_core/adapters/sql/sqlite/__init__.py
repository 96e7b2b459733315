"""The driver for SQLite (the standard library)."""
