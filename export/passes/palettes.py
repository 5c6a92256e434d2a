"""A few numbers in the place of many: one-dimensional k-means (Lloyd, "Least squares quantization in PCM", 1982)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["palette_of"]

_MOST_ROUNDS = 100
_POWER = 1 / 3  # of the density, at which many levels lie for the least squared error (Panter and Dite, 1951)
_BINS = 1024


def palette_of(weight: Tensor, size: int, stored: torch.dtype) -> tuple[Tensor, Tensor]:
    """At most ``size`` numbers that ``stored`` can represent, in order, and the place of the one nearest to each element.

    The same for the same weight on every machine: the first levels lie by the density's cube root, and then each moves to
    the mean of what is nearest to it until none moves.
    """
    values, counts = torch.unique(weight.double().flatten(), return_counts=True)
    if values.numel() <= size:
        levels = values
    else:
        totals, sums = (_sums(each) for each in (counts.double(), counts * values))
        levels = _first_levels(values, counts.double(), size)
        for _ in range(_MOST_ROUNDS):
            edges = torch.searchsorted(values, (levels[1:] + levels[:-1]) / 2)
            ends = torch.cat([edges.new_zeros(1), edges, edges.new_full((1,), values.numel())])
            many, whole = totals[ends].diff(), sums[ends].diff()
            moved = torch.where(many > 0, whole / many.clamp(min=1), levels)
            if bool((moved == levels).all()):
                break
            levels = moved
    levels = torch.unique(levels.to(stored).double())
    places = torch.searchsorted((levels[1:] + levels[:-1]) / 2, weight.double())
    return levels, places.to(torch.uint8)


def _sums(values: Tensor) -> Tensor:
    """Of the first none, one, two, ... values."""
    return torch.cat([values.new_zeros(1), values.cumsum(0)])


def _first_levels(values: Tensor, counts: Tensor, size: int) -> Tensor:
    low, high = values[0], values[-1]
    bins = ((values - low) / (high - low) * (_BINS - 1)).long()
    density = torch.zeros(_BINS, dtype=torch.float64).index_add_(0, bins, counts) ** _POWER
    total = density.cumsum(0)
    wanted = (torch.arange(size, dtype=torch.float64) + 0.5) / size * total[-1]
    middles = low + (torch.searchsorted(total, wanted).double() + 0.5) / _BINS * (high - low)
    found: Tensor = torch.unique(middles)
    return found
