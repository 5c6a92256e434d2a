"""Sorting by the largest numbers and their places, for a runtime that finds these and sorts nothing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from .rewriter import Rewriter

__all__ = [
    "largest_by_place",
    "median_by_topk",
    "median_of_all_by_topk",
    "nth_by_topk",
    "order_by_topk",
    "sorted_by_topk",
]

aten = torch.ops.aten


def order_by_topk(self: Tensor, dim: int, descending: bool, stable: bool = True) -> Any:
    """The places of all, the largest first or, of their negatives, the smallest."""
    del stable  # LiteRT has equals in their own order
    if not self.ndim or self.dtype is torch.bool:
        return NotImplemented
    moved = self.movedim(dim, -1)
    return torch.topk(moved if descending else -moved, self.shape[dim])[1].movedim(-1, dim)


def sorted_by_topk(self: Tensor, dim: int, descending: bool, stable: bool = True) -> Any:
    places = order_by_topk(self, dim, descending, stable)
    return places if places is NotImplemented else [self.gather(dim, places), places]


def nth_by_topk(self: Tensor, k: int, dim: int, keepdim: bool) -> Any:
    """The k-th in order."""
    places = order_by_topk(self, dim, False)
    if places is NotImplemented:
        return places
    place = places.narrow(dim, k - 1, 1)
    found = [self.gather(dim, place), place]
    return found if keepdim else [item.squeeze(dim) for item in found]


def median_by_topk(self: Tensor, dim: int, keepdim: bool) -> Any:
    """The one in the middle, the lower of two."""
    return nth_by_topk(self, (self.shape[dim] + 1) // 2, dim, keepdim) if self.ndim else NotImplemented


def median_of_all_by_topk(self: Tensor) -> Any:
    found = median_by_topk(self.reshape(-1), 0, False)
    return found if found is NotImplemented else found[0]


def largest_by_place(rewriter: Rewriter, node: fx.Node, bound: dict[str, Any]) -> Any:
    """Of the largest numbers whose places nothing reads, the numbers by their places."""
    if any(reader.args[1] != 0 for reader in node.users):
        return None
    return rewriter.write(_by_place, *(bound[name] for name in ("self", "k", "dim", "largest", "sorted")))


def _by_place(self: Tensor, k: int, dim: int, largest: bool, sorted: bool) -> list[Tensor]:
    places = torch.topk(self, k, dim, largest, sorted)[1]
    return [self.gather(dim, places), places]
