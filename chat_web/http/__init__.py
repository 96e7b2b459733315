"""HTTP: authentication, limits, headers, timeouts and errors of every request."""
