"""Tests of the rules, as scripts with the time as an argument. No event loop, clock or sleep."""
