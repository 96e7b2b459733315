"""JSON, and how values of the core are written down."""
