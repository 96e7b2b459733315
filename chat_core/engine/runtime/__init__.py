"""The runtime of the engine: its tasks and its alarms."""
