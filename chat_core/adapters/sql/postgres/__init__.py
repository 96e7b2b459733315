"""The driver for PostgreSQL (asyncpg)."""
