"""Which artifacts are not dominated: a table, a page and a plot."""
