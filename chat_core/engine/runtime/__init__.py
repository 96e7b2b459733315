"""What the engine runs on: its tasks and its alarms."""
