"""What is put at places, and added up there."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ._table import defines
from .places import at_fewer_places, fewer_axes, scatter

aten = torch.ops.aten


@defines(aten.masked_scatter.default)
def masked_scatter(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Where the mask is, the source's numbers one after the other: as many as there were truths before."""
    mask = mask.expand(self.shape)
    before = mask.reshape(-1).to(torch.int32).cumsum(0, dtype=torch.int32)
    places = (before - 1).clamp(0, source.numel() - 1)
    return torch.where(mask, source.reshape(-1).index_select(0, places).reshape(self.shape), self)


@defines(aten.index_put.default)
def index_put(self: Tensor, indices: list[Tensor | None], values: Tensor, accumulate: bool) -> Any:
    """By one mask: where it is, the one number for all, or as many of the numbers as there were truths before. By places
    along axes behind others: with these axes first, and back"""
    masks = [item for item in indices if item is not None]
    if all(item.dtype in (torch.int32, torch.int64) for item in masks):
        return _put_behind(self, indices, values, accumulate)
    if len(masks) != 1 or masks[0].dtype is not torch.bool:
        return NotImplemented
    mask, axis = masks[0], indices.index(masks[0])
    rest = self.ndim - axis - mask.ndim
    flat = self.reshape(*self.shape[:axis], mask.numel(), *self.shape[axis + mask.ndim :])
    if values.ndim > rest and values.shape[-rest - 1] > 1:
        before = mask.reshape(-1).to(torch.int32).cumsum(0, dtype=torch.int32)
        count = values.shape[-rest - 1]
        values = values.index_select(values.ndim - rest - 1, (before - 1).clamp(0, count - 1))
    is_put = mask.reshape([-1] + [1] * rest)
    return torch.where(is_put, flat + values if accumulate else values, flat).reshape(self.shape)


def _put_behind(self: Tensor, indices: list[Tensor | None], values: Tensor, accumulate: bool) -> Any:
    taken = {axis: index for axis, index in enumerate(indices) if index is not None}
    axes, rest = list(taken), [axis for axis in range(self.ndim) if axis not in taken]
    is_one = not accumulate and all(index.numel() == 1 for index in taken.values())
    if is_one or len(axes) == len(indices):
        return NotImplemented
    shape = list(torch.broadcast_shapes(*(index.shape for index in taken.values())))  # type: ignore[no-untyped-call]
    before = axes[0] if axes[-1] - axes[0] == len(axes) - 1 else 0  # axes apart are put first by themselves
    sizes = [self.shape[axis] for axis in rest]
    places = [
        *range(before, before + len(shape)),
        *range(before),
        *range(before + len(shape), len(shape) + len(rest)),
    ]
    values = values.expand(sizes[:before] + shape + sizes[before:]).permute(places)
    order = axes + rest
    found = torch.index_put(
        self.permute(order), [index.expand(shape) for index in taken.values()], values, accumulate
    )
    return found.permute([order.index(axis) for axis in range(self.ndim)])


