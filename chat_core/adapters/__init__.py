"""Adapters: each connects one external system to a port. They do not import one another."""
