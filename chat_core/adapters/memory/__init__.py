"""Adapters in memory: for tests, trials and data that must never reach a disk."""
