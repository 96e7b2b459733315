"""The simulator: one seed, many people and faults, every invariant after each step."""
