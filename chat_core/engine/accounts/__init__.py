"""Accounts: signing up and in, sessions, export and erasure."""
