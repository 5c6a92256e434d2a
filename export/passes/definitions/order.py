"""Sorting, and what is found by it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._table import defines
from .arithmetic import lerp

aten = torch.ops.aten


@defines(aten.kthvalue.default)
def kthvalue(self: Tensor, k: int, dim: int, keepdim: bool) -> list[Tensor]:
    """The k-th in order."""
    values, places = torch.sort(self, dim)
    found = [item.narrow(dim, k - 1, 1) for item in (values, places)]
    return found if keepdim else [item.squeeze(dim) for item in found]


@defines(aten.median.dim)
def median(self: Tensor, dim: int, keepdim: bool) -> list[Tensor]:
    """The one in the middle, the lower of two."""
    return kthvalue(self, (self.shape[dim] + 1) // 2, dim, keepdim)


@defines(aten.median.default)
def median_of_all(self: Tensor) -> Tensor:
    flat = self.reshape(-1)
    return torch.sort(flat, 0)[0].select(0, (len(flat) - 1) // 2)


@defines(aten.bucketize.Tensor)
def bucketize(self: Tensor, boundaries: Tensor, out_int32: bool, right: bool) -> Tensor:
    """How many boundaries lie below the number, or at it where the right one counts."""
    numbers = self.unsqueeze(-1)
    is_behind = boundaries <= numbers if right else boundaries < numbers
    return is_behind.to(torch.int32).sum(-1, dtype=torch.int32 if out_int32 else torch.int64)


@defines(aten.searchsorted.Tensor)
def searchsorted(
    sorted_sequence: Tensor,
    self: Tensor,
    out_int32: bool,
    right: bool,
    side: str | None,
    sorter: Tensor | None,
) -> Any:
    """The same, each row of numbers in its own row of boundaries."""
    if sorter is not None:
        return NotImplemented
    rows = sorted_sequence if sorted_sequence.ndim == 1 else sorted_sequence.unsqueeze(-2)
    return bucketize(self, rows, out_int32, right or side == "right")


@defines(aten.quantile.scalar)
def quantile(self: Tensor, q: float, dim: int | None, keepdim: bool, interpolation: str) -> Any:
    """Between the two that are next to (n - 1) q, in order."""
    if interpolation != "linear" or (dim is None and keepdim):
        return NotImplemented
    x, axis = (self.reshape(-1), 0) if dim is None else (self, dim)
    place = q * (x.shape[axis] - 1)
    ordered, low = torch.sort(x, axis)[0], int(place)
    found = ordered.narrow(axis, low, 1)
    if place > low:
        found = lerp(found, ordered.narrow(axis, low + 1, 1), place - low)
    return found if keepdim else found.squeeze(axis)


@defines(aten.sort.stable)
def sort(self: Tensor, dim: int, descending: bool, **_: object) -> list[Tensor]:
    """Equal numbers in their order, as every sort here."""
    return list(torch.sort(self, dim, descending))
