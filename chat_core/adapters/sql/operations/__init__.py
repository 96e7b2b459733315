"""What a SQL store does, a noun a file, whatever the driver."""
