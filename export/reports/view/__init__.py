"""The graph of a written file as a page."""
