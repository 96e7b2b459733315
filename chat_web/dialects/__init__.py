"""Dialects: one product's protocol a file. They do not know one another, and see no ``Chat``."""
