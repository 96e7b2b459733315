"""Sockets of clients: the endpoints, and one pump per open connection between its dialect and the core."""
