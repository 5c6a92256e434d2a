"""A few numbers in the place of many: one-dimensional k-means (Lloyd, "Least squares quantization in PCM", 1982)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["palette_of"]

_MOST_ROUNDS = 100
_POWER = 1 / 3  # of the density, at which many levels lie for the least squared error (Panter and Dite, 1951)
_BINS = 1024


def palette_of(weight: Tensor, size: int, stored: torch.dtype) -> tuple[Tensor, Tensor]:
    """At most ``size`` numbers that ``stored`` can represent, in order, and the place of the one nearest to each element.

    The same for the same weight on every machine: nothing is drawn.
    """
    values, counts = torch.unique(weight.double().flatten(), return_counts=True)
    levels = values if values.numel() <= size else _levels(values, counts.double(), size)
    levels = torch.unique(levels.to(stored).double())
    places = torch.searchsorted((levels[1:] + levels[:-1]) / 2, weight.double())
    return levels, places.to(torch.uint8)


def _levels(values: Tensor, counts: Tensor, size: int) -> Tensor:
    """Of the starts the one that ends with the least squared error."""
    found = [_settled(start, values, counts) for start in _starts(values, counts, size)]
    errors = [_squared_error(levels, values, counts) for levels in found]
    return found[errors.index(min(errors))]


def _starts(values: Tensor, counts: Tensor, size: int) -> Iterator[Tensor]:
    """Equal steps, which few numbers may be served best by, and steps by the density's cube root."""
    low, high = values[0], values[-1]
    yield torch.linspace(0, 1, size, dtype=torch.float64) * (high - low) + low
    bins = ((values - low) / (high - low) * (_BINS - 1)).long()
    density = torch.zeros(_BINS, dtype=torch.float64).index_add_(0, bins, counts) ** _POWER
    total = density.cumsum(0)
    wanted = (torch.arange(size, dtype=torch.float64) + 0.5) / size * total[-1]
    yield torch.unique(low + (torch.searchsorted(total, wanted).double() + 0.5) / _BINS * (high - low))


def _settled(levels: Tensor, values: Tensor, counts: Tensor) -> Tensor:
    """Each level moved to the mean of what is nearest to it, until none moves."""
    totals, sums = _sums(counts), _sums(counts * values)
    for _ in range(_MOST_ROUNDS):
        edges = torch.searchsorted(values, (levels[1:] + levels[:-1]) / 2)
        ends = torch.cat([edges.new_zeros(1), edges, edges.new_full((1,), values.numel())])
        many, whole = totals[ends].diff(), sums[ends].diff()
        moved = torch.where(many > 0, whole / many.clamp(min=1), levels)
        if torch.equal(moved, levels):
            break
        levels = moved
    return levels


def _squared_error(levels: Tensor, values: Tensor, counts: Tensor) -> float:
    places = torch.searchsorted((levels[1:] + levels[:-1]) / 2, values)
    return float((counts * (values - levels[places]).square()).sum())


def _sums(values: Tensor) -> Tensor:
    """Of the first none, one, two, ... values."""
    return torch.cat([values.new_zeros(1), values.cumsum(0)])
