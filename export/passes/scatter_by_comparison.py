"""What is put together at places, by comparing each place with each number's: for a runtime that scatters, and adds nothing up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .definitions import DEFINITIONS
from .definitions.places import at_fewer_places
from .definitions.scattering import of_shape

__all__ = ["added_at_index", "added_at_places", "put_at_index", "reduced_at_places"]

aten = torch.ops.aten

_MOST = 2**26  # comparisons of one operator
_EXTREMES = {"amax": (-1, torch.amax), "amin": (1, torch.amin)}


def added_at_index(self: Tensor, dim: int, index: Tensor, source: Tensor, alpha: float) -> Any:
    """A product of ones and zeros with the rows that are added; of whole numbers, each in its own place."""
    if not self.ndim or not source.ndim:
        return NotImplemented
    if not self.is_floating_point():
        shape = [-1 if axis == dim % self.ndim else 1 for axis in range(self.ndim)]
        places = index.reshape(shape).expand(source.shape)
        return added_at_places(self, dim, places, source * int(alpha))
    size = self.shape[dim]
    if size * index.numel() > _MOST:
        return NotImplemented
    is_there = (torch.arange(size, dtype=index.dtype).unsqueeze(1) == index.reshape(1, -1)).to(self.dtype)
    rows = source.movedim(dim, 0)
    added = (is_there @ rows.reshape(index.numel(), -1)).reshape(size, *rows.shape[1:]).movedim(0, dim)
    return self + (added if alpha == 1 else alpha * added)


def added_at_places(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Any:
    """Of each place, the sum of the numbers that are put there."""
    if not self.ndim:
        return NotImplemented
    given = of_shape(src, index)

    def add(part: Tensor) -> Tensor:
        return part + _at_each_place(part, dim, index, given, 0).sum(-1, dtype=part.dtype).movedim(-1, dim)

    return _in_part(self, dim, index, add)


def reduced_at_places(
    self: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool
) -> Any:
    """Extremes, and sums with what was there; products, means and other sums are left as they are."""
    if reduce == "sum" and include_self:
        return added_at_places(self, dim, index, src)
    if reduce not in _EXTREMES or not self.ndim or not self.is_floating_point():
        return NotImplemented
    sign, extreme = _EXTREMES[reduce]
    given = of_shape(src, index)

    def put(part: Tensor) -> Tensor:
        largest = extreme(_at_each_place(part, dim, index, given, sign * math.inf), -1).movedim(-1, dim)
        if include_self:
            return torch.maximum(part, largest) if sign < 0 else torch.minimum(part, largest)
        is_put = _at_each_place(part, dim, index, torch.ones(given.shape, dtype=self.dtype), 0)
        return torch.where(is_put.sum(-1).movedim(-1, dim) > 0, largest, part)

    return _in_part(self, dim, index, put)


def put_at_index(self: Tensor, indices: list[Tensor | None], values: Tensor, accumulate: bool) -> Any:
    """Added along one axis; else as it is defined for every format."""
    taken = [(axis, index) for axis, index in enumerate(indices) if index is not None]
    (axis, index), *others = taken
    if not accumulate or others or index.dtype not in (torch.int32, torch.int64):
        return DEFINITIONS[aten.index_put.default](self, indices, values, accumulate)
    index = torch.where(index < 0, index + self.shape[axis], index)
    shape = [*self.shape[:axis], *index.shape, *self.shape[axis + 1 :]]
    source = values.expand(shape).reshape(*self.shape[:axis], index.numel(), *self.shape[axis + 1 :])
    return added_at_index(self, axis, index.reshape(-1), source, 1)


def _in_part(self: Tensor, dim: int, index: Tensor, put: Callable[[Tensor], Tensor]) -> Any:
    if self.shape[dim] * index.numel() > _MOST:
        return NotImplemented
    return at_fewer_places(self, dim, index, put)


def _at_each_place(self: Tensor, dim: int, index: Tensor, given: Tensor, otherwise: float) -> Tensor:
    """Along a last axis, behind the places, the numbers that are put there, and else ``otherwise``."""
    places = torch.arange(self.shape[dim], dtype=index.dtype).unsqueeze(1)
    index, given = index.movedim(dim, -1).unsqueeze(-2), given.movedim(dim, -1).unsqueeze(-2)
    return torch.where(index == places, given, torch.full((), otherwise, dtype=self.dtype))
