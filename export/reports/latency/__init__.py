"""Measured times: of `bench` one by one, of `compare` against one another; as text, pages and plots."""
