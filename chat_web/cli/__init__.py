"""The command ``parley``."""
