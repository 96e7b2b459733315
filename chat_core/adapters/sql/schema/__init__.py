"""The schema: statements, rows, and the migrations in the folder of that name."""
