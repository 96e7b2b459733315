"""The schema, step by step: ``<number>_<what>.sql``. A step that was released is never changed again."""
