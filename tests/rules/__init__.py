"""The rules, tested with scripts that carry the time. No loop, no clock, no sleep."""
