"""The HTTP API, one file per noun. A handler reads a request, calls the core once, and writes a response."""
