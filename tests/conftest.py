"""What every test has: the fixtures of ``chat_core.testing``, installed or not."""

from importlib.metadata import entry_points

_installed = any(entry.value == "chat_core.testing.plugin" for entry in entry_points(group="pytest11"))

pytest_plugins = [] if _installed else ["chat_core.testing.plugin"]
