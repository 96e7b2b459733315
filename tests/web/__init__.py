"""The web: sockets, HTTP, the process."""
