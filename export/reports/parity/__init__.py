"""Reports on this subject."""
