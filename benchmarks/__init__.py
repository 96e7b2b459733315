"""Benchmarks of Parley against naive servers; README.md explains how to run and read them."""
