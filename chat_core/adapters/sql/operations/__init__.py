"""Operations of a SQL store, one noun per file, for every driver."""
