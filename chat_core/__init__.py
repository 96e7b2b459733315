"""Parley's core (filled in as the layers land)."""
