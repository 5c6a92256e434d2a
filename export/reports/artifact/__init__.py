"""What `export`, `inspect` and `models` print of an artifact."""