@defines(aten.scatter_add.default)
def scatter_add(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Any:
    """Of as many numbers as there are places; where there are fewer of these along another axis, the rest stays."""
    if not self.ndim or (src.shape == index.shape and not fewer_axes(self, dim, index)):
        return NotImplemented
    given = of_shape(src, index)
    return at_fewer_places(self, dim, index, lambda part: torch.scatter_add(part, dim, index, given))


@defines(aten.scatter_reduce.two)
def scatter_reduce(
    self: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool
) -> Any:
    """Sums, and means of as many as there are; without what was there, beginning with what changes nothing"""
    if not self.ndim:
        return NotImplemented
    began, given = self, of_shape(src, index)
    if not include_self and reduce != "mean":
        began = _filled(self, dim, index, _neutral(reduce, self.dtype))
    if reduce == "sum":
        return at_fewer_places(began, dim, index, lambda part: torch.scatter_add(part, dim, index, given))
    if reduce == "mean":
        return _means(self, dim, index, given, include_self)
    if began is self and src.shape == index.shape and not fewer_axes(self, dim, index):
        return NotImplemented
    put = aten.scatter_reduce.two
    return at_fewer_places(began, dim, index, lambda part: put(part, dim, index, given, reduce))


def _filled(self: Tensor, dim: int, index: Tensor, value: float) -> Tensor:
    found = scatter(self, dim, index, value)
    return torch.scatter(self, dim, index, value) if found is NotImplemented else found


def _neutral(reduce: str, kind: torch.dtype) -> float:
    if kind.is_floating_point:
        largest, least = math.inf, -math.inf
    else:
        largest, least = torch.iinfo(kind).max, torch.iinfo(kind).min
    return {"sum": 0, "prod": 1, "amax": least, "amin": largest}[reduce]


def of_shape(source: Tensor, index: Tensor) -> Tensor:
    """As many numbers as there are places; PyTorch takes more, and leaves the rest."""
    for axis, size in enumerate(index.shape):
        source = source if source.shape[axis] == size else source.narrow(axis, 0, size)
    return source


def _means(self: Tensor, dim: int, index: Tensor, source: Tensor, include_self: bool) -> Any:
    if not self.is_floating_point():
        return NotImplemented
    ones = torch.full(source.shape, 1.0, dtype=self.dtype)
    if include_self:
        number = torch.full(self.shape, 1.0, dtype=self.dtype).scatter_add(dim, index, ones)
        return self.scatter_add(dim, index, source) / number
    number = torch.zeros_like(self).scatter_add(dim, index, ones)
    total = torch.zeros_like(self).scatter_add(dim, index, source)
    return torch.where(number > 0, total / number.clamp_min(1.0), self)


@defines(aten.index_reduce.default)
def index_reduce(
    self: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, include_self: bool
) -> Any:
    """scatter_reduce, by each place as often as there are numbers for it"""
    sizes = [1] * source.ndim
    sizes[dim] = -1
    places = index.reshape(sizes).expand(source.shape)
    found = scatter_reduce(self, dim, places, source, reduce, include_self)
    return aten.scatter_reduce.two(self, dim, places, source, reduce) if found is NotImplemented else found


@defines(aten.diagonal_scatter.default)
def diagonal_scatter(self: Tensor, src: Tensor, offset: int, dim1: int, dim2: int) -> Tensor:
    """On the diagonal the other's number of that row, or of that column below the first."""
    first, second = dim1 % self.ndim, dim2 % self.ndim
    others = [axis for axis in range(self.ndim) if axis not in (first, second)]
    rows, columns = self.shape[first], self.shape[second]
    is_on = torch.arange(columns) - torch.arange(rows).unsqueeze(1) == offset
    places = (torch.arange(rows) + min(offset, 0)).clamp(0, src.shape[-1] - 1)
    laid = src.index_select(src.ndim - 1, places).unsqueeze(-1)
    order = [*others, first, second]
    found = torch.where(is_on, laid, self.permute(order))
    return found.permute([order.index(axis) for axis in range(self.ndim)])


@defines(aten.embedding_bag.default, aten.embedding_bag.padding_idx)
def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    mode: int,
    per_sample_weights: Tensor | None,
    include_last_offset: bool,
    padding_idx: int | None = None,
    **_: object,
) -> list[Tensor]:
    """The sum, the mean or the largest of the rows that lie between a bag's offset and the next: a product with which row is
    in which bag."""
    places = torch.arange(len(indices))
    begin = offsets[:-1] if include_last_offset else offsets
    is_in = places >= begin.unsqueeze(1)
    behind = begin[1:].unsqueeze(1) if len(begin) > 1 else None
    if behind is not None:  # the last bag has all that is left
        is_before = torch.cat([places < behind, torch.ones(1, len(places), dtype=torch.bool)])
        is_in = torch.logical_and(is_in, is_before)
    if padding_idx is not None and padding_idx >= 0:
        is_in = torch.logical_and(is_in, (indices != padding_idx).unsqueeze(0))
    rows = weight.index_select(0, indices)
    if mode == 2:
        largest = torch.where(is_in.unsqueeze(-1), rows, -math.inf).amax(1)
        return [torch.where(is_in.any(1, keepdim=True), largest, 0.0)]
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    share = is_in.to(weight.dtype)
    total = share @ rows
    return [total / share.sum(1, keepdim=True).clamp_min(1.0) if mode == 1 else total]


@defines(aten.as_strided.default)
def as_strided(self: Tensor, size: list[int], stride: list[int], storage_offset: int | None) -> Any:
    """From the flattened input, by the places that the steps lead to; a view of a part of another tensor stays"""
    whole = self.untyped_storage().nbytes() == self.numel() * self.element_size()
    if not (whole and self.is_contiguous() and size):
        return NotImplemented
    places = torch.zeros(1, dtype=torch.int64) + (storage_offset or 0)
    for count, step in zip(size, stride, strict=True):
        places = places.unsqueeze(-1) + torch.arange(count) * step
    return self.reshape(-1).index_select(0, places.reshape(-1)).reshape(size)
