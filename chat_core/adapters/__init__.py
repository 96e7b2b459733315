"""Adapters: one outside thing each, behind a port. They do not know one another."""
