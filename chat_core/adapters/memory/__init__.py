"""Everything in memory: for tests, for trying things out, and for what must never reach a disk."""
