"""The methods that make ranges of statistics, by name; :mod:`.ranges` has what each does."""

from __future__ import annotations

__all__ = ["METHODS"]

METHODS = ("mse", "percentile", "entropy", "min-max")  # the first is the default
