"""JSON, and the JSON form of the core's values."""
