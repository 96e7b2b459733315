"""Settings and the source of each value."""
