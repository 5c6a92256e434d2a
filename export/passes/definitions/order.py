"""Sorting, and what is found by it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ._table import defines
from .arithmetic import lerp, logaddexp

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


@defines(aten.nanmedian.dim)
def nanmedian(self: Tensor, dim: int, keepdim: bool) -> list[Tensor]:
    """The one in the middle of what is a number, the lower of two; its place is not given, which of none is anywhere"""
    is_number = self == self
    ordered, _ = torch.sort(torch.where(is_number, self, math.inf), dim)
    count = is_number.to(torch.int32).sum(dim, keepdim=True, dtype=torch.int64)
    middle = ordered.gather(dim, torch.floor_divide((count - 1).clamp_min(0), 2))
    values = torch.where(count > 0, middle, math.nan)
    return [values if keepdim else values.squeeze(dim)]


@defines(aten.nanmedian.default)
def nanmedian_of_all(self: Tensor) -> Tensor:
    return nanmedian(self.reshape(-1), 0, keepdim=False)[0]


@defines(aten.mode.default)
def mode(self: Tensor, dim: int, keepdim: bool) -> list[Tensor]:
    """The least of the numbers that are there most often, and the last place of it"""
    x = self.movedim(dim, -1)
    count = (x.unsqueeze(-1) == x.unsqueeze(-2)).to(torch.int32).sum(-1, dtype=torch.int32)
    is_most = count == count.amax(-1, keepdim=True)
    largest = math.inf if x.is_floating_point() else torch.iinfo(x.dtype).max
    values = torch.where(is_most, x, largest).amin(-1, keepdim=True)
    places = torch.where(x == values, torch.arange(x.shape[-1]), -1).amax(-1, keepdim=True)
    found = [item.movedim(-1, dim) for item in (values, places)]
    return found if keepdim else [item.squeeze(dim) for item in found]


@defines(aten.cummax.default)
def cummax(self: Tensor, dim: int) -> list[Tensor]:
    """The largest up to each place, and the last place of it: after k steps of the last 2**k"""
    return _extreme_so_far(self, dim, torch.ge)


@defines(aten.cummin.default)
def cummin(self: Tensor, dim: int) -> list[Tensor]:
    """The least up to each place, in the same way"""
    return _extreme_so_far(self, dim, torch.le)


def _extreme_so_far(self: Tensor, dim: int, is_as_far: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
    if not self.ndim:
        return [self.clone(), torch.zeros_like(self, dtype=torch.int64)]
    axis, length, step = dim % self.ndim, self.shape[dim], 1
    along = [-1 if place == axis else 1 for place in range(self.ndim)]
    values, places = self.clone(), torch.arange(length).reshape(along).expand(self.shape)
    while step < length:
        before, after, begin = (
            [item.narrow(axis, start, count) for item in (values, places)]
            for start, count in ((0, length - step), (step, length - step), (0, step))
        )
        is_later = torch.logical_or(is_as_far(after[0], before[0]), after[0] != after[0])
        chosen = [torch.where(is_later, later, earlier) for later, earlier in zip(after, before, strict=True)]
        values, places = (torch.cat(pair, axis) for pair in zip(begin, chosen, strict=True))
        step *= 2
    return [values, places]


@defines(aten.logcumsumexp.default)
def logcumsumexp(self: Tensor, dim: int) -> Tensor:
    """The logarithm of the sum of exponentials up to each place: after k steps of the last 2**k"""
    if not self.ndim:
        return self.clone()
    x, length, step = self.clone(), self.shape[dim], 1
    while step < length:
        before, after = x.narrow(dim, 0, length - step), x.narrow(dim, step, length - step)
        x = torch.cat([x.narrow(dim, 0, step), logaddexp(after, before)], dim)
        step *= 2
    return x
