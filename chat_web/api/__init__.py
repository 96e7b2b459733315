"""The HTTP API, a noun a file. Each handler reads a request, asks the core once, and writes an answer."""
