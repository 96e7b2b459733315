"""The descriptions that the server gives of itself: OpenAPI, AsyncAPI, and their pages."""
