"""Benchmarks of Parley against what it replaces; README.md says how to run and how to read them."""
