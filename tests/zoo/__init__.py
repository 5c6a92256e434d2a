"""Networks of every kind, exported in both formats and held to PyTorch, a row each: ``make zoo``."""
