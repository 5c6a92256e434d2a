"""Programs that measure: each is a documented command, and none is a test."""
