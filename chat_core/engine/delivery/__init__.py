"""Delivery: from a committed event to every connection that follows its conversation."""
