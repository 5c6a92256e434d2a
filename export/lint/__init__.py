"""What in a written model phones are reported to compute wrong or slowly, before one is touched."""
